"""What operators and their machines ask: alive, ready, which version, how much."""

import asyncio
from ipaddress import IPv4Address, IPv6Address

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from quizd.api.documents import gives, takes
from quizd.api.links import client_address
from quizd.api.problems import Code, Problem
from quizd.api.replies import Json
from quizd.api.services import Services, services_of
from quizd.codes import Reason
from quizd.settings import Metrics
from quizd.store.base import StoreUnavailable

STORE_WITHIN_S = 1.0
"""For the database to answer; nobody is kept waiting longer who asks how things are."""

OK = "ok"
DEGRADED = "degraded"

router = APIRouter(tags=["health"])

VERBOSE = {
    "name": "verbose",
    "in": "query",
    "allowEmptyValue": True,
    "schema": {"type": "string"},
    "description": "Tell what was looked at; needs no value.",
}
TEXT = {
    "description": "Metrics",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


@router.get("/livez", responses=gives("Health"))
async def livez() -> Response:
    """Tell that the process answers."""
    return Json({"status": "alive"})


@router.get(
    "/readyz",
    responses=gives("Health", Reason.SHARD_UNAVAILABLE),
    openapi_extra=takes(parameters=[VERBOSE]),
)
async def readyz(request: Request) -> Response:
    """Tell whether players should be sent here: also while the database is away."""
    services = services_of(request)
    reason = services.not_ready()
    if reason:
        raise Problem(Reason.SHARD_UNAVAILABLE, {"details": {"problem": reason}})
    if "verbose" not in request.query_params:
        return Json({"status": "ready"})
    checks = await _checks(services)
    worse = [name for name, found in checks.items() if found.startswith(DEGRADED)]
    status = f"{DEGRADED}: {', '.join(worse)}" if worse else "ready"
    return Json({"status": status, "checks": checks})


@router.get("/version", responses=gives("Version"))
async def version(request: Request) -> Response:
    """Tell what runs here."""
    return Json({"name": "quizd", "version": services_of(request).version})


@router.get(
    "/metrics",
    responses={**gives(None, Reason.FORBIDDEN, Code.NOT_FOUND), 200: TEXT},
    response_class=Response,
)
async def metrics(request: Request) -> Response:
    """Give every metric to Prometheus, from networks that may ask."""
    services = services_of(request)
    settings = services.settings.metrics
    if not settings.enabled:
        raise Problem(Code.NOT_FOUND)
    if not _may_read(settings, client_address(request)):
        raise Problem(Reason.FORBIDDEN)
    return Response(
        generate_latest(services.registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )


def _may_read(settings: Metrics, address: IPv4Address | IPv6Address | None) -> bool:
    """Tell whether *address* may; what comes by a Unix socket is let in by its file."""
    return address is None or any(address in network for network in settings.allow)


async def _checks(services: Services) -> dict[str, str]:
    most = services.settings.limits.sessions
    checks = {
        "store": OK,
        "sessions": f"{len(services.sessions.handles())} of {most} open",
        "journal": services.durability(),
        **services.state(),
    }
    if not checks["store"].startswith(DEGRADED):
        checks["store"] = await _store_now(services, checks["store"])
    return checks


async def _store_now(services: Services, found: str) -> str:
    """Return *found*, unless the database does not answer: nothing may be written."""
    try:
        async with asyncio.timeout(STORE_WITHIN_S):
            await services.quizzes.ping()
    except StoreUnavailable as error:
        return f"{DEGRADED}: {error}"
    except TimeoutError:
        return f"{DEGRADED}: no answer within {STORE_WITHIN_S:g} s"
    return found

"""The REST API as one application, on which the pages may be mounted."""

from fastapi import FastAPI
from starlette.routing import Route

from quizd.api import about, health, host, pages, play, problems, quizzes, results
from quizd.api.documents import Application
from quizd.api.gate import Gate
from quizd.api.join_rate import JoinRate
from quizd.api.region import RegionCheck
from quizd.api.replies import Json
from quizd.api.services import Context, Services
from quizd.cluster.region import Regions

BASE = "/api/v1"
DESCRIPTION = """\
Joining, hosting and authoring live quizzes, playing where WebSockets are blocked, and
reading what was played.
Errors are `application/problem+json` (RFC 9457) with a stable `code`. What goes over
the socket is in [asyncapi.json](asyncapi.json).
"""


def create_app(services: Services) -> FastAPI:
    """Return the API on *services*. It starts and stops none of them."""
    app = Application(
        title="quizd",
        version=services.version,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=Json,
    )
    rate = JoinRate(services.settings.limits.joins_per_s_per_address)
    for part in (play, host, quizzes, results, about):
        app.include_router(part.router, prefix=BASE)
    app.include_router(health.router)
    problems.install(app)
    pages.mount(app)
    cluster = services.settings.cluster
    if cluster.regions:
        regions = Regions(cluster.region, cluster.region_urls)
        app.add_middleware(RegionCheck, regions=regions)
    app.add_middleware(Gate, context=Context(services, rate))
    # Whole classes join at once, and without FastAPI's machinery it takes two thirds
    # of the time. FastAPI's own route behind this one is there to be described.
    app.router.routes.insert(
        0, Route(f"{BASE}{play.JOIN}", play.join, methods=["POST"])
    )
    return app

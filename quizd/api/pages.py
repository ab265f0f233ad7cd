"""The pages: HTML by its path, everything else by addresses that never change.

HTML is small, asks the browser to look for a newer one each time, and is answered by
304 where there is none; a proxy may hand it out for a few seconds, so that a class
that comes at once costs one request. All else has its content's hash in its address
and may be kept for ever. ``/quizd.js`` is the client for other people's pages: its
address stays, so it is looked after like HTML.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from quizd.api import qr
from quizd.api.links import base_url
from quizd.api.problems import Code, Problem, problem_of
from quizd.web.assets import BASE, Asset, shipped

PAGES = {
    "/": "play.html",
    "/play/{address}": "play.html",
    "/host/{address}": "host.html",
}
"""Which file is the page at which path; what follows from the path is up to it."""

CLIENT = "/quizd.js"
NOT_FOUND = "missing.html"

FRESH = "public, max-age=0, s-maxage=5, must-revalidate"
FOR_EVER = "public, max-age=31536000, immutable"

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self' data: https:",  # pictures and sounds of questions are links
    "media-src": "'self' https:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_PAGE_HEADERS = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), "
    "microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}


def mount(app: FastAPI) -> None:
    """Serve the pages on *app*, behind everything that it serves already.

    Raises :class:`quizd.web.assets.BrokenWebError` where the files do not fit together.
    """
    shipped()
    app.router.routes += [
        *(
            Route(path, _page(name), include_in_schema=False)
            for path, name in PAGES.items()
        ),
        Route(CLIENT, client, include_in_schema=False),
        Route(qr.PATH, qr.image, include_in_schema=False),
        Route(f"{BASE}{{name:path}}", asset, include_in_schema=False),
    ]
    app.add_exception_handler(HTTPStatus.NOT_FOUND, missing)


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        found = shipped().asset(name)
        headers = {"Cache-Control": FRESH, **_page_headers(request, found)}
        return _answer(request, found, headers)

    return page


async def client(request: Request) -> Response:
    """Send the client for other people's pages."""
    served = shipped().asset(CLIENT.removeprefix("/"))
    return _answer(request, served, {"Cache-Control": FRESH, **_ANY_ORIGIN})


async def asset(request: Request) -> Response:
    """Send what has its content's hash in its address."""
    served = shipped().by_url.get(request.url.path)
    if served is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return _answer(request, served, {"Cache-Control": FOR_EVER, **_ANY_ORIGIN})


async def missing(request: Request, error: Exception) -> Response:
    """Tell a person that there is nothing here by a page, a program by a problem."""
    if not _wants_page(request):
        return problem_of(error).response()
    found = shipped().asset(NOT_FOUND)
    problem = Problem(Code.NOT_FOUND)
    headers = {**_page_headers(request, found), "Vary": "Accept, Accept-Encoding"}
    return _sent(request, found, headers, problem.status)


def policy(base: str, inline: Iterable[str] = ()) -> str:
    """Return the Content-Security-Policy of a page at *base*, ``http(s)://host``.

    *inline*: the hashes of the scripts in the page; no other may be in it. Sockets are
    named with their host: ``'self'`` does not cover them in all browsers. Both kinds
    are, as whoever speaks TLS may stand in front of us.
    """
    host = base.partition("://")[2]
    sources = {
        **_POLICY,
        "script-src": " ".join(("'self'", *inline)),
        "connect-src": f"'self' ws://{host} wss://{host}",
    }
    return "; ".join(f"{name} {source}" for name, source in sources.items())


def _page_headers(request: Request, page: Asset) -> dict[str, str]:
    allowed = policy(base_url(request), page.inline)
    return {"Content-Security-Policy": allowed, **_PAGE_HEADERS}


def _answer(request: Request, served: Asset, headers: Mapping[str, str]) -> Response:
    """Send *served*, or 304 to who has it (RFC 9110 section 13.1.2)."""
    tag = _tag(served, zipped=_takes_gzip(request))
    known = request.headers.get("if-none-match", "")
    own = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in (name.strip().removeprefix("W/") for name in known.split(",")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=own)
    return _sent(request, served, own, HTTPStatus.OK)


def _sent(
    request: Request, served: Asset, headers: Mapping[str, str], status: HTTPStatus
) -> Response:
    own = {**headers, "Content-Type": served.media_type}
    if not _takes_gzip(request):
        return Response(served.body, status, own)
    return Response(served.gzipped, status, {**own, "Content-Encoding": "gzip"})


def _tag(served: Asset, *, zipped: bool) -> str:
    """Return the entity tag, which each encoding has for itself."""
    return f'"{served.digest}-gzip"' if zipped else f'"{served.digest}"'


def _takes_gzip(request: Request) -> bool:
    """Tell whether ``Accept-Encoding`` allows gzip (RFC 9110 section 12.5.3)."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in {"gzip", "x-gzip", "*"}:
            return not _is_zero(weight)
    return False


def _is_zero(weight: str) -> bool:
    """Tell whether a weight such as ``q=0.0`` says "not at all"."""
    digits = weight.replace(" ", "").removeprefix("q=")
    return digits != "" and not digits.strip("0.")


def _wants_page(request: Request) -> bool:
    """Tell whether this is a browser that shows what it gets, and no API call."""
    accepts = "text/html" in request.headers.get("accept", "")
    return accepts and not request.url.path.startswith("/api/")

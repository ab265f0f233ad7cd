"""The QR code of a quiz: what a phone's camera opens to join.

An image of its own, so that the pages' policy needs no exception and any page or slide
may show it. It depends on the address alone, so it may be kept; its quiet zone is the
four modules that ISO/IEC 18004 asks for.
"""

import re
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO

import segno
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from quizd.api.links import base_url

PATH = "/play/{address}/qr.svg"
KEPT = 256
QUIET_MODULES = 4
CACHING = "public, max-age=3600"

_ADDRESS = re.compile(r"[A-Za-z0-9_.-]{1,64}")


async def image(request: Request) -> Response:
    """Send the code of ``/play/{address}`` as SVG; 404 where that is no address."""
    address = request.path_params["address"]
    if not _ADDRESS.fullmatch(address):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    headers = {"Cache-Control": CACHING}
    code = drawn(f"{base_url(request)}/play/{address}")
    return Response(code, headers=headers, media_type="image/svg+xml")


@lru_cache(KEPT)
def drawn(text: str) -> bytes:
    """Return *text* as a QR code in SVG, black on white in every theme.

    Level M repairs 15 % of it, which is enough for a beam of light across a canvas.
    Raises ``ValueError`` where *text* is longer than a code can be.
    """
    out = BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(
        out,
        kind="svg",
        border=QUIET_MODULES,
        light="#fff",
        omitsize=True,
        xmldecl=False,
        nl=False,
    )
    return out.getvalue()

"""The API's own documents: OpenAPI of the calls, AsyncAPI of the socket."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from quizd.api.documents import gives
from quizd.api.replies import Json
from quizd.api.services import services_of
from quizd.protocol.schema import document

router = APIRouter(tags=["documents"])


@router.get("/openapi.json", responses=gives("Document"))
async def openapi(request: Request) -> Response:
    """Read this document."""
    return Json(request.app.openapi())


@router.get("/asyncapi.json", responses=gives("Document"))
async def asyncapi(request: Request) -> Response:
    """Read what goes over the socket."""
    return Json(document(services_of(request).version))

"""Quizzes: what can be joined, for anybody; definitions, for authors."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from quizd.api.access import check_author
from quizd.api.body import malformed
from quizd.api.documents import AUTHOR, WITH_BODY, gives, takes
from quizd.api.entering import stored_quiz
from quizd.api.problems import Code, Problem, invalid
from quizd.api.replies import Json
from quizd.api.services import context_of, services_of
from quizd.clock import iso
from quizd.codes import Reason
from quizd.quizfile.json_format import parse
from quizd.quizfile.problems import QuizFileError, QuizSyntaxError
from quizd.session.picture import Joinable as Line
from quizd.session.quiz import Quiz
from quizd.store.base import QUIZ_ID, QUIZ_ID_WANTED, QuizSummary, StoredQuiz

PAGE_MAX = 200
CURSOR_MAX_CHARS = 64
BODY = "quiz"

Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX_CHARS)]

router = APIRouter(tags=["quizzes"])


@router.get(
    "/quizzes",
    responses=gives("QuizList", Reason.UNAUTHORIZED, Reason.INVALID_MESSAGE),
    openapi_extra={"security": [{}, {AUTHOR: []}]},
)
async def list_quizzes(
    request: Request,
    *,
    joinable: bool = False,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    cursor: Cursor = None,
) -> Response:
    """List what can be joined now (anyone), or all definitions (authors)."""
    if joinable:
        lines, following = await context_of(request).joinable.page(limit, cursor)
        listed = [_joinable(line) for line in lines]
    else:
        check_author(request)
        page = await services_of(request).quizzes.list(limit, cursor)
        listed, following = [_summary(item) for item in page.items], page.cursor
    return Json({"quizzes": listed, "nextCursor": following})


@router.post(
    "/quizzes",
    responses=gives("StoredQuiz", Reason.UNAUTHORIZED, *WITH_BODY, status=201),
    status_code=HTTPStatus.CREATED,
    openapi_extra=takes("Quiz", tokens=(AUTHOR,)),
)
async def create_quiz(request: Request) -> Response:
    """Keep a quiz under a new id."""
    check_author(request)
    return await _put(request, None)


@router.get(
    "/quizzes/{quiz_id}",
    responses=gives("StoredQuiz", Reason.UNAUTHORIZED, Code.QUIZ_NOT_FOUND),
    openapi_extra=takes(tokens=(AUTHOR,)),
)
async def read_quiz(request: Request, quiz_id: str) -> Response:
    """Read the latest version of a quiz."""
    check_author(request)
    stored = await stored_quiz(services_of(request), quiz_id)
    if stored is None:
        raise Problem(Code.QUIZ_NOT_FOUND)
    return Json(_stored(stored))


@router.put(
    "/quizzes/{quiz_id}",
    responses=gives("StoredQuiz", Reason.UNAUTHORIZED, *WITH_BODY, also=201),
    openapi_extra=takes("Quiz", tokens=(AUTHOR,)),
)
async def write_quiz(request: Request, quiz_id: str) -> Response:
    """Keep a quiz under this id; new content is a new version.

    A session that is open goes on with the version it was opened with.
    """
    check_author(request)
    if not QUIZ_ID.fullmatch(quiz_id):
        raise invalid("quizId", QUIZ_ID_WANTED)
    return await _put(request, quiz_id)


@router.delete(
    "/quizzes/{quiz_id}",
    responses=gives(None, Reason.UNAUTHORIZED, Code.QUIZ_NOT_FOUND, status=204),
    status_code=HTTPStatus.NO_CONTENT,
    openapi_extra=takes(tokens=(AUTHOR,)),
)
async def delete_quiz(request: Request, quiz_id: str) -> Response:
    """Take a quiz out; a session that is open goes on."""
    check_author(request)
    services = services_of(request)
    if not await services.quizzes.delete(quiz_id, services.clock.now_ms()):
        raise Problem(Code.QUIZ_NOT_FOUND)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _put(request: Request, quiz_id: str | None) -> Response:
    quiz = _quiz(await request.body())
    services = services_of(request)
    is_new = quiz_id is None or await services.quizzes.get(quiz_id) is None
    stored = await services.quizzes.put(quiz_id, quiz, services.clock.now_ms())
    if not is_new:
        return Json(_stored(stored))
    location = {"Location": f"/api/v1/quizzes/{stored.quiz_id}"}
    return Json(_stored(stored), HTTPStatus.CREATED, location)


def _quiz(body: bytes) -> Quiz:
    try:
        return parse(body, BODY)
    except QuizSyntaxError as error:
        raise malformed({"problems": error.problems}) from error
    except QuizFileError as error:
        problems = {"problems": error.problems}
        raise Problem(Reason.INVALID_MESSAGE, problems) from error


def _stored(stored: StoredQuiz) -> dict[str, Any]:
    return {
        "quizId": stored.quiz_id,
        "version": stored.version,
        "createdAt": iso(stored.created_ms),
        "updatedAt": iso(stored.updated_ms),
        "quiz": stored.quiz.model_dump(mode="json", exclude_none=True),
    }


def _summary(summary: QuizSummary) -> dict[str, Any]:
    return {
        "quizId": summary.quiz_id,
        "version": summary.version,
        "createdAt": iso(summary.created_ms),
        "updatedAt": iso(summary.updated_ms),
        "title": summary.title,
        "language": summary.language,
        "level": summary.level,
        "questions": summary.questions,
        "open": "always" if summary.always_open else "host",
    }


def _joinable(line: Line) -> dict[str, Any]:
    return {
        "quizId": line.quiz_id,
        "title": line.title,
        "phase": line.phase,
        "participants": line.participants,
        "level": line.level,
        "language": line.language,
    }

"""What hosts do: open a session of a quiz and lead it."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from quizd.accounts.tokens import Role
from quizd.api.access import check_author, seat_of, settled, token_for
from quizd.api.body import json_object
from quizd.api.documents import AUTHOR, HOST, WITH_BODY, WITH_SEAT, gives, takes
from quizd.api.entering import open_session, stored_quiz
from quizd.api.links import base_url, ws_url
from quizd.api.problems import Code, Problem
from quizd.api.replies import Json
from quizd.api.schemas import command_schema, host_commands
from quizd.api.services import services_of
from quizd.codes import Reason
from quizd.owner.handle import Handle
from quizd.protocol import decode
from quizd.session.state import State

router = APIRouter(tags=["host"])


@router.post(
    "/quizzes/{quiz_id}/open",
    responses=gives(
        "Opened",
        Reason.UNAUTHORIZED,
        Reason.SESSION_FULL,
        Code.QUIZ_NOT_FOUND,
        status=HTTPStatus.CREATED,
        also=HTTPStatus.OK,
    ),
    status_code=HTTPStatus.CREATED,
    openapi_extra=takes(tokens=(AUTHOR,)),
)
async def open_quiz(request: Request, quiz_id: str) -> Response:
    """Open a session of a quiz; 200 where one is open already."""
    check_author(request)
    there = await services_of(request).sessions.find_open(quiz_id)
    runner = there or await _open(request, quiz_id)
    return Json(
        _opened(request, runner), HTTPStatus.OK if there else HTTPStatus.CREATED
    )


async def _open(request: Request, quiz_id: str) -> Handle:
    services = services_of(request)
    stored = await stored_quiz(services, quiz_id)
    if stored is None:
        raise Problem(Code.QUIZ_NOT_FOUND)
    return await open_session(services, stored)


def _opened(request: Request, runner: Handle) -> dict[str, str]:
    state = runner.state
    return {
        "sessionId": state.session_id,
        "pin": state.pin,
        "hostToken": token_for(request, runner, None),
        "wsUrl": ws_url(request, quizId=state.quiz_id, role="host"),
        "joinUrl": f"{base_url(request)}/play/{state.pin}",
    }


def _add_command(command: str) -> None:
    router.add_api_route(
        f"/quizzes/{{address}}/{command}",
        _leading(command),
        methods=["POST"],
        summary=f"{command.capitalize()}, as host_{command} over the socket",
        responses=gives("Commanded", *WITH_SEAT, *WITH_BODY),
        openapi_extra=takes(command_schema(command), optional=True, tokens=(HOST,)),
    )


def _leading(command: str) -> Callable[[Request, str], Awaitable[Response]]:
    async def lead(request: Request, address: str) -> Response:
        seat = await seat_of(request, address, Role.HOST)
        body = await json_object(request, optional=True)
        message = decode.Message(f"host_{command}", body)
        event = decode.host_command(message, seat.runner.lead_ms())
        await settled(seat.runner.submit(event))
        return Json(await seat.read(_commanded))

    lead.__name__ = f"host_{command}"
    return lead


def _commanded(state: State) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "phase": state.phase,
        "participants": state.participants,
        "seq": state.seq,
    }
    if state.question is not None:
        reply["questionId"] = state.question.id
    return reply


for _command in host_commands():
    _add_command(_command)

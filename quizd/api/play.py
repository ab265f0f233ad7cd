"""What players do: join, and play by requests where sockets are blocked."""

from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from quizd._fast.fanout import result_payload
from quizd.accounts.tokens import Role
from quizd.api.access import seat_of, settled
from quizd.api.body import idempotency_key, json_object
from quizd.api.documents import (
    ANSWER_REFUSALS,
    HOST,
    PLAYER,
    WITH_BODY,
    WITH_SEAT,
    gives,
    takes,
)
from quizd.api.entering import enter, ticket
from quizd.api.links import client_address
from quizd.api.names import clean_name
from quizd.api.replies import Json, payload_of
from quizd.api.schemas import ADDRESS, KEY_HEADER
from quizd.api.services import context_of, services_of
from quizd.codes import Reason
from quizd.protocol import decode, encode
from quizd.session import picture as pic
from quizd.session.state import State

PAGE_MAX = 1000
OFFSET_MAX = 10_000_000

JOIN = "/quizzes/{address}/join"

router = APIRouter(tags=["play"])


@router.post(
    JOIN,
    responses=gives(
        "Joined",
        *WITH_BODY,
        Reason.SESSION_NOT_FOUND,
        Reason.SESSION_FULL,
        Reason.SESSION_LOCKED,
        Reason.FORBIDDEN,
        Reason.RATE_LIMITED,
    ),
    openapi_extra=takes("Join", parameters=[ADDRESS, KEY_HEADER]),
)
async def join(request: Request) -> Response:
    """Take part, by a quiz's id or a session's pin.

    The same `Idempotency-Key`, or a valid participant token, gets the same
    participant back.
    """
    context = context_of(request)
    if context.join_rate.is_on:
        await context.join_rate.take(client_address(request))
    body = await json_object(request)
    most_chars = context.services.settings.limits.name_chars
    name = clean_name(body.get("participantName"), most_chars)
    address, key = request.path_params["address"], idempotency_key(request)
    return Json(ticket(request, await enter(request, address, name, key)))


@router.get(
    "/quizzes/{address}/state",
    responses=gives("State", *WITH_SEAT),
    openapi_extra=takes(tokens=(PLAYER, HOST)),
)
async def state(request: Request, address: str) -> Response:
    """Read the whole picture, as `welcome` has it."""
    seat = await seat_of(request, address, Role.PARTICIPANT, Role.HOST)
    services = services_of(request)
    size = services.settings.leaderboard.size

    def look(state: State) -> pic.Picture:
        return pic.picture(state, seat.participant, services.clock.now_ms(), size)

    return Json(payload_of(encode.welcome(await seat.read(look), resumed=False)))


@router.get(
    "/quizzes/{address}/leaderboard",
    responses=gives("LeaderboardPage", *WITH_SEAT, Reason.INVALID_MESSAGE),
    openapi_extra=takes(tokens=(PLAYER, HOST)),
)
async def leaderboard(
    request: Request,
    address: str,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 10,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
) -> Response:
    """Read a part of the leaderboard, and in `you` one's own place."""
    seat = await seat_of(request, address, Role.PARTICIPANT, Role.HOST)
    return Json(await seat.read(partial(_board, seat.participant, offset, limit)))


@router.post(
    "/quizzes/{address}/answers",
    responses=gives("AnswerResult", *WITH_SEAT, *WITH_BODY, *ANSWER_REFUSALS),
    openapi_extra=takes("Answer", tokens=(PLAYER,)),
)
async def answers(request: Request, address: str) -> Response:
    """Answer the open question; the result tells that the answer is durable."""
    seat = await seat_of(request, address, Role.PARTICIPANT)
    index = seat.participant or 0
    body = await json_object(request)
    received_ms = services_of(request).clock.now_ms()
    own_id = await seat.read(lambda state: state.participant_ids[index])
    message = decode.Message("answer_submission", body)
    submitted = decode.answer(message, index, own_id, received_ms)
    question = await settled(seat.runner.submit(submitted))
    return Json(await seat.read(partial(_result, index, question or 0)))


def _board(
    participant: int | None, offset: int, limit: int, state: State
) -> dict[str, Any]:
    page: dict[str, Any] = {
        "leaderboard": encode.board(pic.page(state, offset, limit)),
        "total": state.participants,
    }
    if participant is not None:
        own = pic.own(state, participant)
        page["you"] = {"score": own.score, "rank": own.rank, "of": own.of}
    return page


def _result(participant: int, index: int, state: State) -> bytes:
    """Return the result with points and rank only where feedback is immediate."""
    question = orjson.dumps(state.quiz.question(index).id)
    board = state.board if state.immediate else None
    return payload_of(result_payload(question, state.sheets[index], board, participant))

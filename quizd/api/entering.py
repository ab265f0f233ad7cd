"""Getting into a session: finding it, or opening it where the quiz says so."""

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import cast

from starlette.requests import Request

from quizd.accounts.tokens import Grant
from quizd.api.access import is_in, is_known, participants_grant, settled, token_for
from quizd.api.links import ws_url
from quizd.api.services import Services, services_of
from quizd.codes import Reason, Refused
from quizd.owner.handle import Handle
from quizd.session import events as ev
from quizd.session.state import State
from quizd.store.base import QUIZ_ID, StoredQuiz

UUID_FIXED_BITS = 0xF << 76 | 0x3 << 62  # where version and variant are
UUID_VERSION_4 = 0x4 << 76 | 0x2 << 62


@dataclass(frozen=True, slots=True)
class Entrance:
    """A participant's place: ``participant`` is the index in the runner's session."""

    runner: Handle
    participant: int
    participant_id: str
    name: str


async def enter(request: Request, address: str, name: str, key: str) -> Entrance:
    """Return the place of who asks: the one they had, else a new one.

    *key* is what the same person would send again, ``""`` for nothing. Raises
    ``session_not_found``, or why the session takes nobody.
    """
    runner = await _session(request, address)
    try:
        return await settled(_take_place(request, runner, name, key))
    except Refused as refused:
        if refused.reason is not Reason.SESSION_NOT_FOUND:
            raise
    await asyncio.sleep(0)  # it has just ended, which its owner notices now
    runner = await _session(request, address)
    return await settled(_take_place(request, runner, name, key))


async def _take_place(
    request: Request, runner: Handle, name: str, key: str
) -> Entrance:
    grant = participants_grant(request, runner.state.session_id)
    participant = None if grant is None else await _index_of(runner, grant)
    if participant is None:
        participant = await _join(runner, name, key)
    there = await runner.read(partial(_seen, participant))
    if there is None:
        raise Refused(Reason.FORBIDDEN)
    return Entrance(runner, participant, *there)


async def _index_of(runner: Handle, grant: Grant) -> int | None:
    """Return the index that *grant* is for, ``None`` where it is nobody's.

    Who has just joined on another shard may be news here, and is not to join twice.
    """
    await runner.expect(grant.participant)
    known = await runner.read(lambda state: is_known(state, grant))
    return grant.participant if known else None


async def _join(runner: Handle, name: str, key: str) -> int:
    return cast("int", await runner.submit(newcomer(name, key)))


def newcomer(name: str, key: str) -> ev.ParticipantJoined:
    """Return the event of somebody new called *name*; *key* as for :func:`enter`."""
    hashed = sha256(key.encode()).hexdigest() if key else ""
    return ev.ParticipantJoined(new_id(), name, hashed)


def new_id() -> str:
    """Return a random UUID (RFC 9562 section 5.4).

    ``uuid4`` makes an object of it first, which takes most of its time.
    """
    number = int.from_bytes(os.urandom(16))
    digits = f"{number & ~UUID_FIXED_BITS | UUID_VERSION_4:032x}"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts)


def ticket(request: Request, place: Entrance) -> dict[str, str]:
    """Return what the owner of *place* needs to take part."""
    quiz_id, own_id = place.runner.state.quiz_id, place.participant_id
    return {
        "quizId": quiz_id,
        "participantId": own_id,
        "sessionId": place.runner.state.session_id,
        "token": token_for(request, place.runner, place.participant, own_id),
        "wsUrl": ws_url(request, quizId=quiz_id, participantId=own_id),
        "participantName": place.name,
    }


async def _session(request: Request, address: str) -> Handle:
    services = services_of(request)
    runner = await services.sessions.find_open(address)
    if runner is not None:
        return runner
    stored = await stored_quiz(services, address)
    if stored is None or stored.quiz.settings.open != "always":
        raise Refused(Reason.SESSION_NOT_FOUND, quizId=address)
    return await open_session(services, stored)


async def stored_quiz(services: Services, quiz_id: str) -> StoredQuiz | None:
    """Return a quiz; what can't be an id is not asked of the database."""
    return await services.quizzes.get(quiz_id) if QUIZ_ID.fullmatch(quiz_id) else None


async def open_session(services: Services, stored: StoredQuiz) -> Handle:
    """Return the session of *stored*, opened where there is none.

    Opening goes on when nobody waits for it any more: half of it would be lost.
    """
    opening = asyncio.ensure_future(
        services.sessions.open(stored.quiz_id, stored.quiz, stored.version)
    )
    opening.add_done_callback(_retrieve)
    return await settled(asyncio.shield(opening))


def _retrieve(opening: asyncio.Future[Handle]) -> None:
    """Have a refusal count as heard of, also when all who waited have left."""
    if not opening.cancelled():
        opening.exception()


def _seen(participant: int, state: State) -> tuple[str, str] | None:
    if not is_in(state, participant):
        return None
    return state.participant_ids[participant], state.names[participant]

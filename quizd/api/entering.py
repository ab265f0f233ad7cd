"""Getting into a session: finding it, or opening it where the quiz says so."""

import asyncio
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import cast
from uuid import uuid4

from starlette.requests import Request

from quizd.api.access import is_in, known_participant, settled
from quizd.api.services import Services, services_of
from quizd.codes import Reason, Refused
from quizd.owner.runner import Runner
from quizd.session import events as ev
from quizd.session.state import State
from quizd.store.base import QUIZ_ID, StoredQuiz


@dataclass(frozen=True, slots=True)
class Entrance:
    """A participant's place: ``participant`` is the index in the runner's session."""

    runner: Runner
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
    request: Request, runner: Runner, name: str, key: str
) -> Entrance:
    participant = known_participant(request, runner.state.session_id)
    if participant is None:
        participant = await _join(runner, name, key)
    there = await runner.read(partial(_seen, participant))
    if there is None:
        raise Refused(Reason.FORBIDDEN)
    return Entrance(runner, participant, *there)


async def _join(runner: Runner, name: str, key: str) -> int:
    hashed = sha256(key.encode()).hexdigest() if key else ""
    joined = ev.ParticipantJoined(str(uuid4()), name, hashed)
    return cast("int", await runner.submit(joined))


async def _session(request: Request, address: str) -> Runner:
    services = services_of(request)
    runner = services.owner.find_open(address)
    if runner is not None:
        return runner
    stored = await stored_quiz(services, address)
    if stored is None or stored.quiz.settings.open != "always":
        raise Refused(Reason.SESSION_NOT_FOUND, quizId=address)
    return await open_session(services, stored)


async def stored_quiz(services: Services, quiz_id: str) -> StoredQuiz | None:
    """Return a quiz; what can't be an id is not asked of the database."""
    return await services.quizzes.get(quiz_id) if QUIZ_ID.fullmatch(quiz_id) else None


async def open_session(services: Services, stored: StoredQuiz) -> Runner:
    """Return the session of *stored*, opened where there is none.

    Opening goes on when nobody waits for it any more: half of it would be lost.
    """
    opening = asyncio.ensure_future(
        services.owner.open(stored.quiz_id, stored.quiz, stored.version)
    )
    opening.add_done_callback(_retrieve)
    return await settled(asyncio.shield(opening))


def _retrieve(opening: asyncio.Future[Runner]) -> None:
    """Have a refusal count as heard of, also when all who waited have left."""
    if not opening.cancelled():
        opening.exception()


def _seen(participant: int, state: State) -> tuple[str, str] | None:
    if not is_in(state, participant):
        return None
    return state.participant_ids[participant], state.names[participant]

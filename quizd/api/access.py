"""Who may do what: tokens, and the place in a session that a token stands for."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from quizd.accounts.tokens import WHOSE_CHARS, Grant, Role
from quizd.api.services import services_of
from quizd.codes import Reason, Refused
from quizd.owner.handle import Handle
from quizd.session.state import State

T = TypeVar("T")

REPLY_TIMEOUT_S = 10.0
"""How long a request waits for its session, whose journal may be away."""

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Seat:
    """A session, and what the token says that opens a place in it."""

    runner: Handle
    grant: Grant

    @property
    def participant(self) -> int | None:
        """The participant's index, ``None`` for a host."""
        is_player = self.grant.role is Role.PARTICIPANT
        return self.grant.participant if is_player else None

    async def read(self, look: Callable[[State], T]) -> T:
        """Return what *look* sees of the session, which nobody changes meanwhile.

        Raises ``unauthorized`` where the token is nobody's of this session, and
        ``forbidden`` where the player was removed.
        """
        seen = await settled(self.runner.read(self._guarded(look)))
        if isinstance(seen, Refused):
            raise seen
        return seen

    def _guarded(self, look: Callable[[State], T]) -> Callable[[State], T | Refused]:
        grant = self.grant
        if grant.role is Role.HOST:
            return look

        def guarded(state: State) -> T | Refused:
            return _refusal(state, grant) or look(state)

        return guarded


def _refusal(state: State, grant: Grant) -> Refused | None:
    if not is_known(state, grant):
        return Refused(Reason.UNAUTHORIZED, problem="participant is unknown")
    if not is_in(state, grant.participant):
        return Refused(Reason.FORBIDDEN)
    return None


def is_known(state: State, grant: Grant) -> bool:
    """Tell whether a participant's *grant* is of one who has joined, removed or not."""
    ids = state.participant_ids
    return grant.participant < len(ids) and grant.is_of(ids[grant.participant])


def is_in(state: State, participant: int) -> bool:
    """Tell whether there is a participant at this index who was not removed."""
    return participant < len(state.names) and participant not in state.removed


def bearer(request: Request) -> str:
    """Return the token of the ``Authorization`` header, ``""`` without one."""
    value = request.headers.get("authorization", "")
    if value[: len(_SCHEME)].lower() != _SCHEME:
        return ""
    return value[len(_SCHEME) :].strip()


def check_author(request: Request) -> None:
    """Raise ``unauthorized`` unless the request has the author's token.

    The comparison takes the same time wherever a wrong token differs.
    """
    given, right = bearer(request), services_of(request).author_token
    same = hmac.compare_digest(given.encode(), right.encode())
    if not (right and same):
        raise Refused(Reason.UNAUTHORIZED)


async def seat_of(request: Request, address: str, *roles: Role) -> Seat:
    """Return the seat that the request's token stands for.

    *address* is the quiz's id or the pin in the path. A participant of whom this shard
    has not heard yet is waited for. Raises ``unauthorized`` without a valid token,
    ``forbidden`` for a token of no role in *roles* or of another session,
    ``session_not_found`` where the session is over and forgotten.
    """
    services = services_of(request)
    grant = services.tokens.check(bearer(request), services.clock.now_ms())
    if grant.role not in roles:
        raise Refused(Reason.FORBIDDEN)
    runner = await services.sessions.session(grant.session_id)
    if address not in (runner.state.quiz_id, runner.state.pin):
        raise Refused(Reason.FORBIDDEN)
    if grant.role is Role.PARTICIPANT:
        await settled(runner.expect(grant.participant))
    return Seat(runner, grant)


def participants_grant(request: Request, session_id: str) -> Grant | None:
    """Return what a participant's valid token for *session_id* says, if one came."""
    token = bearer(request)
    if not token:
        return None
    services = services_of(request)
    try:
        grant = services.tokens.check(token, services.clock.now_ms())
    except Refused:
        return None
    if grant.role is not Role.PARTICIPANT or grant.session_id != session_id:
        return None
    return grant


def token_for(
    request: Request,
    runner: Handle,
    participant: int | None,
    participant_id: str = "",
) -> str:
    """Return a fresh token for *participant* of this session, ``None``: a host."""
    services = services_of(request)
    role = Role.HOST if participant is None else Role.PARTICIPANT
    whose = participant_id[:WHOSE_CHARS]
    grant = Grant(role, runner.state.session_id, participant or 0, whose)
    return services.tokens.issue(grant, services.clock.now_ms())


async def settled(reply: Awaitable[T]) -> T:
    """Return a session's *reply*; raise ``shard_unavailable`` where it is too late."""
    try:
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            return await reply
    except TimeoutError:
        raise Refused(Reason.SHARD_UNAVAILABLE) from None

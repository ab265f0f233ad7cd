"""Who comes in: the one place that decides on an upgrade request.

Another origin, or a server that is full, is told so by an HTTP status. What is wrong
with a token is told by a close code after the upgrade, because a browser's page
never gets to see the status of a refused one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from quizd._fast.entrance import Ask
from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.clock import Clock
from quizd.codes import Close, Reason, Refused
from quizd.edge.ceilings import CONNECTIONS_FULL
from quizd.edge.connection import Visit
from quizd.owner.handle import Handle
from quizd.owner.sessions import Sessions

SUBPROTOCOL = "quizd.v1"
UPGRADE = 101


class Turned(Exception):  # noqa: N818 - a visitor who is turned away
    """Not admitted: by HTTP *status*, or by close *code* once the upgrade is done."""

    def __init__(
        self, why: str, *, status: int = UPGRADE, code: Close = Close.NORMAL
    ) -> None:
        super().__init__(why)
        self.why = why
        self.status = status
        self.code = code


class Admitted(NamedTuple):
    """Let in: to which session, and as what."""

    runner: Handle
    visit: Visit


CLOSE_OF = {
    Reason.UNAUTHORIZED: Close.UNAUTHORIZED,
    Reason.FORBIDDEN: Close.FORBIDDEN,
    Reason.SESSION_NOT_FOUND: Close.SESSION_NOT_FOUND,
    Reason.SHARD_UNAVAILABLE: Close.TRY_AGAIN_LATER,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of admission."""

    sessions: Sessions
    tokens: Tokens
    clock: Clock
    origins: tuple[str, ...]
    tokenless: bool
    connections: Callable[[], int]
    connections_max: int
    elsewhere: Callable[[str], str | None] = lambda _: None

    def admit(self, target: str, headers: Mapping[str, str]) -> Admitted:
        """Return what a request for *target* is let in as; raise :class:`Turned`."""
        return self.let_in(Ask(target, headers))

    def knows(self, ask: Ask) -> bool:
        """Tell whether admission can judge *ask* by what is here."""
        if not ask.token:
            return True
        try:
            grant = self._grant(ask)
        except Refused:
            return True  # nothing that may come makes the token a better one
        return is_known(self.sessions.known(grant.session_id), grant)

    def let_in(self, ask: Ask) -> Admitted:
        """Return what who asks is let in as; raise :class:`Turned`."""
        if "origin" in ask.headers:
            self._check_origin(ask.headers)
        if self.connections() >= self.connections_max:
            CONNECTIONS_FULL.inc()
            raise Turned("too many connections", status=503)
        url = self.elsewhere(ask.quiz_id)
        if url is not None:
            raise Turned(f"{Reason.WRONG_REGION}: {url}", status=421)
        try:
            return self._admitted(ask)
        except Refused as refused:
            code = CLOSE_OF.get(refused.reason, Close.INTERNAL_ERROR)
            why = str(refused.details.get("problem", refused.reason.value))
            raise Turned(why, code=code) from None

    def _grant(self, ask: Ask) -> Grant:
        """Return what the token says, which is checked once."""
        grant: Grant | None = ask.grant
        if grant is None:
            grant = ask.grant = self.tokens.check(ask.token, self.clock.now_ms())
        return grant

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """Let pages of our own origin in, and those on the list; programs have none."""
        origin = headers["origin"].lower()
        if "*" in self.origins or origin in self.origins:
            return
        host = headers.get("host", "").lower()
        if origin not in (f"http://{host}", f"https://{host}"):
            raise Turned("origin is not allowed", status=403)

    def _admitted(self, ask: Ask) -> Admitted:
        """Let in who has a token, and says nothing else of itself than that does."""
        if not ask.token:
            return self._tokenless(ask)
        grant = self._grant(ask)
        runner = self.sessions.known(grant.session_id)
        if runner is None:
            raise Refused(Reason.SESSION_NOT_FOUND, sessionId=grant.session_id)
        state = runner.state
        if ask.quiz_id and ask.quiz_id not in (state.quiz_id, state.pin):
            raise Refused(Reason.FORBIDDEN, problem="token is for another quiz")
        if grant.role is Role.HOST:
            return Admitted(runner, Visit(None, epoch=ask.epoch, after=ask.after))
        ids, index = state.participant_ids, grant.participant
        if index >= len(ids):
            raise _unknown(runner, index)
        if not grant.is_of(ids[index]):
            raise Refused(Reason.UNAUTHORIZED, problem="participant is unknown")
        if ask.participant_id and ask.participant_id != ids[index]:
            raise Refused(Reason.FORBIDDEN, problem="token is another participant's")
        return Admitted(runner, Visit(index, ids[index], ask.epoch, ask.after))

    def _tokenless(self, ask: Ask) -> Admitted:
        """Take a client's word for who it is: for clients from before tokens."""
        if not self.tokenless:
            raise Refused(Reason.UNAUTHORIZED, problem="token is missing")
        runner = self.sessions.find_here(ask.quiz_id)
        if runner is None:
            raise Refused(Reason.SESSION_NOT_FOUND, quizId=ask.quiz_id)
        index = runner.state.index_of.get(ask.participant_id)
        if index is None:
            raise Refused(Reason.UNAUTHORIZED, problem="participantId is unknown")
        visit = Visit(index, ask.participant_id, ask.epoch, ask.after)
        return Admitted(runner, visit)


def _unknown(handle: Handle, participant: int) -> Refused:
    """Refuse somebody who is not in, or of whom this shard has not heard yet."""
    known = handle.expect(participant)
    if known.done() and known.exception() is None:
        return Refused(Reason.UNAUTHORIZED, problem="participant is unknown")
    return Refused(Reason.SHARD_UNAVAILABLE, problem="participant is not known yet")


def is_known(handle: Handle | None, grant: Grant) -> bool:
    """Tell whether admission can judge *grant* by what is here."""
    if handle is None or not handle.synced:
        return False
    return grant.role is Role.HOST or grant.participant < len(handle.state.names)


def subprotocol(headers: Mapping[str, str]) -> str | None:
    """Return the subprotocol to choose; browsers insist on one of those offered."""
    offered = headers.get("sec-websocket-protocol", "").split(",")
    return SUBPROTOCOL if SUBPROTOCOL in map(str.strip, offered) else None

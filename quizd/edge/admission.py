"""Who comes in: the one place that decides on an upgrade request.

Another origin, or a server that is full, is told so by an HTTP status. What is wrong
with a token is told by a close code after the upgrade, because a browser's page
never gets to see the status of a refused one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.clock import Clock
from quizd.codes import Close, Reason, Refused
from quizd.edge.connection import Visit
from quizd.owner.owner import Owner
from quizd.owner.runner import Runner

SUBPROTOCOL = "quizd.v1"
BEARER = "bearer."
RETRY_AFTER_S = 2
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


@dataclass(frozen=True, slots=True)
class Admitted:
    """Let in: to which session, and as what."""

    runner: Runner
    visit: Visit


CLOSE_OF = {
    Reason.UNAUTHORIZED: Close.UNAUTHORIZED,
    Reason.FORBIDDEN: Close.FORBIDDEN,
    Reason.SESSION_NOT_FOUND: Close.SESSION_NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of admission."""

    owner: Owner
    tokens: Tokens
    clock: Clock
    origins: tuple[str, ...]
    tokenless: bool
    connections: Callable[[], int]
    connections_max: int

    def admit(self, target: str, headers: Mapping[str, str]) -> Admitted:
        """Return what a request for *target* is let in as; raise :class:`Turned`."""
        self._check_origin(headers)
        if self.connections() >= self.connections_max:
            raise Turned("too many connections", status=503)
        query = dict(parse_qsl(target.partition("?")[2]))
        token = query.get("token") or _bearer(headers)
        try:
            runner, visit = self._visit(query, token)
        except Refused as refused:
            code = CLOSE_OF.get(refused.reason, Close.INTERNAL_ERROR)
            why = str(refused.details.get("problem", refused.reason.value))
            raise Turned(why, code=code) from None
        return Admitted(runner, visit)

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """Let pages of our own origin in, and those on the list; programs have none."""
        origin = headers.get("origin")
        if origin is None or "*" in self.origins or origin.lower() in self.origins:
            return
        host = headers.get("host", "").lower()
        if origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise Turned("origin is not allowed", status=403)

    def _visit(self, query: Mapping[str, str], token: str) -> tuple[Runner, Visit]:
        epoch, after = _number(query.get("epoch")), _number(query.get("after"))
        if not token:
            return self._tokenless(query, epoch, after)
        grant = self.tokens.check(token, self.clock.now_ms())
        runner = self.owner.session(grant.session_id)
        self._check_address(runner, query)
        if grant.role is Role.HOST:
            return runner, Visit(None, epoch=epoch, after=after)
        participant_id = _own_id(runner, grant, query)
        return runner, Visit(grant.participant, participant_id, epoch, after)

    def _check_address(self, runner: Runner, query: Mapping[str, str]) -> None:
        state = runner.state
        if query.get("quizId", state.quiz_id) not in (state.quiz_id, state.pin):
            raise Refused(Reason.FORBIDDEN, problem="token is for another quiz")

    def _tokenless(
        self, query: Mapping[str, str], epoch: int | None, after: int | None
    ) -> tuple[Runner, Visit]:
        """Take a client's word for who it is: for clients from before tokens."""
        if not self.tokenless:
            raise Refused(Reason.UNAUTHORIZED, problem="token is missing")
        runner = self.owner.find(query.get("quizId", ""))
        participant_id = query.get("participantId", "")
        index = runner.state.index_of.get(participant_id)
        if index is None:
            raise Refused(Reason.UNAUTHORIZED, problem="participantId is unknown")
        return runner, Visit(index, participant_id, epoch, after)


def _own_id(runner: Runner, grant: Grant, query: Mapping[str, str]) -> str:
    """Return the participant's id, which the request has to name as well."""
    ids = runner.state.participant_ids
    if grant.participant >= len(ids):
        raise Refused(Reason.UNAUTHORIZED, problem="participant is unknown")
    participant_id = ids[grant.participant]
    if query.get("participantId", participant_id) != participant_id:
        raise Refused(Reason.FORBIDDEN, problem="token is another participant's")
    return participant_id


def subprotocol(headers: Mapping[str, str]) -> str | None:
    """Return the subprotocol to choose; browsers insist on one of those offered."""
    return SUBPROTOCOL if SUBPROTOCOL in _offered(headers) else None


def _offered(headers: Mapping[str, str]) -> list[str]:
    names = headers.get("sec-websocket-protocol", "").split(",")
    return [name.strip() for name in names]


def _bearer(headers: Mapping[str, str]) -> str:
    for name in _offered(headers):
        if name.startswith(BEARER):
            return name.removeprefix(BEARER)
    return ""


def _number(text: str | None) -> int | None:
    """Return a count in decimal; anything else is as good as none."""
    short = text is not None and len(text) < 16  # fits every count
    return int(text) if short and text.isdecimal() else None  # type: ignore[union-attr,arg-type]

"""What can go wrong for a player, by name."""

from collections.abc import Mapping


class ClientFault(Exception):  # noqa: N818 - each is an outcome of playing
    """Any of these."""


class GaveUp(ClientFault):
    """All *tries* of *kind* (``join`` or ``connect``) failed, the last by *cause*."""

    def __init__(self, kind: str, tries: int, cause: Exception | None) -> None:
        super().__init__(f"{kind} failed {tries} times, the last time: {cause!r}")
        self.kind = kind
        self.tries = tries
        self.cause = cause


class JoinRefused(ClientFault):
    """The server does not let us in: HTTP *status* and the problem's *code*."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(f"{code} (HTTP {status}) {detail}".rstrip())
        self.status = status
        self.code = code


class AnswerRefused(ClientFault):
    """The server did not take an answer: *reason* of the error, with its details."""

    def __init__(self, reason: str, details: Mapping[str, object]) -> None:
        super().__init__(f"{reason} {dict(details)}")
        self.reason = reason
        self.details = details


class AnswerLost(ClientFault):
    """Play ended before an answer was acknowledged; whether it counts is unknown."""


class NotConnected(ClientFault):
    """There is no connection now, so nothing was sent."""


class Dismissed(ClientFault):
    """The server ended the connection for good; trying again would not help.

    *code* is the WebSocket close code, or the HTTP status of a refused handshake.
    """

    def __init__(self, code: int, meaning: str) -> None:
        super().__init__(f"{meaning} ({code})")
        self.code = code
        self.meaning = meaning


class Unreachable(ClientFault):
    """No connection came about; ``__cause__`` is why."""


class Garbled(ClientFault):
    """The server sent something that is no message; the picture will repair it."""


class Gap(ClientFault):
    """A broadcast came out of turn, so something was missed."""

    def __init__(self, expected: int | None, got: int) -> None:
        super().__init__(f"broadcast {got} where {expected} was due")
        self.expected = expected
        self.got = got

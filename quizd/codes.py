"""Every reason, close code and protocol name that leaves the program, in one place.

These names are a contract: a value here never changes, new ones may come.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Reason(StrEnum):
    """Why something was refused: ``reason`` of an error, ``code`` of a problem."""

    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_QUESTION = "unknown_question"
    QUESTION_NOT_OPEN = "question_not_open"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    ALREADY_ANSWERED = "already_answered"
    INVALID_OPTION = "invalid_option"
    RATE_LIMITED = "rate_limited"
    SESSION_NOT_FOUND = "session_not_found"
    SESSION_FULL = "session_full"
    SESSION_LOCKED = "session_locked"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    WRONG_REGION = "wrong_region"
    SHARD_UNAVAILABLE = "shard_unavailable"
    INTERNAL = "internal"


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """An input that is not allowed now; nothing was changed by it.

    ``details`` names what is concerned (``questionId``, ``field`` …) and is shown
    to whoever sent the input, so it holds nothing secret.
    """

    def __init__(self, reason: Reason, **details: object) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.details = details


class Close(IntEnum):
    """WebSocket close codes (RFC 6455 section 7.4, and our own 4000-4999)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    UNAUTHORIZED = 4001
    FORBIDDEN = 4003
    SESSION_NOT_FOUND = 4004
    SLOW_CONSUMER = 4008
    REPLACED = 4009
    REMOVED = 4010
    RATE_LIMITED = 4029


@dataclass(frozen=True, slots=True)
class Advice:
    """What a client should do after a close code."""

    reconnect: bool
    meaning: str


CLOSE_ADVICE: dict[Close, Advice] = {
    Close.NORMAL: Advice(reconnect=False, meaning="the quiz is over or you left"),
    Close.GOING_AWAY: Advice(reconnect=True, meaning="the server is going away"),
    Close.PROTOCOL_ERROR: Advice(reconnect=False, meaning="broken WebSocket frame"),
    Close.UNSUPPORTED_DATA: Advice(
        reconnect=False, meaning="binary message; every message is one JSON text"
    ),
    Close.INVALID_TEXT: Advice(reconnect=False, meaning="text that is not UTF-8"),
    Close.MESSAGE_TOO_BIG: Advice(
        reconnect=False, meaning="message longer than the server takes"
    ),
    Close.INTERNAL_ERROR: Advice(reconnect=True, meaning="a fault of the server"),
    Close.SERVICE_RESTART: Advice(
        reconnect=True, meaning="the session is being reloaded from its journal"
    ),
    Close.TRY_AGAIN_LATER: Advice(reconnect=True, meaning="overloaded; come back"),
    Close.UNAUTHORIZED: Advice(
        reconnect=False, meaning="token missing, wrong or expired; join again"
    ),
    Close.FORBIDDEN: Advice(reconnect=False, meaning="not allowed here"),
    Close.SESSION_NOT_FOUND: Advice(reconnect=False, meaning="no such session"),
    Close.SLOW_CONSUMER: Advice(
        reconnect=True, meaning="too slow to read what was sent; the picture repairs it"
    ),
    Close.REPLACED: Advice(
        reconnect=False, meaning="a newer connection of the same participant took over"
    ),
    Close.REMOVED: Advice(reconnect=False, meaning="removed by the host"),
    Close.RATE_LIMITED: Advice(reconnect=True, meaning="far too many messages"),
}

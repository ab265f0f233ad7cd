"""What can happen to a session. Events are facts from outside, named in the past tense.

They carry what the session may not find out by itself: new ids, how far ahead of the
fan-out a question has to start. ``expect`` is what the host saw when giving a command;
where the session has moved on since, the command does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class ParticipantJoined(Event):
    """Somebody asked to take part.

    ``key`` is what the same person would send again (an ``Idempotency-Key``).
    """

    participant_id: str
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class AnswerSubmitted(Event):
    """A participant answered; ``payload`` is the message's, decoded."""

    participant: int
    received_ms: int
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EverybodyAnswered(Event):
    """All connected players have answered the question at ``index``."""

    index: int
    lead_ms: int = 0


@dataclass(frozen=True, slots=True)
class DeadlinePassed(Event):
    """The session's deadline has come.

    ``lead_ms`` is how far ahead a question that opens now has to start.
    """

    lead_ms: int = 0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the host saw; ``None`` for what does not matter."""

    phase: str | None = None
    question_id: str | None = None


@dataclass(frozen=True, slots=True)
class HostCommand(Event):
    """Something the host asked for."""

    expect: Expectation = field(default=Expectation(), kw_only=True)


@dataclass(frozen=True, slots=True)
class HostStarted(HostCommand):
    """Start the countdown now."""


@dataclass(frozen=True, slots=True)
class HostAdvanced(HostCommand):
    """Go one step on: close the question, or open the next one, or end."""

    lead_ms: int = 0


@dataclass(frozen=True, slots=True)
class HostSkipped(HostCommand):
    """Close the question, if one is open, and open the next one at once."""

    lead_ms: int = 0


@dataclass(frozen=True, slots=True)
class HostPaused(HostCommand):
    """Stop the clock."""


@dataclass(frozen=True, slots=True)
class HostResumed(HostCommand):
    """Let the clock go on; ``lead_ms`` ahead, so that it does so for all at once."""

    lead_ms: int = 0


@dataclass(frozen=True, slots=True)
class HostLocked(HostCommand):
    """Let nobody else in, or let them in again."""

    locked: bool = True


@dataclass(frozen=True, slots=True)
class HostKicked(HostCommand):
    """Remove a participant; ``ban``: for the rest of the session."""

    participant_id: str = ""
    ban: bool = False


@dataclass(frozen=True, slots=True)
class HostEnded(HostCommand):
    """End the session now."""


@dataclass(frozen=True, slots=True)
class HistoryLost(Event):
    """More was shown in ``epoch`` than there is of it now."""

    epoch: int


@dataclass(frozen=True, slots=True)
class OutageNoticed(Event):
    """Nobody owned the session from ``since_ms`` on; that time is given back."""

    since_ms: int
    lead_ms: int = 0

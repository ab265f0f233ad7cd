"""What is to be done because of a record. Effects are imperative and hold plain values.

A :class:`Broadcast` has the session's next ``seq`` and goes to everybody. The others
are personal, or say that a latest-value message has changed. None leaves before the
record that caused it is durable.
"""

from dataclasses import dataclass

from quizd._fast.ranking import Ranking
from quizd._fast.scoring import Sheet
from quizd.session.questions.base import Question

Standing = tuple[int, int, int]
"""A line of a leaderboard: participant index, score, rank."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class Broadcast(Effect):
    """Tell everybody; ``seq`` grows by one per broadcast of the session."""

    seq: int


@dataclass(frozen=True, slots=True)
class AnnounceStart(Broadcast):
    """The first question opens at ``starts_ms``."""

    at_ms: int
    starts_ms: int


@dataclass(frozen=True, slots=True)
class ShowQuestion(Broadcast):
    """Question ``index`` of ``total`` is open from ``start_ms`` to ``end_ms``."""

    question: Question
    index: int
    total: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class RevealQuestion(Broadcast):
    """The question is closed: what was right, and where everybody stands now."""

    question: Question
    distribution: tuple[int, ...]
    answered: int
    sheet: Sheet
    ranking: Ranking


@dataclass(frozen=True, slots=True)
class AnnouncePause(Broadcast):
    """The clock stands still since ``at_ms``."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class AnnounceResume(Broadcast):
    """The clock goes on: ``end_ms`` of the question, ``starts_ms`` of a countdown."""

    at_ms: int
    end_ms: int | None
    starts_ms: int | None


@dataclass(frozen=True, slots=True)
class AnnounceEnd(Broadcast):
    """It is over, and this is the result."""

    ranking: Ranking


@dataclass(frozen=True, slots=True)
class SendResults(Effect):
    """Tell these participants what their answers to question ``index`` came to."""

    index: int
    participants: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WelcomeParticipant(Effect):
    """A participant is in."""

    participant: int


@dataclass(frozen=True, slots=True)
class RemoveParticipant(Effect):
    """A participant has to go."""

    participant: int
    banned: bool


@dataclass(frozen=True, slots=True)
class RefreshBoard(Effect):
    """Scores have changed: the leaderboard may have."""


@dataclass(frozen=True, slots=True)
class RefreshHost(Effect):
    """What hosts see has changed."""


@dataclass(frozen=True, slots=True)
class ShowAnew(Effect):
    """Give everybody the picture: some of what was shown is void."""

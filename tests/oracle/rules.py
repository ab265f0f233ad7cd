"""What a counted game consists of, and the formulas of the rules of play."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

FULL_POINTS_MS = 500
BONUS_STEP, BONUS_MAX = 100, 500


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that counts, and what it is worth by the rules."""

    question: int
    participant: int
    received_ms: int
    elapsed_ms: int
    points: int
    correct: bool
    chosen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one participant stands; rank, gap and percentile are 0 when removed."""

    score: int
    rank: int
    gap: int
    percentile: int
    streak: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reveal says to one participant."""

    correct: bool
    points: int
    standing: Standing
    of: int


@dataclass(frozen=True, slots=True)
class Reveal:
    """What a closed question came to, with one outcome per participant."""

    question: int
    answered: int
    distribution: tuple[int, ...]
    outcomes: tuple[Outcome, ...]


Line = tuple[int, int, int]
"""A line of the board: participant, score, rank."""


@dataclass(frozen=True, slots=True)
class Game:
    """All that follows from a session's records."""

    phase: str
    deadline_ms: int | None
    seq: int
    names: tuple[str, ...]
    removed: frozenset[int]
    standings: tuple[Standing, ...]
    board: tuple[Line, ...]
    answers: tuple[Answer, ...]
    reveals: tuple[Reveal, ...]
    clock: tuple[int, int] | None
    """Start and end of the question asked last."""


def worth(points: int, elapsed_ms: int, time_ms: int, *, speed: bool) -> int:
    """Return what a right answer is worth: ``round(P * (1 - t/T / 2))``, halves up."""
    if not speed or elapsed_ms <= FULL_POINTS_MS:
        return points
    share = 1 - Fraction(elapsed_ms, time_ms) / 2
    return floor(points * share + Fraction(1, 2))


def bonus(before: int) -> int:
    """Return the bonus of a right answer after *before* others in a row."""
    return min(BONUS_STEP * before, BONUS_MAX)


def listing(scores: dict[int, tuple[int, int]]) -> list[Line]:
    """Return the board of *scores*: participant to score and when it was reached."""
    order = sorted(scores, key=lambda who: (-scores[who][0], scores[who][1]))
    better = {
        who: sum(other > scores[who][0] for other, _ in scores.values())
        for who in scores
    }
    return [(who, scores[who][0], better[who] + 1) for who in order]

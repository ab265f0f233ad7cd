"""Sessions in which everybody answers everything, as a journal has them.

Answers come in the batches that commits make of them when there are many; when there
are few, a batch has one or two, and nobody is in a hurry. Points are drawn, not
counted: nothing that is measured here depends on them.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.scenarios.base import quiz_of
from quizd._fast import rows as fast
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION
from quizd.session.quiz import Quiz

OPENED_MS = 1_767_225_600_000
QUESTION_MS = 20_000
CLAIM = b"2026-01-01T00:00:00.000Z"
JOINS = 50
"""Joins that share a batch."""

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of what; *tick*: answers that share a batch."""

    sessions: int
    players: int
    questions: int
    tick: int

    @property
    def answers(self) -> int:
        """How many answers there are in all."""
        return self.sessions * self.players * self.questions


@dataclass(frozen=True, slots=True)
class Parts:
    """The batches of one session: until everybody is in, the questions, the end."""

    lobby: list[bytes]
    play: list[bytes]
    end: list[bytes]


class Rush:
    """The sessions of a shape by their ids; the same *seed* makes the same."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        rng = random.Random(seed)
        names = [f"{rng.getrandbits(64):016x}" for _ in range(shape.sessions)]
        self.sessions = {name: parts_of(name, shape, rng) for name in names}

    def rows(self) -> list[Row]:
        """Return all answers as rows of their table, in the order of the journal."""
        return [
            row
            for session_id, parts in self.sessions.items()
            for batch in parts.play
            for record in rec.unpack(batch)
            if isinstance(record, rec.AnswersAccepted)
            for row in fast.tuples(record.packed, session_id, OPENED_MS)
        ]


def parts_of(session_id: str, shape: Shape, rng: random.Random) -> Parts:
    """Return the batches of one session, from its opening to its end."""
    played_ms = shape.questions * QUESTION_MS
    end = [rec.SessionEnded(OPENED_MS + played_ms, "finished")]
    return Parts(
        [rec.pack(batch) for batch in lobby(session_id, shape, rng)],
        [rec.pack(batch) for batch in questions(shape, rng)],
        [rec.pack(end)],
    )


def lobby(
    session_id: str, shape: Shape, rng: random.Random
) -> Iterator[Sequence[rec.Record]]:
    """Yield the opening, and all joins."""
    yield [opening(session_id, shape)]
    joins = [
        rec.ParticipantAdded(
            OPENED_MS, f"{rng.getrandbits(64):016x}", f"Player {number}", ""
        )
        for number in range(shape.players)
    ]
    for first in range(0, shape.players, JOINS):
        yield joins[first : first + JOINS]


def questions(shape: Shape, rng: random.Random) -> Iterator[Sequence[rec.Record]]:
    """Yield what is recorded of all questions, with everybody's answers."""
    for question in range(shape.questions):
        start_ms = OPENED_MS + question * QUESTION_MS
        end_ms = start_ms + QUESTION_MS
        yield [rec.QuestionOpened(start_ms, question, start_ms, end_ms)]
        order = rng.sample(range(shape.players), shape.players)
        for first in range(0, shape.players, shape.tick):
            answers = packed(question, start_ms, order[first : first + shape.tick], rng)
            yield [rec.AnswersAccepted(start_ms, answers)]
        yield [rec.QuestionClosed(end_ms, question, "time")]


def opening(session_id: str, shape: Shape) -> rec.SessionOpened:
    """Return the record of an opening."""
    quiz = Quiz.model_validate(quiz_of(shape.questions, QUESTION_MS / 1000, {}))
    return rec.SessionOpened(
        at_ms=OPENED_MS,
        session_id=session_id,
        quiz_id="bench",
        quiz_version=1,
        rules_version=RULES_VERSION,
        pin="123456",
        epoch=1,
        capacity=shape.players,
        quiz=quiz.model_dump_json(),
    )


def packed(question: int, at_ms: int, who: Sequence[int], rng: random.Random) -> bytes:
    """Return answers by *who*, packed (``quizd/_fast/scoring.pxd`` has the form)."""
    parts = [struct.pack("<HI", question, len(who))]
    for participant in who:
        points, after_ms = rng.randrange(1001), rng.randrange(QUESTION_MS)
        received_ms, credit = at_ms + after_ms, 1000 if points else 0
        sizes = (1, len(CLAIM))
        item = (participant, received_ms, after_ms, points, credit, *sizes)
        parts += [struct.pack("<IqiiHHB", *item), bytes([rng.randrange(4)]), CLAIM]
    return b"".join(parts)

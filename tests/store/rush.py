"""A rush of answers into a journal: cheap to make, and it can be replayed."""

import random
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from quizd._fast import scoring
from quizd.content import load
from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION
from quizd.store.write_behind import WriteBehind
from tests.store.games import Stored, expected

T0 = 1_767_225_600_000
CLAIM = b"2026-01-01T00:00:00.000Z"
QUESTIONS = 5


def packed(question: int, participants: Sequence[int], rng: random.Random) -> bytes:
    """Return a packed record of answers by *participants*."""
    parts = [struct.pack("<HI", question, len(participants))]
    for who in participants:
        points, at_ms = rng.randrange(1001), rng.randrange(20_000)
        head = (who, T0 + at_ms, at_ms, points, 1000 if points else 0, 1, len(CLAIM))
        parts += [struct.pack("<IqiiHHB", *head), bytes([rng.randrange(4)]), CLAIM]
    return b"".join(parts)


def session(
    session_id: str, players: int, rng: random.Random, tick: int = 40
) -> Iterator[list[rec.Record]]:
    """Yield the batches of a session in which everybody answers every question."""
    quiz = load("demo").model_dump_json()
    yield [
        rec.SessionOpened(
            at_ms=T0,
            session_id=session_id,
            quiz_id="demo",
            quiz_version=1,
            rules_version=RULES_VERSION,
            pin="123456",
            epoch=1,
            capacity=players,
            quiz=quiz,
        )
    ]
    for who in range(players):
        yield [rec.ParticipantAdded(T0, f"{session_id}-{who}", f"Player {who}", "")]
    for question in range(QUESTIONS):
        yield [rec.QuestionOpened(T0, question, T0, T0 + 20_000)]
        order = rng.sample(range(players), players)
        for first in range(0, players, tick):
            answers = packed(question, order[first : first + tick], rng)
            yield [rec.AnswersAccepted(T0, answers)]
        yield [rec.QuestionClosed(T0, question, "time")]
    yield [rec.SessionEnded(T0, "finished")]


@dataclass(slots=True)
class Rush:
    """Sessions that go on at the same time; what they have recorded is kept."""

    journal: MemoryJournal
    queue: WriteBehind
    records: dict[str, list[rec.Record]] = field(default_factory=dict)

    async def play(self, session_id: str, players: int, rng: random.Random) -> None:
        """Record a whole session, batch by batch, as fast as the journal takes it."""
        term, kept = 0, self.records.setdefault(session_id, [])
        for index, records in enumerate(session(session_id, players, rng), 1):
            batch = rec.pack(records)
            if index == 1:
                create = self.journal.create
                term = await create(session_id, "demo", "1", batch, T0)
            else:
                await self.journal.append(session_id, term, index, batch)
            self.queue.notify(session_id, index, batch)
            kept += records

    def stored(self) -> Stored:
        """Return what the database must have."""
        return expected(self.records.values(), added_up)


def added_up(records: Sequence[rec.Record]) -> list[tuple[int, int]]:
    """Return everybody's points in all, and the rank: how many have more, and one."""
    scores: Counter[int] = Counter()
    for record in records:
        if isinstance(record, rec.AnswersAccepted):
            for answer in scoring.answers_in(record.packed):
                scores[answer["participant"]] += answer["points"]
    better = sorted(scores.values(), reverse=True)
    return [(scores[who], better.index(scores[who]) + 1) for who in sorted(scores)]

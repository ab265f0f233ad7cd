"""Games to be written behind, and what must then be in the database.

What is expected is counted from the records by the oracle's plain rules and by the
reader of packed answers, not by the code that writes rows.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd._fast import scoring
from quizd.journal.base import Journal
from quizd.session import records as rec
from quizd.store import tables
from tests.oracle.game import recount
from tests.session.random_game import RandomGame

Row = tuple[Any, ...]


@dataclass(slots=True)
class Stored:
    """What the database has, or ought to have, as sorted rows."""

    sessions: list[Row] = field(default_factory=list)
    participants: list[Row] = field(default_factory=list)
    questions: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)

    def sorted(self) -> "Stored":
        """Return the same with all rows in order."""
        return Stored(*(sorted(getattr(self, name)) for name in self.__slots__))


def game(session_id: str, seed: int) -> list[rec.Record]:
    """Return the records of a whole random game."""
    records = RandomGame(seed).play_on().records
    first = records[0]
    assert isinstance(first, rec.SessionOpened)
    return [replace(first, session_id=session_id), *records[1:]]


def batches(records: Sequence[rec.Record], rng: random.Random) -> list[bytes]:
    """Return *records* as a journal might have them: the opening alone, then groups."""
    packed, at = [rec.pack(records[:1])], 1
    while at < len(records):
        size = rng.choice((1, 1, 1, 2, 5))
        packed.append(rec.pack(records[at : at + size]))
        at += size
    return packed


async def record(journal: Journal, session_id: str, batches: Sequence[bytes]) -> int:
    """Have *journal* keep a session's *batches*; return the term."""
    term = await journal.create(session_id, "colours", "123456", batches[0], 1)
    for index, batch in enumerate(batches[1:], 2):
        await journal.append(session_id, term, index, batch)
    return term


Standings = Callable[[Sequence[rec.Record]], Iterable[tuple[int, int]]]
"""Gives everybody's score and rank, by the index of participants."""


def by_the_rules(records: Sequence[rec.Record]) -> list[tuple[int, int]]:
    """Return the standings by the oracle, which holds the records to all rules."""
    return [(each.score, each.rank) for each in recount(records).standings]


def expected(
    sessions: Iterable[Sequence[rec.Record]], standings: Standings = by_the_rules
) -> Stored:
    """Return what the database must have of these sessions."""
    stored = Stored()
    for records in sessions:
        _expect(stored, records, standings)
    return stored.sorted()


def _expect(
    stored: Stored, records: Sequence[rec.Record], standings: Standings
) -> None:
    first = records[0]
    assert isinstance(first, rec.SessionOpened)
    session_id = first.session_id
    ended = [r for r in records if isinstance(r, rec.SessionEnded)]
    stored.sessions.append(
        (
            session_id,
            first.quiz_id,
            first.at_ms,
            ended[0].at_ms if ended else None,
            ended[0].reason if ended else None,
        )
    )
    stored.participants += _participants(session_id, records)
    stored.questions += _questions(session_id, first, records)
    for each in records:
        if isinstance(each, rec.AnswersAccepted):
            stored.answers += _answers(session_id, each)
    if ended:
        stored.results += [
            (session_id, index, *standing)
            for index, standing in enumerate(standings(records))
        ]


def _participants(session_id: str, records: Sequence[rec.Record]) -> list[Row]:
    removed = {
        r.participant: r for r in records if isinstance(r, rec.ParticipantRemoved)
    }
    joined = [r for r in records if isinstance(r, rec.ParticipantAdded)]
    return [
        (
            session_id,
            index,
            each.participant_id,
            each.name,
            each.key or None,
            each.at_ms,
            removed[index].at_ms if index in removed else None,
            removed[index].banned if index in removed else None,
        )
        for index, each in enumerate(joined)
    ]


def _questions(
    session_id: str, first: rec.SessionOpened, records: Sequence[rec.Record]
) -> list[Row]:
    ids = [question["id"] for question in orjson.loads(first.quiz)["questions"]]
    closed = {r.index: r for r in records if isinstance(r, rec.QuestionClosed)}
    return [
        (
            session_id,
            each.index,
            ids[each.index],
            each.start_ms,
            each.end_ms,
            closed[each.index].at_ms if each.index in closed else None,
            closed[each.index].reason if each.index in closed else None,
        )
        for each in records
        if isinstance(each, rec.QuestionOpened)
    ]


def _answers(session_id: str, accepted: rec.AnswersAccepted) -> list[Row]:
    question = scoring.question_of(accepted.packed)
    return [
        (
            session_id,
            question,
            each["participant"],
            each["received_ms"],
            each["elapsed_ms"],
            each["points"],
            each["credit"],
            each["response"],
            each["answered_at"],
        )
        for each in scoring.answers_in(accepted.packed)
    ]


_S, _P, _Q = tables.sessions.c, tables.participants.c, tables.session_questions.c
_A, _R = tables.answers.c, tables.results.c
_QUERIES = (
    (_S.session_id, _S.quiz_id, _S.opened_ms, _S.ended_ms, _S.end_reason),
    tuple(_P),
    tuple(_Q),
    tuple(column for column in _A if column.name != "opened_ms"),
    tuple(_R),
)


async def stored(engine: AsyncEngine) -> Stored:
    """Return what the database has."""
    async with engine.connect() as connection:
        found = [(await connection.execute(select(*each))).all() for each in _QUERIES]
    return Stored(*([tuple(row) for row in rows] for rows in found)).sorted()

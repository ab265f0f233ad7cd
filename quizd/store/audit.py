"""The audit of a session: whether its stored log is whole, and what happened in it.

The log and its keyed chain are explained in ``quizd.store.log``. Beside the chain the
answers that reports read are held against the log: all rows of a question are summed up
as numbers from keyed hashes, which come to the same only for the same rows, whatever
their order. So nothing has to be sorted or kept in memory.

What the chain can't tell by itself is that *everything* was put back to an earlier day,
heads and all. Against that the last head of each session also goes to the log events
(``session log closed``), which leave the machine another way.
"""

import hmac
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd._fast import rows as fast
from quizd.clock import Turns
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.store.log import START, next_head
from quizd.store.tables import (
    answers,
    log_heads,
    participants,
    rejected_records,
    session_log,
)
from quizd.store.transaction import named_failures, transaction
from quizd.store.write_behind.results import replay
from quizd.store.write_behind.rows import UNREADABLE

SUM_BYTES = 32
MODULUS = 1 << (8 * SUM_BYTES)
READ_ROWS = 100

_ANSWER = tuple(answers.c[name] for name in fast.COLUMN_NAMES)


@dataclass(slots=True)
class Verdict:
    """What an audit has found: the log's end, and everything that is wrong with it."""

    session_id: str
    index: int = 0
    head: bytes = START
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the stored log is complete and unaltered."""
        return not self.problems


class Audit:
    """Audits what *engine* leads to; *key* is the secret that the log was kept with."""

    def __init__(self, engine: AsyncEngine, key: bytes) -> None:
        self._engine = engine
        self._key = key

    async def verify(self, session_id: str) -> Verdict:
        """Hold a session's stored log against its head, and the answers against it.

        Raises ``StoreUnavailable``. A session that is being played may be written to
        meanwhile; what is only half seen is reported as a problem then.
        """
        verdict, logged = Verdict(session_id), Sums(self._key)
        aside = await self._set_aside(session_id)
        async for index, batch in self._log(session_id):
            if index != verdict.index + 1:
                verdict.problems.append(f"batch {verdict.index + 1} is missing")
            key, head = self._key, verdict.head
            verdict.head = next_head(key, head, session_id, index, batch)
            verdict.index = index
            if index not in aside:
                _sum_up(logged, session_id, batch, verdict)
        await self._compare_head(verdict)
        await self._compare_answers(verdict, logged)
        return verdict

    async def replay(
        self, session_id: str, until_index: int | None = None
    ) -> LiveSession:
        """Return the session as it was after batch *until_index*, or as it is.

        Participants have no names in it. Raises ``StoreUnavailable``,
        :class:`quizd.store.write_behind.results.Incomplete` for a log that is not
        there from its beginning, and ``BadRecord`` for what this version can't read.
        """
        until = until_index if until_index is not None else 2**63 - 1
        return await replay(self._log(session_id), until)

    async def batches(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the session's batches as the journal had them, names and all.

        For a journal that has lost them. Names that were erased, and batches that
        could not be read, stay as the log has them.
        """
        joined = 0
        people = await self._people(session_id)
        async for index, batch in self._log(session_id):
            try:
                records = list(rec.unpack(batch))
            except UNREADABLE:
                yield index, batch
                continue
            named = []
            for record in records:
                named.append(_named(record, people, joined))
                joined += isinstance(record, rec.ParticipantAdded)
            yield index, rec.pack(named)

    # -- inside ------------------------------------------------------------------

    async def _log(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        query = select(session_log.c.idx, session_log.c.batch).where(
            session_log.c.session_id == session_id
        )
        async for row in self._stream(query.order_by(session_log.c.idx)):
            yield row.idx, row.batch

    async def _stream(self, query: Select[Any]) -> AsyncIterator[Row[Any]]:
        """Yield the rows of *query*, a few at a time and with turns for others."""
        async with named_failures(), self._engine.connect() as connection:
            options = {"yield_per": READ_ROWS}
            rows = await connection.stream(query.execution_options(**options))
            turns = Turns()
            async for row in rows:
                yield row
                await turns.give()

    async def _set_aside(self, session_id: str) -> set[int]:
        query = select(rejected_records.c.idx).where(
            rejected_records.c.session_id == session_id
        )
        async with transaction(self._engine) as connection:
            return set((await connection.execute(query)).scalars())

    async def _people(self, session_id: str) -> dict[int, tuple[str, str]]:
        columns = participants.c
        query = select(columns.participant, columns.name, columns.key).where(
            columns.session_id == session_id
        )
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query)
            return {who: (name or "", key or "") for who, name, key in rows}

    async def _compare_head(self, verdict: Verdict) -> None:
        query = select(log_heads).where(log_heads.c.session_id == verdict.session_id)
        async with transaction(self._engine) as connection:
            anchor = (await connection.execute(query)).one_or_none()
        if anchor is None:
            verdict.problems.append("there is no head for this log")
        elif anchor.idx != verdict.index:
            verdict.problems.append(
                f"the log ends with batch {verdict.index}, its head is of {anchor.idx}"
            )
        elif not hmac.compare_digest(anchor.head, verdict.head):
            verdict.problems.append("the log does not lead to its head")

    async def _compare_answers(self, verdict: Verdict, logged: "Sums") -> None:
        found = Sums(self._key)
        query = select(*_ANSWER).where(answers.c.session_id == verdict.session_id)
        async for row in self._stream(query):
            found.add(tuple(row))
        for question in logged.differing(found):
            verdict.problems.append(
                f"the answers to question {question} are not those of the log"
            )


class Sums:
    """One number for all answers to each question; the order does not matter.

    The hash is keyed, so that nobody can look for rows that come to the same.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key[: blake2b.MAX_KEY_SIZE]
        self._sums: Counter[int] = Counter()
        self.opened_ms = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Add an answer, in the columns' order."""
        text = repr(row).encode()
        digest = blake2b(text, key=self._key, digest_size=SUM_BYTES).digest()
        question = row[1]
        number = int.from_bytes(digest, "big")
        self._sums[question] = (self._sums[question] + number) % MODULUS

    def differing(self, other: "Sums") -> list[int]:
        """Return the questions whose answers are not the same."""
        questions = sorted(self._sums.keys() | other._sums.keys())
        return [each for each in questions if self._sums[each] != other._sums[each]]


def _sum_up(sums: Sums, session_id: str, batch: bytes, verdict: Verdict) -> None:
    """Add the answers of *batch*; what can't be read has none, and says so."""
    try:
        for record in list(rec.unpack(batch)):
            if isinstance(record, rec.SessionOpened):
                sums.opened_ms = record.at_ms
            if isinstance(record, rec.AnswersAccepted):
                for row in fast.tuples(record.packed, session_id, sums.opened_ms):
                    sums.add(row)
    except UNREADABLE:
        verdict.problems.append(f"batch {verdict.index} can't be read")


def _named(
    record: rec.Record, people: Mapping[int, tuple[str, str]], index: int
) -> rec.Record:
    """Return *record* with the name of the participant who joins by it."""
    if index not in people or not isinstance(record, rec.ParticipantAdded):
        return record
    name, key = people[index]
    return replace(record, name=name, key=key)

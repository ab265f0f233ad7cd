"""The stored log of a session as JSON lines, and whether it is whole.

There is a line for each record, with its fields as it names them and ``batch``, the
number of its batch; answers have a line each, with the id of their participant. No line
names a person. The last line tells how far the log goes:

- ``next``, where a page ends before the log does: the next page is that behind it;
- else ``head`` and ``batch``, the end of the log's keyed chain, ``problems``, what an
  audit of the whole log has found wrong (``quizd.store.audit``), and ``verified``,
  whether that is nothing. Both are ``null`` while the session goes on: what is half
  written would look as if it were wrong.

Who is behind an index stands in the log itself, so a page that does not begin with the
first batch skims those before it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import select

from quizd._fast import scoring
from quizd.reports.reading import Reader
from quizd.session import records as rec
from quizd.store.audit import Audit, Verdict
from quizd.store.tables import log_heads, session_log
from quizd.store.write_behind.rows import UNREADABLE

SLICE_BATCHES = 32
CHUNK_BYTES = 65_536
"""What is made at once; then others have their turn."""

_JOINED = rec.ParticipantAdded


class Log:
    """The stored logs. Every method raises ``StoreUnavailable``."""

    def __init__(self, reader: Reader, audit: Audit) -> None:
        self._reader = reader
        self._audit = audit
        self._audits = asyncio.Semaphore(1)

    async def batches(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the batches behind *after_index*, each with its index."""
        here = session_log.c.session_id == session_id
        columns = session_log.c.idx, session_log.c.batch
        while True:
            query = select(*columns).where(here, session_log.c.idx > after_index)
            ordered = query.order_by(session_log.c.idx).limit(SLICE_BATCHES)
            rows = await self._reader.rows(ordered)
            for index, batch in rows:
                yield index, batch
            if len(rows) < SLICE_BATCHES:
                return
            after_index = rows[-1][0]

    async def is_there(self, session_id: str) -> bool:
        """Tell whether there is any batch of this session."""
        here = session_log.c.session_id == session_id
        return bool(
            await self._reader.rows(select(session_log.c.idx).where(here).limit(1))
        )

    async def verify(self, session_id: str) -> Verdict:
        """Audit a session's log, one at a time: it takes as long as the log is."""
        async with self._audits:
            return await self._audit.verify(session_id)

    async def chunks(
        self,
        session_id: str,
        after_index: int = 0,
        limit: int | None = None,
        *,
        ended: bool = True,
    ) -> AsyncIterator[bytes]:
        """Yield the lines of up to *limit* batches behind *after_index*, in chunks.

        *ended* says that the session has, so that its log can be verified.
        """
        chunk = bytearray()
        until = None if limit is None else after_index + limit
        async for line in self._lines(session_id, after_index, until, ended=ended):
            chunk += line
            if len(chunk) >= CHUNK_BYTES:
                yield bytes(chunk)
                chunk.clear()
                await asyncio.sleep(0)
        if chunk:
            yield bytes(chunk)

    async def _lines(
        self, session_id: str, after_index: int, until: int | None, *, ended: bool
    ) -> AsyncIterator[bytes]:
        ids: list[str] = []
        async for index, batch in self.batches(session_id):
            if until is not None and index > until:
                yield _line({"session_id": session_id, "next": until})
                return
            records = _records(batch)
            ids += [r.participant_id for r in records if isinstance(r, _JOINED)]
            if index > after_index:
                for line in _told(index, batch, records, ids):
                    yield line
        yield _line(await self._end(session_id, ended=ended))

    async def _end(self, session_id: str, *, ended: bool) -> dict[str, Any]:
        if not ended:
            query = select(log_heads).where(log_heads.c.session_id == session_id)
            rows = await self._reader.rows(query)
            verdict = Verdict(*rows[0]) if rows else Verdict(session_id)
        else:
            verdict = await self.verify(session_id)
        return {
            "session_id": session_id,
            "batch": verdict.index,
            "head": verdict.head.hex(),
            "verified": verdict.ok if ended else None,
            "problems": verdict.problems if ended else None,
        }


def _records(batch: bytes) -> list[rec.Record]:
    """Return what is in *batch*, nothing where this version can't read it."""
    try:
        return list(rec.unpack(batch))
    except UNREADABLE:
        return []


def _told(
    index: int, batch: bytes, records: list[rec.Record], ids: list[str]
) -> Iterator[bytes]:
    """Yield the lines of a batch; what can't be read is told as it is."""
    if not records:
        yield _line({"batch": index, "kind": "Unreadable", "hex": batch.hex()})
    for record in records:
        head = {"batch": index, "kind": type(record).__name__}
        if isinstance(record, rec.AnswersAccepted):
            yield from _answers(head, record, ids)
        else:
            yield _line({**head, **asdict(record)})


def _answers(
    head: dict[str, Any], record: rec.AnswersAccepted, ids: list[str]
) -> Iterator[bytes]:
    try:
        question = scoring.question_of(record.packed)
        answers = scoring.answers_in(record.packed)
    except UNREADABLE:
        yield _line({**head, "kind": "Unreadable", "hex": record.packed.hex()})
        return
    head |= {"at_ms": record.at_ms, "question": question}
    for answer in answers:
        who = answer["participant"]
        own_id = ids[who] if who < len(ids) else None
        response = answer["response"].hex()
        yield _line({**head, "participant_id": own_id, **answer, "response": response})


def _line(value: object) -> bytes:
    return orjson.dumps(value) + b"\n"

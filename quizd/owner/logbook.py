"""Reading a session from its journal, and keeping its log short.

A snapshot is the log made compact, a part per question that was closed; the journal
merges parts by name. So each answer is written twice in all, and what a new owner has
to read grows with the answers, not with the batches that they came in.
"""

from dataclasses import dataclass

from quizd.clock import Turns
from quizd.journal.base import NO_HASH, Journal, Trimmed, chain
from quizd.session import records as rec
from quizd.session.compact import Compactor
from quizd.session.live import LiveSession


@dataclass(frozen=True, slots=True)
class Reading:
    """A session as its log tells it up to batch ``index``, whose hash is ``last``."""

    session: LiveSession
    index: int
    last: bytes


async def read_session(
    journal: Journal, session_id: str, through: int | None = None
) -> Reading:
    """Read a session, no further than batch *through* if that can still be told apart.

    Raises what the journal raises, ``BadRecord`` where the log can't be read.
    """
    try:
        return await _read(journal, session_id, through, whole=through is not None)
    except Trimmed:
        return await _read(journal, session_id, None, whole=False)


async def _read(
    journal: Journal, session_id: str, through: int | None, *, whole: bool
) -> Reading:
    records: list[rec.Record] = []
    index, last = 0, NO_HASH
    snapshot = None if whole else await journal.load_snapshot(session_id)
    if snapshot is not None:
        for name in sorted(snapshot.parts):
            records.extend(rec.unpack(snapshot.parts[name]))
        index, last = snapshot.index, snapshot.hash
    async for number, batch in journal.read(session_id, index):
        records.extend(rec.unpack(batch))
        index, last = number, chain(last, batch)
        if index == through:
            break
    return Reading(LiveSession.replay(records), index, last)


async def save_snapshot(
    journal: Journal, session_id: str, term: int, start: int | None
) -> int:
    """Make the log short up to where it stands now; return the index.

    *start* is the latest snapshot's index, ``None`` where that is not known. Raises
    what the journal raises, `Fenced` under an old term.
    """
    if start is None:
        snapshot = await journal.load_snapshot(session_id)
        start = snapshot.index if snapshot is not None else 0
    index, compactor, turns = start, Compactor(), Turns()
    async for number, batch in journal.read(session_id, start):
        compactor.add(batch)
        index = number
        await turns.give()
    if index > start:
        parts = {f"{start:010}": compactor.end()}
        await journal.save_snapshot(session_id, term, index, parts)
    return index

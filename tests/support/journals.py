"""Reading a server's journal once the server is gone."""

from pathlib import Path

from quizd.journal.sqlite import SqliteJournal
from quizd.session import records as rec

DATABASE = "quizd.sqlite3"


async def records_of(data_dir: Path, session_id: str) -> list[rec.Record]:
    """Return all records of a session, in order."""
    records: list[rec.Record] = []
    async with SqliteJournal(data_dir / DATABASE) as journal:
        async for _, batch in journal.read(session_id):
            records.extend(rec.unpack(batch))
    return records

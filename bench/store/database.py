"""The database of the write-behind scenario: its tables, the floor, and the recount."""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from bench.store.rush import OPENED_MS, Row
from quizd._fast.rows import COLUMN_NAMES
from quizd.store.engine import postgres_engine
from quizd.store.migrations import upgrade
from quizd.store.partitions import maintain

EMPTIED = (
    "answers",
    "session_log",
    "sessions",
    "participants",
    "session_questions",
    "results",
    "log_heads",
    "write_behind",
    "rejected_records",
)
EXPECTED = "bench_expected"
COLUMNS = ", ".join(COLUMN_NAMES)
NAME = "quizd write-behind"
QUEUE = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"
KEY = "session_id, question, participant"
RECOUNT = f"""
    SELECT
        (SELECT count(*) FROM {EXPECTED}) AS expected,
        (SELECT count(*) FROM (SELECT {COLUMNS} FROM {EXPECTED}
            EXCEPT SELECT {COLUMNS} FROM answers) AS missing) AS lost,
        (SELECT count(*) - count(DISTINCT ({KEY})) FROM answers) AS duplicates,
        (SELECT count(*) FROM (SELECT {COLUMNS} FROM answers
            EXCEPT SELECT {COLUMNS} FROM {EXPECTED}) AS strange) AS strange
"""  # noqa: S608 - names of our own


class Database:
    """A database with quizd's own tables, as its migrations make them.

    ``expected`` is a table of the bench's that holds the rows there ought to be.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._connection: Any = None

    async def prepare(self, rows: Sequence[Row]) -> None:
        """Make the tables and their parts, and keep *rows* as what is expected."""
        engine = postgres_engine(self.dsn)
        await upgrade(engine)
        await maintain(engine, OPENED_MS, 0)
        await engine.dispose()
        self._connection = await asyncpg.connect(self.dsn)
        await self._connection.execute(f"CREATE TABLE {EXPECTED} (LIKE answers)")
        await self._copy(EXPECTED, rows)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()

    async def empty(self) -> None:
        """Empty all tables, and have all that is to be written to the disk be there."""
        await self._connection.execute(f"TRUNCATE {', '.join(EMPTIED)}")
        await self._connection.execute("CHECKPOINT")

    async def copy(self, rows: Sequence[Row]) -> float:
        """Copy *rows* into the answers as the driver does it; return the seconds."""
        started_s = time.perf_counter()
        await self._copy("answers", rows)
        return time.perf_counter() - started_s

    @property
    def pid(self) -> int:
        """The server's process for this connection."""
        found: int = self._connection.get_server_pid()
        return found

    async def pid_of_queue(self) -> int:
        """Return the server's process for the queue, which is connected."""
        found: int = await self._connection.fetchval(QUEUE, NAME)
        return found

    async def _copy(self, table: str, rows: Sequence[Row]) -> None:
        await self._connection.copy_records_to_table(
            table, records=rows, columns=COLUMN_NAMES
        )

    async def count(self) -> int:
        """Return how many answers somebody else sees at this moment."""
        found: int = await self._connection.fetchval("SELECT count(*) FROM answers")
        return found

    async def recount(self) -> dict[str, int]:
        """Return how many answers are expected, lost, doubled, and of nobody's."""
        return dict(await self._connection.fetchrow(RECOUNT))

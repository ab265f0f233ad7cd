"""A process that writes answers into Postgres: by a bare COPY, and behind a journal.

Commands: ``{"copy": true}`` empties the tables and copies the answers' rows by
``copy_records_to_table``. ``{"behind": true}`` empties them and writes the same
answers from the batches of a journal by quizd's queue. ``{"live": 2.0}`` does so while
the journal grows for that many seconds, and waits until all answers are seen from
another connection. Each answer has ``seconds`` and what a recount has found, the first
two ``database_cpu_s`` as well, of the server's process for the connection.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import uvloop

from bench.floors import control
from bench.floors.child import Unavailable
from bench.floors.postgres_server import PostgresServer
from bench.floors.processes import cpu_s
from bench.store.database import Database
from bench.store.rush import OPENED_MS, Parts, Rush, Shape
from quizd import log
from quizd.clock import SystemClock
from quizd.journal.memory import MemoryJournal
from quizd.store.write_behind import Options, WriteBehind
from quizd.store.write_behind.postgres import PostgresSink

SEED = 20_260_131
KEY = bytes(32)
PATIENCE_S = 60.0
LOOK_S = 0.01


class Desk:
    """A journal and its queue, for one measurement; use it with ``async with``."""

    def __init__(self, rush: Rush, dsn: str) -> None:
        self._rush = rush
        self._journal = MemoryJournal()
        self.queue = WriteBehind(
            self._journal, PostgresSink(dsn), SystemClock(), Options(key=KEY)
        )
        self._terms: dict[str, int] = {}
        self._last: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        """Write everything up to the first question: nobody waits for that."""
        await self._journal.start()
        self.queue.start()
        for session_id, parts in self._rush.sessions.items():
            first, *others = parts.lobby
            term = await self._journal.create(
                session_id, "bench", "1", first, OPENED_MS
            )
            self._terms[session_id], self._last[session_id] = term, 1
            for batch in others:
                await self.append(session_id, batch)
        await self.write()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the queue and the journal."""
        await self.queue.stop(0)
        await self._journal.stop()

    async def append(self, session_id: str, batch: bytes) -> int:
        """Have the journal keep *batch*, and return its number."""
        self._last[session_id] = index = self._last[session_id] + 1
        await self._journal.append(session_id, self._terms[session_id], index, batch)
        return index

    async def append_all(self, part: Callable[[Parts], list[bytes]]) -> None:
        """Have the journal keep a part of every session, and tell nobody."""
        for session_id, parts in self._rush.sessions.items():
            for batch in part(parts):
                await self.append(session_id, batch)

    async def write(self) -> float:
        """Have the queue write what the journal has; return the seconds."""
        started_s = time.perf_counter()
        for session_id, index in self._last.items():
            self.queue.notify(session_id, index)
        await self.queue.drain(PATIENCE_S)
        return time.perf_counter() - started_s

    async def live(self, seconds: float) -> None:
        """Let the journal grow for *seconds*, its batches spread evenly."""
        pieces = list(in_turn(self._rush))
        started_s = time.perf_counter()
        for number, (session_id, batch) in enumerate(pieces):
            due_s = started_s + seconds * number / len(pieces)
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            index = await self.append(session_id, batch)
            self.queue.notify(session_id, index, batch)


def in_turn(rush: Rush) -> Iterator[tuple[str, bytes]]:
    """Yield the batches of all sessions as if they were played at the same time."""
    played = [
        [(session_id, batch) for batch in parts.play]
        for session_id, parts in rush.sessions.items()
    ]
    for together in zip(*played, strict=True):
        yield from together


class Commands:
    """What the process does."""

    def __init__(self, database: Database, rush: Rush) -> None:
        self._database = database
        self._rush = rush
        self._rows = rush.rows()
        gc.collect()
        gc.freeze()

    async def prepare(self) -> None:
        """Make the tables."""
        await self._database.prepare(self._rows)

    async def copy(self, _: object) -> control.Reply:
        """Copy the rows, all in one go."""
        await self._database.empty()
        used_s = cpu_s([self._database.pid])
        seconds = await self._database.copy(self._rows)
        used_s = cpu_s([self._database.pid]) - used_s
        found = await self._database.recount()
        return {"seconds": seconds, "database_cpu_s": used_s, **found}

    async def behind(self, _: object) -> control.Reply:
        """Write what the journal has of the questions, then the end with results."""
        await self._database.empty()
        async with Desk(self._rush, self._database.dsn) as desk:
            pid = await self._database.pid_of_queue()
            await desk.append_all(lambda parts: parts.play)
            used_s = cpu_s([pid])
            seconds = await desk.write()
            used_s = cpu_s([pid]) - used_s
            await desk.append_all(lambda parts: parts.end)
            end_s = await desk.write()
            refused = desk.queue.batches_rejected
        found = await self._database.recount()
        took = {"seconds": seconds, "end_s": end_s, "database_cpu_s": used_s}
        return {**took, "refused": refused, **found}

    async def live(self, seconds: float) -> control.Reply:
        """Write while the journal grows; tell how soon everything is seen."""
        await self._database.empty()
        async with Desk(self._rush, self._database.dsn) as desk:
            await desk.live(seconds)
            visible_s = await self._until_seen()
        return {"seconds": visible_s, **await self._database.recount()}

    async def _until_seen(self) -> float:
        wanted, started_s = self._rush.shape.answers, time.perf_counter()
        async with asyncio.timeout(PATIENCE_S):
            while await self._database.count() < wanted:  # noqa: ASYNC110 - it can't tell
                await asyncio.sleep(LOOK_S)
        return time.perf_counter() - started_s

    def handlers(self) -> dict[str, Callable[[Any], Awaitable[control.Reply]]]:
        """Return them by name."""
        return {"copy": self.copy, "behind": self.behind, "live": self.live}


async def serve(shape: Shape, server: PostgresServer) -> None:
    """Obey until the end of input."""
    database = Database(server.dsn())
    commands = Commands(database, Rush(shape, SEED))
    await commands.prepare()
    await control.obey(server.port, commands.handlers())
    await database.close()


def main() -> None:
    """Read the command line and obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("sessions", "players", "questions", "tick"):
        parser.add_argument(f"--{name}", type=int, required=True)
    shape = Shape(**vars(parser.parse_args()))
    log.configure("warning", "text")
    try:
        server = PostgresServer()
    except Unavailable as reason:
        control.say({"skipped": str(reason)})
        return
    with server:
        uvloop.run(serve(shape, server))


if __name__ == "__main__":
    main()

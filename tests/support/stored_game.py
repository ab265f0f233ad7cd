"""A quiz on one server whose database is Postgres, and the proof that all is there.

Players keep what they were told. Afterwards the database has to have just that: the
stored log is counted again by the oracle, which is held to the players' word, and all
tables are held to the oracle.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import httpx

from quizd.journal.sqlite import SqliteJournal
from quizd.session import records as rec
from quizd.store.engine import postgres_engine
from tests.store.games import expected, stored
from tests.support.cluster_game import Plan, hold_player, played
from tests.support.journals import DATABASE
from tests.support.recount import Recount
from tests.support.server import Server
from tests.support.survivor import RETRY_S, Payload, Survivor

LOOK_S = 0.05
PATIENCE_S = 60.0


@dataclass(slots=True)
class Timed(Survivor):
    """A player with a watch: when each answer was given, and the seconds it took."""

    waits: list[tuple[float, float]] = field(default_factory=list)

    def keep(self, result: Payload) -> None:
        """Note how long it took, the first time."""
        name = result["questionId"]
        if name not in self.acknowledged:
            given_s = self.gave_s[name]
            waited_s = asyncio.get_running_loop().time() - given_s
            self.waits.append((given_s, waited_s))
        Survivor.keep(self, result)


class StoredGame:
    """One session on *server*; *seed* decides all that is random."""

    def __init__(self, server: Server, plan: Plan, seed: int) -> None:
        self.server = server
        self.plan = plan
        self.rng = random.Random(seed)
        self.opened: Payload = {}
        self.players = [
            Timed(
                f"Player {number}",
                random.Random(self.rng.random()),
                [server],
                plan.temper,
            )
            for number in range(plan.players)
        ]
        self._playing: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Open, let everybody in, and start."""
        self.opened = await self.server.open_quiz(self.plan.quiz())
        for player in self.players:
            await player.join(self.opened["pin"])
            self._playing.append(asyncio.create_task(player.play()))
        while not all(player.welcomes for player in self.players):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await self._start()

    async def _start(self) -> None:
        path = f"/quizzes/{self.opened['quizId']}/start"
        while True:
            with suppress(httpx.TransportError):
                async with self.server.api(self.opened["hostToken"]) as api:
                    reply = await api.post(path, json={}, timeout=8)
                assert reply.status_code == httpx.codes.OK, reply.text
                return
            await asyncio.sleep(RETRY_S)

    @property
    def over(self) -> bool:
        """Whether every player has heard the end, or one has failed."""
        failed = any(t.done() and t.exception() is not None for t in self._playing)
        return failed or all(task.done() for task in self._playing)

    async def end(self) -> None:
        """Wait until everybody has heard the end."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._playing)

    async def abort(self) -> None:
        """Send everybody home, however the test ended."""
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    def waits_s(self, first_s: float, last_s: float) -> list[float]:
        """Return how long results took of answers given between two instants."""
        return [
            waited_s
            for player in self.players
            for given_s, waited_s in player.waits
            if first_s <= given_s < last_s
        ]

    @property
    def acknowledged(self) -> int:
        """How many answers players have heard the result of."""
        return sum(len(player.acknowledged) for player in self.players)

    # -- proof ---------------------------------------------------------------------

    async def written(self, dsn: str) -> None:
        """Wait until the database has the end of the session."""
        query = "SELECT ended FROM write_behind WHERE session_id = $1"
        async with asyncio.timeout(PATIENCE_S):
            while not await ask(dsn, query, self.opened["sessionId"]):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)

    async def counted_again(self, dsn: str) -> list[rec.Record]:
        """Hold the stored log to what players know; return its records."""
        records = played(await logged(dsn, self.opened["sessionId"]))
        recount = Recount(records)
        for player in self.players:
            hold_player(player, recount)
            assert not player.anew
        assert len(recount.game.answers) == self.acknowledged
        return records


async def hold(games: Sequence[StoredGame], server: Server, dsn: str) -> None:
    """Compare the database with what the players of all *games* on *server* know.

    The server has stopped, and had no other games.
    """
    async with SqliteJournal(server.data_dir / DATABASE) as journal:
        for game in games:
            session_id = game.opened["sessionId"]
            query = "SELECT idx FROM write_behind WHERE session_id = $1"
            position = await journal.position(session_id)
            assert await ask(dsn, query, session_id) == position.index
    assert not await ask(dsn, "SELECT count(*) FROM rejected_records")
    records = [await game.counted_again(dsn) for game in games]
    engine = postgres_engine(dsn)
    found = await stored(engine)
    await engine.dispose()
    assert found == expected(records)


async def ask(dsn: str, query: str, *values: object) -> Any:  # noqa: ANN401 - any type
    """Return the first value of a query's first row."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def logged(dsn: str, session_id: str) -> list[rec.Record]:
    """Return the records of the stored log, with the names that it does not hold."""
    connection = await asyncpg.connect(dsn)
    try:
        log = await connection.fetch(
            "SELECT idx, batch FROM session_log WHERE session_id = $1 ORDER BY idx",
            session_id,
        )
        people = await connection.fetch(
            "SELECT name, key FROM participants WHERE session_id = $1"
            " ORDER BY participant",
            session_id,
        )
    finally:
        await connection.close()
    assert [row["idx"] for row in log] == list(range(1, len(log) + 1))
    names = iter(people)
    records = [record for row in log for record in rec.unpack(row["batch"])]
    return [
        named(record, *next(names))
        if isinstance(record, rec.ParticipantAdded)
        else record
        for record in records
    ]


def named(record: rec.ParticipantAdded, name: str, key: str | None) -> rec.Record:
    """Return *record* as it was before it came into the log."""
    return replace(record, name=name, key=key or "")

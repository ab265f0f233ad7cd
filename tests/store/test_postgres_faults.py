"""The write-behind queue and a real Postgres that fails in every way.

After each fault, and after many at random moments, the database has what the journal
has: nothing is lost, nothing is there twice, and play has never waited.
"""

import asyncio
import gc
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from quizd.clock import ManualClock
from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.store.base import StoreUnavailable
from quizd.store.engine import KEEPALIVE, STATEMENT_S, postgres_engine
from quizd.store.migrations import lock
from quizd.store.transaction import named_failures, transaction
from quizd.store.write_behind import (
    Options,
    Pacing,
    State,
    WriteBehind,
    rejected,
)
from quizd.store.write_behind.postgres import PostgresSink
from tests.store.games import stored
from tests.store.rush import Rush
from tests.support.postgres_harm import DRIVERS_OWN, END_CONNECTIONS, FAIL_THRICE
from tests.support.postgres_proxy import (
    Line,
    PostgresProxy,
    cut_after_commit,
    cut_before_commit,
)
from tests.support.postgres_server import (
    PostgresServer,
    needs_postgres,
    shared_server,
)

ROUNDS = int(os.environ.get("QUIZD_TEST_KILLS", "3"))
STOP_S = 5.0 if "QUIZD_TEST_KILLS" in os.environ else 0.5
PACING = Pacing(linger_s=0.005, unit_bytes=60_000, retry_first_s=0.02, retry_max_s=0.2)
SINK_S = 2.0
PATIENCE_S = 40
SILENCE = "idle_in_transaction_session_timeout"

pytestmark = [needs_postgres, pytest.mark.timeout(180)]


@dataclass(slots=True)
class Scene:
    """A server, its database, the proxy before it, and a queue that writes to it."""

    server: PostgresServer
    database: str
    proxy: PostgresProxy
    rush: Rush

    @property
    def queue(self) -> WriteBehind:
        """The queue under test."""
        return self.rush.queue

    async def run(self, statement: str) -> None:
        """Run *statement* beside the queue."""
        connection = await asyncpg.connect(self.server.dsn(self.database))
        await connection.execute(statement)
        await connection.close()

    async def do(self, command: Callable[[], None]) -> None:
        """Do something to the server while the loop goes on."""
        await asyncio.to_thread(command)

    async def hold(self) -> None:
        """Wait for the queue, and hold the database to the journal."""
        await self.queue.drain(PATIENCE_S)
        engine = postgres_engine(self.server.dsn(self.database))
        found = await stored(engine)
        await engine.dispose()
        assert found == self.rush.stored()
        assert self.queue.batches_rejected == 0
        assert self.queue.parked == {}
        assert self.queue.state is State.OK


@pytest.fixture
def database() -> Iterator[str]:
    """A fresh database."""
    with shared_server().fresh_database() as name:
        yield name


@pytest.fixture
async def scene(database: str, loop_errors: list[str]) -> AsyncIterator[Scene]:
    """A queue on the database, through the proxy."""
    server = shared_server()
    async with MemoryJournal() as journal, PostgresProxy(server.port) as proxy:
        sink = PostgresSink(server.dsn(database, proxy.port), SINK_S)
        options = Options(key=bytes(32), pacing=PACING, keep_bytes=100_000)
        queue = WriteBehind(journal, sink, ManualClock(), options)
        queue.start()
        yield Scene(server, database, proxy, Rush(journal, queue))
        await queue.stop(0)
    gc.collect()
    loop_errors[:] = [each for each in loop_errors if DRIVERS_OWN not in each]


async def play(scene: Scene, seed: int, players: int = 300) -> None:
    """Play two sessions at once."""
    rng = random.Random(seed)
    names = ("a", "b")
    games = [scene.rush.play(n, players, random.Random(rng.random())) for n in names]
    await asyncio.gather(*games)


async def test_a_stop_under_load(scene: Scene) -> None:
    """Play goes on to its end while the server is away."""
    await scene.do(scene.server.stop)
    await asyncio.wait_for(play(scene, 1), 30)
    await asyncio.sleep(STOP_S)
    assert scene.queue.state is State.DEGRADED
    assert scene.queue.depth_batches > 600
    assert scene.queue.kept_bytes <= 100_000
    scene.server.start()
    await scene.hold()


async def test_a_kill_in_the_middle_of_copy(scene: Scene) -> None:
    """What had been copied is not there twice afterwards."""
    killed = asyncio.Event()

    async def kill(_: Line) -> None:
        await scene.do(scene.server.kill)
        scene.server.start()
        killed.set()

    scene.proxy.in_copy.append(kill)
    await play(scene, 2)
    await asyncio.wait_for(killed.wait(), 30)
    await scene.hold()
    assert scene.queue.failures


async def test_a_connection_that_is_ended_by_an_operator(scene: Scene) -> None:
    """Again and again."""
    playing = asyncio.create_task(play(scene, 3))
    for _ in range(5):
        await asyncio.sleep(0.03)
        await scene.run(END_CONNECTIONS)
    await playing
    await scene.hold()
    assert scene.queue.failures


@pytest.mark.parametrize("code", ["40001", "40P01", "53100", "53300", "25006", "57P03"])
async def test_failures_that_pass(scene: Scene, code: str) -> None:
    """Serialization, deadlock, full disk, no connections, read only, starting up."""
    await scene.run(FAIL_THRICE.format(code=code))
    await play(scene, 4, players=50)
    await scene.hold()
    assert scene.queue.failures == 3


async def test_a_part_that_was_dropped(scene: Scene) -> None:
    """An operator may drop it under the queue: it is made again."""
    await play(scene, 8, players=20)
    await scene.queue.drain(PATIENCE_S)
    await scene.run("DROP TABLE answers_p20260101, session_log_p20260101")
    scene.rush.records.clear()
    await scene.rush.play("c", 20, random.Random(8))
    await scene.queue.drain(PATIENCE_S)
    engine = postgres_engine(scene.server.dsn(scene.database))
    assert (await stored(engine)).answers == scene.rush.stored().answers
    await engine.dispose()
    assert scene.queue.parked == {}


@pytest.mark.parametrize("trick", [cut_before_commit, cut_after_commit])
async def test_a_commit_whose_outcome_is_unknown(
    scene: Scene, trick: Callable[[Line], Awaitable[None]]
) -> None:
    """The cursor says whether it was done."""
    scene.proxy.at_commit.extend([trick] * 4)
    await play(scene, 5)
    await scene.hold()
    assert scene.queue.failures == 4
    assert scene.proxy.at_commit == []


async def test_a_server_that_does_not_answer(scene: Scene) -> None:
    """The queue gives up waiting, buffers, and goes on when it answers again."""
    paused = asyncio.Event()

    async def pause(line: Line) -> None:
        scene.server.pause()
        paused.set()
        await line.pass_on()

    scene.proxy.in_copy.append(pause)
    await play(scene, 6)
    await asyncio.wait_for(paused.wait(), 30)
    with pytest.raises(TimeoutError):
        await scene.queue.drain(SINK_S + 1)
    assert (scene.queue.state, scene.queue.buffering) == (State.DEGRADED, True)
    scene.server.resume()
    await scene.hold()


async def test_a_text_that_postgres_refuses(scene: Scene) -> None:
    """A name with a NUL costs its batch; everything else is there."""
    await play(scene, 7, players=20)
    journal, queue = scene.rush.journal, scene.queue
    term = (await journal.entry("a")).term
    index = (await journal.position("a")).index + 1
    batch = rec.pack([rec.ParticipantAdded(1, "x", "a\0b", "")])
    await journal.append("a", term, index, batch)
    queue.notify("a", index, batch)
    await queue.drain(PATIENCE_S)
    engine = postgres_engine(scene.server.dsn(scene.database))
    (listed,) = await rejected.listed(engine)
    assert (listed.index, listed.code) == (index, "22021")
    assert (await stored(engine)).answers == scene.rush.stored().answers
    await engine.dispose()


async def test_a_transaction_that_was_left(database: str) -> None:
    """Its locks are free once it has been silent for as long as a statement may take.

    Who has left it is told that the database was not there.
    """
    dsn = shared_server().dsn(database)
    frozen, other = postgres_engine(dsn, statement_s=1.0), postgres_engine(dsn)
    async with frozen.connect() as left:
        await lock(left)
        await left.execute(text("LOCK TABLE answers IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(3), other.begin() as connection:
            await lock(connection)
            await connection.execute(text("SELECT FROM answers"))
        with pytest.raises(StoreUnavailable):
            await committed(left)
    async with transaction(frozen) as again:
        await lock(again)
    await frozen.dispose()
    await other.dispose()


async def committed(connection: AsyncConnection) -> None:
    """Commit, with the names that the store gives to failures."""
    async with named_failures():
        await connection.commit()


@pytest.mark.parametrize(
    ("statement_s", "silence"), [(5.0, "5s"), (STATEMENT_S, "30s"), (3600.0, "30s")]
)
async def test_silence_is_no_statement(
    database: str, statement_s: float, silence: str
) -> None:
    """An upgrade's statements may take an hour; its transaction is silent for less.

    Of who has vanished the server knows after ten seconds and three questions.
    """
    engine = postgres_engine(shared_server().dsn(database), statement_s=statement_s)
    async with transaction(engine) as connection:
        found = {
            name: (await connection.execute(text(f"SHOW {name}"))).scalar_one()
            for name in (SILENCE, "statement_timeout", *KEEPALIVE)
        }
    await engine.dispose()
    assert found == {SILENCE: silence, "statement_timeout": "0", **KEEPALIVE}


@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
async def test_faults_at_random_moments(scene: Scene, seed: int) -> None:
    """Whatever happens, and however often."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    playing = asyncio.create_task(play(scene, seed))
    for _ in range(4):
        await asyncio.sleep(rng.uniform(0, 0.15))
        await trouble(scene, rng)
    await playing
    await scene.hold()


async def trouble(scene: Scene, rng: random.Random) -> None:
    """Do one of the bad things."""
    kind = rng.randrange(6)
    if kind == 0:
        await scene.do(scene.server.kill)
        await asyncio.sleep(rng.uniform(0, 0.2))
        scene.server.start()
    elif kind == 1:
        scene.server.restart()
    elif kind == 2:
        scene.proxy.at_commit.append(rng.choice((cut_before_commit, cut_after_commit)))
    elif kind == 3:
        await scene.run(END_CONNECTIONS)
    elif kind == 4:
        scene.server.pause()
        await asyncio.sleep(rng.uniform(0, 0.3))
        scene.server.resume()
    else:
        await scene.run(FAIL_THRICE.format(code=rng.choice(("40001", "53100"))))

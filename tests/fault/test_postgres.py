"""Postgres stops, dies, cuts lines, refuses and is full while quizzes are played.

The server is a process of its own, and so may be killed itself in the middle of a COPY.
Players notice nothing of what happens to the database. Afterwards the database has
everything that they were told, once. With ``QUIZD_TEST_KILLS`` there are as many
rounds, and a table of what was done in them.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fault.stage import KILLS, LONG
from tests.support import postgres_harm as harm
from tests.support.cluster_game import Plan
from tests.support.measured import Tell
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
from tests.support.server import Server
from tests.support.stored_game import StoredGame, ask, hold
from tests.support.survivor import Temper
from tests.support.takeover import percentile

STOP_S = 60.0 if LONG else 2.5
BEFORE_S = 1.5
QUESTION_S = 1.0
NOISE_S = 0.05
"""What a busy machine may add; the database's time would be seconds."""

TEMPER = Temper(think_s=(0.0, 0.8))
PLAYERS = 16
A_SERVER = 5
"""Rounds that share a server."""

REACHED_S = 30.0
NO_DISK = "a tmpfs can't be mounted here: the full disk is not tried"
OPTIONS = {
    "play.lead_min_ms": 50,
    "journal.renew_ms": 50,
    "leaderboard.size": 100,  # so that who comes back after the end sees everybody
    "database.linger_ms": 10,
    "timeouts.drain_s": 5,
}

pytestmark = [needs_postgres, pytest.mark.timeout(300)]


@dataclass(slots=True)
class Scene:
    """A server, its games, and the database that the server reaches by a proxy."""

    postgres: PostgresServer
    proxy: PostgresProxy
    server: Server
    database: str
    disk: harm.SmallDisk | None
    games: list[StoredGame] = field(default_factory=list)

    @property
    def game(self) -> StoredGame:
        """The game that is being played."""
        return self.games[-1]

    @property
    def dsn(self) -> str:
        """The database, past the proxy."""
        return self.postgres.dsn(self.database)

    @property
    def failures(self) -> list[str]:
        """What the server has said of writes that failed; one line for each outage."""
        log, event = self.server.log, "write-behind waits"
        return [line["error"] for line in log if line.get("event") == event]

    @property
    def alarms(self) -> list[str]:
        """What the server has logged as an error, the driver's own left out."""
        log, grave = self.server.log, ("error", "critical")
        alarms = [line for line in log if line.get("level") in grave]
        return [str(line) for line in alarms if harm.DRIVERS_OWN not in line["event"]]

    async def run(self, statement: str) -> None:
        """Run *statement* beside the server."""
        await harm.run(self.postgres, statement, self.database)


class TooLate(Exception):  # noqa: N818 - says what it is
    """The game was over before the moment came."""


# -- what is done ----------------------------------------------------------------------


async def stop(scene: Scene) -> None:
    """Stop Postgres in order, and start it again after a while."""
    await asyncio.to_thread(scene.postgres.stop)
    await asyncio.sleep(scene.game.rng.uniform(0.2, 1.0))
    scene.postgres.start()


async def kill_postgres(scene: Scene) -> None:
    """Kill Postgres and all its workers in the middle of a COPY."""
    async with in_copy(scene):
        await asyncio.to_thread(scene.postgres.kill)
    scene.postgres.start()


async def kill_server(scene: Scene) -> None:
    """Kill quizd in the middle of a COPY."""
    async with in_copy(scene):
        await scene.server.kill()
    await scene.server.start()


async def end_connections(scene: Scene) -> None:
    """End quizd's connection as an operator does, again and again."""
    for _ in range(3):
        await scene.run(harm.END_CONNECTIONS)
        await asyncio.sleep(scene.game.rng.uniform(0.05, 0.2))


async def refuse(scene: Scene) -> None:
    """Refuse writes with what passes: serialization failures, deadlocks."""
    code = scene.game.rng.choice(("40001", "40P01"))
    await scene.run(harm.FAIL_THRICE.format(code=code))


async def lose_commit(scene: Scene) -> None:
    """Cut the line at a COMMIT, before the server has it or before it says so."""
    trick = scene.game.rng.choice((cut_before_commit, cut_after_commit))
    scene.proxy.at_commit.append(trick)
    await until(lambda: not scene.proxy.at_commit or scene.game.over)
    scene.proxy.at_commit.clear()


async def fill_disk(scene: Scene) -> None:
    """Leave no room on the database's disk until a write has failed."""
    if scene.disk is None:
        pytest.skip(NO_DISK)
    before = len(scene.failures)
    await asyncio.to_thread(scene.disk.fill)
    await until(lambda: len(scene.failures) > before or scene.game.over)
    scene.disk.free()


HARMS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "stop": stop,
    "kill postgres in COPY": kill_postgres,
    "kill quizd in COPY": kill_server,
    "pg_terminate_backend": end_connections,
    "serialization failures": refuse,
    "COMMIT unknown": lose_commit,
    "disk full": fill_disk,
}
COURSE = tuple(name for name in HARMS if name not in ("stop", "disk full"))


@asynccontextmanager
async def in_copy(scene: Scene) -> AsyncIterator[None]:
    """Give the moment at which half of some answers' rows have been sent.

    Raises :class:`TooLate`.
    """
    reached, over = asyncio.Event(), asyncio.Event()

    async def half(line: Line) -> None:
        await line.pass_on(0.5)
        reached.set()
        await over.wait()
        line.cut()

    scene.proxy.at_answers.append(half)
    try:
        await until(lambda: reached.is_set() or scene.game.over)
        if not reached.is_set():
            raise TooLate
        yield
    finally:
        over.set()
        scene.proxy.at_answers.clear()


async def until(done: Callable[[], bool]) -> None:
    """Wait for something that comes soon."""
    async with asyncio.timeout(REACHED_S):
        while not done():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


# -- the stage -------------------------------------------------------------------------


@pytest.fixture
def database() -> Iterator[str]:
    """A fresh database."""
    with shared_server().fresh_database() as name:
        yield name


@pytest.fixture
async def disk(database: str) -> AsyncIterator[harm.SmallDisk | None]:
    """A small disk that the database is on, ``None`` where there can be none."""
    server = shared_server()
    with harm.small_disk(server.directory / "disk") as made:
        if made is None:
            yield None
            return
        await harm.move_to(server, database, made)
        yield made
        if not server.running:
            server.start()
        await harm.move_back(server, database)


@asynccontextmanager
async def serving(
    folder: Path, database: str, disk: harm.SmallDisk | None = None
) -> AsyncIterator[Scene]:
    """Start a server; in the end hold the database to all that was played on it."""
    postgres = shared_server()
    async with PostgresProxy(postgres.port) as proxy:
        url = postgres.dsn(database, proxy.port)
        async with Server(folder, {**OPTIONS, "database.url": url}) as server:
            scene = Scene(postgres, proxy, server, database, disk)
            yield scene
        await hold(scene.games, server, scene.dsn)
        assert not scene.alarms


@asynccontextmanager
async def playing(scene: Scene, questions: int, seed: int) -> AsyncIterator[StoredGame]:
    """Play a game to its end, and wait until it is in the database."""
    print(f"seed {seed}")
    plan = Plan(PLAYERS, questions, QUESTION_S, temper=TEMPER)
    game = StoredGame(scene.server, plan, seed)
    scene.games.append(game)
    try:
        await game.begin()
        yield game
        await game.end()
        await game.written(scene.dsn)
    finally:
        await game.abort()


# -- tests -----------------------------------------------------------------------------


async def test_play_does_not_notice_that_postgres_is_stopped(
    database: str, tmp_path: Path, tell: Tell
) -> None:
    """Answers are acknowledged as soon as before; nobody's connection breaks."""
    loop = asyncio.get_running_loop()
    questions = round((BEFORE_S + STOP_S) / QUESTION_S) + 1
    async with (
        serving(tmp_path, database) as scene,
        playing(scene, questions, 1) as game,
    ):
        began_s = loop.time()
        await asyncio.sleep(BEFORE_S)
        stopped_s = loop.time()
        await asyncio.to_thread(scene.postgres.stop)
        await asyncio.sleep(STOP_S)
        last_s = loop.time()
        assert not game.over
        scene.postgres.start()
    assert scene.failures
    assert not any(player.closes for player in game.players)
    before = waited("before", game.waits_s(began_s, stopped_s), tell)
    meanwhile = waited("meanwhile", game.waits_s(stopped_s, last_s), tell)
    assert meanwhile <= 3 * before + NOISE_S


def waited(name: str, waits_s: list[float], tell: Tell) -> float:
    """Tell how long answers had to wait; return the median in seconds."""
    half, most = (percentile(waits_s, share) * 1000 for share in (0.5, 0.99))
    tell(f"{name}: {len(waits_s)} answers, p50 {half:.1f} ms, p99 {most:.1f} ms")
    return half / 1000


async def test_everything_is_there_once(database: str, tmp_path: Path) -> None:
    """Whatever happens to the database, to the line, and to quizd itself."""
    seed = random.randrange(2**32)
    async with serving(tmp_path, database) as scene, playing(scene, 5, seed) as game:
        for name in COURSE:
            assert not game.over
            await HARMS[name](scene)


async def test_a_full_disk(
    database: str, disk: harm.SmallDisk | None, tmp_path: Path
) -> None:
    """What could not be written is, once there is room."""
    if disk is None:
        pytest.skip(NO_DISK)
    async with serving(tmp_path, database, disk) as scene, playing(scene, 2, 1):
        await fill_disk(scene)
    assert any("No space left" in error for error in scene.failures)


@pytest.mark.skipif(not LONG, reason="many rounds: make test-faults")
@pytest.mark.parametrize("first", range(1, KILLS + 1, A_SERVER))
async def test_rounds(
    first: int,
    database: str,
    disk: harm.SmallDisk | None,
    tmp_path: Path,
    tell: Tell,
) -> None:
    """Two harms a game, each in its turn and another one; several games a server."""
    names = [name for name in HARMS if disk is not None or name != "disk full"]
    async with serving(tmp_path, database, disk) as scene:
        for seed in range(first, min(first + A_SERVER, KILLS + 1)):
            async with playing(scene, 2, seed) as game:
                chosen = [names[seed % len(names)], game.rng.choice(names)]
                done = [await harmed(scene, name) for name in chosen]
            kept = "SELECT count(*) FROM answers WHERE session_id = $1"
            rows = await ask(scene.dsn, kept, game.opened["sessionId"])
            tell(
                f"seed {seed}: {', then '.join(done)}: "
                f"{game.acknowledged} acknowledged, {rows} stored"
            )


async def harmed(scene: Scene, name: str) -> str:
    """Do what *name* says at a random moment; return what to say of it."""
    await asyncio.sleep(scene.game.rng.uniform(0, 0.4))
    try:
        await HARMS[name](scene)
    except TooLate:
        return f"({name}: too late)"
    return name

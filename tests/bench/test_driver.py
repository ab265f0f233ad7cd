"""Whole games against a real server, and an end in every case."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from bench.load.driver import Behaviour, Crowd, Session, hold, run_game
from bench.load.figures import GameResult
from bench.load.fleet import Fleet, TooSlow, shares
from bench.load.tickets import Address, key_of
from tests.bench.fake import FakeServer
from tests.support.quizzes import quick_quiz
from tests.support.server import Server

PLAYERS = 60
QUESTIONS = 2
SEED = 7
BEHAVIOUR = Behaviour(
    silent=0.1, late=0.1, doubled=0.2, malformed=0.2, low_ms=0, high_ms=300
)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> GameResult:
    """Play a game once; the tests look at what came of it."""
    return asyncio.run(played(tmp_path_factory.mktemp("load")))


async def played(data_dir: Path) -> GameResult:
    """Let two processes play with a real server; the second question takes several."""
    quiz = quick_quiz(1 + QUESTIONS, {"start": "host", "streak_bonus": True})
    del quiz["questions"][0]
    crowd = Crowd(PLAYERS, processes=2, seed=SEED, timeout_s=30, progress=False)
    async with Server(data_dir, {"play.lead_min_ms": 50}) as server:
        opened = await server.open_quiz(quiz)
        session = Session(
            Address.of(server.url), opened["pin"], key_of(quiz), opened["hostToken"]
        )
        return await asyncio.to_thread(
            run_game, session, crowd, BEHAVIOUR, [server.pid]
        )


def test_a_real_game_has_no_violation(result: GameResult) -> None:
    """Doubled, late, silent and wrong players included, all rules hold."""
    assert not result.violations, result.violations.texts


def test_everybody_plays_every_question(result: GameResult) -> None:
    """The counters and histograms agree on who did what."""
    counters = result.counters
    expected = PLAYERS * QUESTIONS
    assert counters["welcomed"] == counters["ended"] == PLAYERS
    assert counters["questions"] == counters["closes"] == expected
    answered = sum(question.answers_accepted for question in result.questions)
    silent_or_late = counters["silent"] + counters["late_sent"]
    assert answered + silent_or_late + counters["refused_late"] >= expected
    assert result.acks.count == answered > expected / 2
    assert min(counters[name] for name in ("late_refused", "nonsense_answered")) > 0
    assert counters["results"] > answered


def test_the_figures_are_there(result: GameResult) -> None:
    """Latencies, rates, spreads and the server's use of the machine are measured."""
    assert result.joins.latency.count == result.connects.latency.count == PLAYERS
    assert result.joins.per_second > 0 < result.connects.per_second
    assert result.joins.cpu_us_each > 0 < result.connects.cpu_us_each
    assert result.usage["connected"].rss_bytes > 0
    for question in result.questions:
        assert question.opened.received == question.closed.received == PLAYERS
        assert question.opened.last_ns < question.closed.first_ns
        assert question.answers_per_second > 0


def test_players_are_shared_out_evenly() -> None:
    """Every player is in one process, and no process has two more than another."""
    for total in (0, 1, 7, 100):
        parts = shares(total, 3)
        assert [number for part in parts for number in part] == [*range(total)]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


async def test_a_held_crowd_stays_until_it_is_let_go(tmp_path: Path) -> None:
    """Idle players keep their lines, and leave when the block is left."""
    quiz = quick_quiz(1, {"start": "host"})
    crowd = Crowd(20, processes=2, timeout_s=20, progress=False)

    def holding(session: Session, pid: int) -> None:
        with hold(session, crowd, [pid]) as game:
            assert game.fleet.counters()["welcomed"] == 20
            assert game.fleet.counters()["lost"] == 0
            assert not game.fleet.violations()
            assert game.connects.cpu_us_each > 0

    async with Server(tmp_path) as server:
        opened = await server.open_quiz(quiz)
        session = Session(Address.of(server.url), opened["quizId"], key_of(quiz))
        await asyncio.to_thread(holding, session, server.pid)


def test_a_call_that_fails_is_raised_here() -> None:
    """What goes wrong in a client process is the driver's to handle."""
    with Fleet(2, progress=False) as fleet, pytest.raises(TypeError, match="Players"):
        fleet.call("settle", True)


def test_waiting_has_an_end() -> None:
    """What doesn't come in time is said, with how far it came."""
    with Fleet(1, progress=False) as fleet:
        address = Address("127.0.0.1", 9)
        fleet.call("join", address, [], 1, 0.0)
        with pytest.raises(TooSlow, match="joined: 0 of 1"):
            fleet.wait("joined", 1, lambda counters: counters["answered"], 0.0)


HOLDER = """
import sys, time
from bench.load.fleet import Fleet
from bench.load.tickets import Address
with Fleet(2) as fleet:
    print(*fleet.pids, flush=True)
    fleet.call("join", Address("127.0.0.1", int(sys.argv[1])), [b"GET"], 1, 0.0)
    print("holding", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(port: int) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run a driver that holds two client processes."""
    with subprocess.Popen(  # noqa: S603 - the lines above
        [sys.executable, "-c", HOLDER, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        try:
            yield driver, driver.stdout
        finally:
            driver.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_client_processes_end_with_the_driver(number: signal.Signals) -> None:
    """However the driver ends, its client processes do not outlive it."""
    with FakeServer([]) as server, holder(server.port) as (driver, output):
        pids = [int(word) for word in output.readline().split()]
        assert output.readline() == "holding\n"
        driver.send_signal(number)
        driver.wait(PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while any(map(is_there, pids)):
            assert time.monotonic() < until_s, pids


def is_there(pid: int) -> bool:
    """Tell whether the process runs; one that nobody has waited for doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.split()[0] != "Z"

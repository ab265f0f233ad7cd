"""The large game, small: what it measures, and that nothing of it is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.floors.redis_server import unavailable
from bench.large import stage, told
from bench.large.audience import Pairs
from bench.large.loops import Reach, SendLoops
from bench.load.figures import GameResult, Spread, Stage
from bench.load.fleet import Violations
from bench.players_50k import main, name_of, parser, plan_of
from bench.server import ROOT

PLAYERS = 60
PATIENCE_S = 40.0


def reach(first_ms: float, last_ms: float, cpu_us: float = 5.0) -> Reach:
    """Return a message that reached everybody between two instants."""
    nothing = Spread.of([])
    spread = Spread(2, 1, 2, first_ms, first_ms, last_ms, last_ms, nothing.histogram)
    return Reach(spread, cpu_us, 200.0)


def test_a_small_game_is_played_and_told(tmp_path: Path) -> None:
    """Every check is on, both messages are paired with the loops', all is written."""
    words = ["--players", str(PLAYERS), "--shards", "1", "--clients", "2"]
    words += ["--rounds", "2", "--answers-s", "0.2", "--results", str(tmp_path)]
    assert main(words) == 0
    found = json.loads((tmp_path / f"{PLAYERS}.json").read_text(encoding="utf-8"))
    assert (found["players"], found["shards"], found["violations"]) == (PLAYERS, 1, 0)
    for message in (found["question"], found["own_rank"]):
        assert message["pairs"] == 2
        for sender in (message["quizd"], message["loops"], message["checked"]):
            assert 0 < sender["first_ms"] <= sender["last_ms"]
            assert sender["cpu_us_per_delivery"] > 0
        assert message["quizd"]["size_bytes"] == pytest.approx(
            message["loops"]["size_bytes"], rel=0.05
        )
    assert found["own_rank"]["quizd"]["size_bytes"] > 200
    assert found["answers"]["per_second"] > 0 < found["answers"]["ack_p99_ms"]
    assert [used["process"] for used in found["processes"]] == ["shard 0"]
    table = (tmp_path / f"{PLAYERS}.md").read_text(encoding="utf-8")
    assert table.count("| P10 ≤ 1.3 |") == 1


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
def test_shards_share_one_quiz(tmp_path: Path) -> None:
    """Players are on all shards, through a Redis of the run's own, and see no fault."""
    words = ["--players", str(PLAYERS), "--shards", "2", "--rounds", "1"]
    assert main([*words, "--answers-s", "0.2", "--results", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"{PLAYERS}.json").read_text(encoding="utf-8"))
    used = {one["process"]: one for one in found["processes"]}
    assert [*used] == ["shard 0", "shard 1", "redis"]
    assert all(one["cpu_s"] > 0 < one["rss_mib"] for one in used.values())
    assert found["violations"] == 0


def test_ratios_are_taken_pair_by_pair() -> None:
    """The median of ratios, not the ratio of medians; from the command on."""
    ours = [reach(1, 10), reach(1, 20), reach(1, 90)]
    loops = [reach(0, 10), reach(0, 10), reach(0, 30)]
    turns = Pairs(ours, loops)
    data, figures = told.compared("question", turns, [reach(2, 50)], told.FAN_OUT)
    assert data["checked"]["last_ms"] == 50
    assert data["ratio"] == 2.0
    assert data["quizd"]["last_ms"] == 20
    assert data["quizd"]["first_to_last_ms"] == 19
    assert [figure.verdict for figure in figures if figure.target] == ["MISSED"]


def test_loops_go_side_by_side() -> None:
    """Each has its part of the sockets, and everybody gets the message once."""
    with SendLoops(7, 3, progress=False) as loops:
        for name in ("broadcast", "personal"):
            sent = loops.send(name, 150)
            assert sent.spread.received == 7
            assert 0 <= sent.spread.first_ms <= sent.spread.last_ms
            assert sent.cpu_us > 0
        assert not loops.violations()


def test_the_command_line_has_its_defaults() -> None:
    """As many clients as shards, and answers at ten thousand a second."""
    plan = plan_of(parser().parse_args(["--players", "100000", "--shards", "6"]))
    assert (plan.clients, plan.answers_s) == (6, 10)
    assert [name_of(players) for players in (50_000, 100_000, 150)] == [
        "50k",
        "100k",
        "150",
    ]


def test_a_game_that_broke_off_has_violations_alone() -> None:
    """What was not measured has no figure, and the failure is told."""
    nothing = Spread.of([]).histogram
    stage_of = Stage(0, 0.0, nothing, 0.0)
    late = Violations(1, ("ended: 0 of 10",))
    game = GameResult(
        10, late, stage_of, stage_of, nothing, nothing, nothing, [], {}, {}
    )
    pairs = Pairs([], [])
    played = stage.Played(game, [], [], [], pairs, pairs, Violations(0, ()))
    found = told.outcome(stage.Plan(10, 1, 1, 1, 1), played)
    assert found.violations == late
    assert [figure.name for figure in found.figures] == ["violations"]


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """Server, clients, loops and their clients end with who has started them."""
    command = [sys.executable, "-m", "bench.players_50k", "--players", "40"]
    command += ["--shards", "1", "--clients", "2", "--rounds", "1"]
    command += ["--answers-s", "0.2", "--results", str(tmp_path)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stderr=subprocess.DEVNULL
    ) as running:
        try:
            until(lambda: len(descendants(running.pid)) >= 5)
            started = descendants(running.pid)
        finally:
            running.send_signal(signal.SIGINT)
            status = running.wait(PATIENCE_S)
    assert status == 130
    until(lambda: not any(map(alive, started)))
    assert not list(tmp_path.iterdir())


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """Return all processes below *pid*."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(word) for word in path.read_text("ascii").split()]
    return [*found, *(below for child in found for below in descendants(child))]


def alive(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""Pauses between tries, how many shards there are, and who may give notice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd.supervisor.child import Child
from quizd.supervisor.keeper import SILENT_LOOKS, Keeper, Pace, State
from quizd.supervisor.notify import READY, WATCHDOG, Notices, notify, watchdog_s
from quizd.supervisor.supervisor import shard_count


class TestPace:
    """How long a shard waits for its next try."""

    def test_grows(self) -> None:
        """It doubles from the first on, and in a loop it is long; jitter halves it."""
        pace = Pace(first_s=0.1, slow_s=30, loop_deaths=5)
        pauses = [pace.pause_s(deaths, 0.0) for deaths in range(1, 8)]
        assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 15, 15, 15])

    @given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
    def test_bounds(self, deaths: int, chance: float) -> None:
        """It is never nothing, and never longer than the slow pace."""
        pace = Pace()
        assert pace.first_s / 2 <= pace.pause_s(deaths, chance) <= pace.slow_s


class Puppet(Child):
    """A child that is no process, and notes the signals it is sent."""

    def __init__(self) -> None:
        super().__init__(0, asyncio.get_running_loop().create_future())
        self.signals: list[signal.Signals] = []

    def send(self, number: signal.Signals) -> None:
        """Note a signal."""
        self.signals.append(number)


@asynccontextmanager
async def kept() -> AsyncIterator[tuple[Keeper, Puppet]]:
    """Have a puppet started by its keeper."""
    puppet, started = Puppet(), asyncio.Event()
    keeper = Keeper(0, lambda _: puppet, Pace(), started.set)
    task = asyncio.create_task(keeper.run())
    await started.wait()
    try:
        yield keeper, puppet
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def said(keeper: Keeper) -> None:
    """Have the child say that it leaves."""
    keeper.is_stopping()


class TestLooks:
    """Who is taken for one that hangs."""

    async def test_silent(self) -> None:
        """A shard that serves is killed at the look after the last one allowed."""
        async with kept() as (keeper, puppet):
            keeper.is_ready()
            for _ in range(SILENT_LOOKS):
                keeper.look()
            assert puppet.signals == []
            keeper.look()
            assert puppet.signals == [signal.SIGKILL]

    async def test_alive(self) -> None:
        """Each sign of life allows for as many looks again."""
        async with kept() as (keeper, puppet):
            keeper.is_ready()
            for _ in range(5):
                for _ in range(SILENT_LOOKS):
                    keeper.look()
                keeper.is_alive()
            assert puppet.signals == []

    async def test_slow_start(self) -> None:
        """A shard that starts may take its time, and then has all its looks."""
        async with kept() as (keeper, puppet):
            for _ in range(10):
                keeper.look()
            keeper.is_ready()
            for _ in range(SILENT_LOOKS):
                keeper.look()
            assert puppet.signals == []

    @pytest.mark.parametrize("asked", [True, False])
    async def test_slow_leave(self, asked: bool) -> None:
        """So may one that leaves, asked by its keeper or by somebody else."""
        async with kept() as (keeper, puppet):
            keeper.is_ready()
            leaving = asyncio.create_task(keeper.leave() if asked else said(keeper))
            await asyncio.sleep(0)
            for _ in range(10):
                keeper.look()
            assert keeper.state is State.LEAVING
            assert signal.SIGKILL not in puppet.signals
            puppet.exited.set_result(0)
            await leaving

    async def test_ready_is_lost(self) -> None:
        """A sign of life says as well that the shard serves; not once it leaves."""
        async with kept() as (keeper, _):
            keeper.is_alive()
            before = keeper.state
            keeper.is_stopping()
            keeper.is_alive()
            assert [before, keeper.state] == [State.READY, State.LEAVING]


class TestShardCount:
    """How many shards are run."""

    @pytest.mark.parametrize(
        ("asked", "configured", "redis_url", "count"),
        [
            (None, 0, "", 1),
            (0, 0, "", 1),
            (0, 3, "redis://h", 3),
            (1, 0, "", 1),
            (None, 3, "redis://h", 3),
            (2, 3, "redis://h", 2),
            (None, 0, "redis://h", len(os.sched_getaffinity(0))),
        ],
    )
    def test_count(
        self, asked: int | None, configured: int, redis_url: str, count: int
    ) -> None:
        """The flag counts more than the setting; zero is one per core with Redis."""
        assert shard_count(asked, configured, redis_url) == count

    @pytest.mark.parametrize(("asked", "configured"), [(2, 0), (None, 2), (0, 2)])
    def test_needs_redis(self, asked: int | None, configured: int) -> None:
        """Several shards without Redis are refused, with the key to set."""
        with pytest.raises(ValueError, match=r"^redis\.url: must be set"):
            shard_count(asked, configured, "")


class TestNotices:
    """sd_notify, both ends."""

    def test_who_says_what(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A notice comes with the process that really sent it."""
        notices = Notices()
        monkeypatch.setenv("NOTIFY_SOCKET", notices.name)
        notify(READY, "STATUS=fine")
        assert notices.receive() == (os.getpid(), ["READY=1", "STATUS=fine"])
        code = "from quizd.supervisor.notify import notify; notify('READY=1')"
        other = subprocess.Popen([sys.executable, "-c", code])  # noqa: S603 - ours
        assert other.wait() == 0
        assert notices.receive() == (other.pid, ["READY=1"])
        with pytest.raises(BlockingIOError):
            notices.receive()
        notices.close()

    @pytest.mark.parametrize("name", ["", "@nobody-listens-here", "/nonexistent"])
    def test_nobody_listens(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nobody listens, nothing happens."""
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify(WATCHDOG)

    def test_watchdog(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Signs of life are twice as frequent as asked, by whom it is asked."""
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        assert watchdog_s() is None
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        assert watchdog_s() == 15
        monkeypatch.setenv("WATCHDOG_PID", "1")
        assert watchdog_s() is None

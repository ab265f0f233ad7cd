"""Pauses between tries, how many shards there are, and who may give notice."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd.supervisor.keeper import Pace
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

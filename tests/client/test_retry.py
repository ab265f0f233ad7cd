"""When a client tries again."""

import random

import pytest

from quizd.client import Backoff, GaveUp, Progress
from quizd.client.retry import STABLE_S, Course
from tests.client.fake import HighestDelay

BROKEN = OSError("line broken")


def course(backoff: Backoff | None = None) -> tuple[Course, HighestDelay]:
    """Return a course whose delays are the longest possible."""
    rng = HighestDelay()
    return Course(backoff or Backoff(), rng), rng  # type: ignore[arg-type]


def fail(
    tries: Course, times: int, *, welcomed: bool = False, lasted_s: float = 0.0
) -> list[float]:
    """Return the delays before so many tries, each of which fails."""
    delays = []
    for _ in range(times):
        delays.append(tries.next_try().delay_s)
        tries.broke(BROKEN, welcomed=welcomed, lasted_s=lasted_s)
    return delays


def test_first_connection_is_tried_at_once_then_later_and_later() -> None:
    """The delays double from 200 ms on, and are drawn from 0 up to that."""
    tries, rng = course()
    assert fail(tries, 5) == [0, 0.2, 0.4, 0.8, 1.6]
    assert rng.ranges == [(0, 0.2), (0, 0.4), (0, 0.8), (0, 1.6)]


def test_a_lost_connection_waits_before_every_try() -> None:
    """All clients of a lost server would come back at once otherwise."""
    tries, _ = course()
    fail(tries, 1, welcomed=True)
    assert fail(tries, 5) == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_delays_are_capped() -> None:
    """However often it fails, no delay is longer than the cap."""
    tries, _ = course(Backoff(tries=9, cap_s=1.0))
    assert fail(tries, 9) == [0, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1]


def test_it_gives_up_and_says_how_often_and_why() -> None:
    """After the last try comes the failure, with its cause."""
    tries, _ = course()
    fail(tries, 5)
    with pytest.raises(GaveUp, match=r"connect failed 5 times.*broken") as gave_up:
        tries.next_try()
    assert (gave_up.value.tries, gave_up.value.cause) == (5, BROKEN)


@pytest.mark.parametrize(
    ("lasted_s", "delay_s"), [(0.0, 3.2), (STABLE_S - 0.01, 3.2), (STABLE_S, 0.2)]
)
def test_a_welcome_starts_the_tries_afresh(lasted_s: float, delay_s: float) -> None:
    """The failures before it count no more; its delays go on where it was short."""
    tries, _ = course()
    fail(tries, 4)
    fail(tries, 1, welcomed=True, lasted_s=lasted_s)
    assert tries.next_try() == Progress("connect", 1, 5, delay_s, BROKEN)


def test_a_server_that_welcomes_and_breaks_is_not_hammered() -> None:
    """The delays double up to the cap, without end, until a connection has lasted."""
    tries, _ = course()
    delays_s = fail(tries, 11, welcomed=True)
    assert delays_s == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10]
    assert fail(tries, 2, welcomed=True, lasted_s=6.0) == [10, 0.2]


def test_being_called_back_needs_no_delay() -> None:
    """The server has spread the clients already."""
    tries, _ = course()
    fail(tries, 1, welcomed=True)
    tries.called_back()
    assert fail(tries, 2) == [0, 0.2]


@pytest.mark.parametrize("number", range(1, 12))
def test_jitter_is_full(number: int) -> None:
    """Draws fill the range from 0 to the limit, and never leave it."""
    backoff, rng = Backoff(), random.Random(number)
    limit = min(10.0, 0.2 * 2 ** (number - 1))
    draws = [backoff.delay_s(number, rng) for _ in range(500)]
    assert 0 <= min(draws) < limit * 0.05
    assert limit * 0.95 < max(draws) <= limit

"""When the queue waits, how long, and what it says of itself."""

import pytest

from quizd.store.write_behind.pace import (
    CALM,
    MEASURE_BYTES,
    WINDOW,
    WINDOW_MIN,
    Pace,
    Pacing,
    State,
    Switch,
)

PACING = Pacing(
    linger_s=0.1,
    unit_bytes=1000,
    slow_s=0.5,
    buffer_linger_s=2,
    buffer_unit_factor=4,
    retry_first_s=0.1,
    retry_max_s=5,
)


def pace(switch: Switch = Switch.AUTO, jitter: float = 1.0) -> Pace:
    """Return a measure whose chance is *jitter*."""
    made = Pace(PACING, lambda: jitter)
    made.switch = switch
    return made


def test_a_quick_database_is_ok() -> None:
    """However many writes there are."""
    made = pace()
    for _ in range(2 * WINDOW):
        made.wrote(0.2, 1000)
    assert made.state is State.OK
    assert made.write_p95_s == 0.2
    assert (made.linger_s, made.unit_bytes) == (0.1, 1000)


def test_one_slow_write_is_no_slow_database() -> None:
    """One in twenty may be."""
    made = pace()
    for number in range(5 * WINDOW):
        made.wrote(9 if number % WINDOW == WINDOW - 1 else 0.01, 1000)
        assert made.state is State.OK


def test_a_slow_database_is_spared() -> None:
    """Fewer, larger units; soon after it has become slow."""
    made = pace()
    for _ in range(WINDOW_MIN):
        assert not made.buffering
        made.wrote(0.6, 1000)
    assert made.state is State.BUFFERING
    assert (made.linger_s, made.unit_bytes) == (2, 4000)


def test_buffering_ends_after_a_row_of_quick_writes() -> None:
    """A slow one among them starts the row again."""
    made = pace()
    for _ in range(WINDOW_MIN):
        made.wrote(0.6, 1000)
    for seconds in [*[0.1] * (CALM - 1), 0.3, *[0.1] * (CALM - 1)]:
        made.wrote(seconds, 1000)
        assert made.buffering
    made.wrote(0.1, 1000)
    assert made.state is State.OK


def test_a_large_unit_is_measured_by_its_size() -> None:
    """Or buffering, whose units are larger, would never end."""
    made = pace()
    for _ in range(WINDOW_MIN):
        made.wrote(0.6, 1000)
    for _ in range(CALM):
        made.wrote(0.8, 4 * MEASURE_BYTES)
    assert not made.buffering


def test_buffering_ends_when_nothing_waits_and_the_last_write_was_quick() -> None:
    """An idle server does not keep its reports away."""
    made = pace()
    made.failed("late", timed_out=True)
    made.caught_up()
    assert made.buffering
    made.wrote(0.6, 1000)
    made.caught_up()
    assert made.buffering
    made.wrote(0.1, 1000)
    made.caught_up()
    assert not made.buffering


def test_a_timeout_is_slow() -> None:
    """At once; another failure is none of slowness."""
    made = pace()
    made.failed("gone")
    assert not made.buffering
    made.failed("late", timed_out=True)
    assert made.buffering


def test_failures_make_pauses_that_grow_to_a_bound() -> None:
    """By the greatest chance; the least is half of it. One success starts anew."""
    made = pace()
    pauses = [made.failed("gone") for _ in range(60)]
    assert pauses[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert set(pauses[6:]) == {5}
    assert (made.state, made.error) == (State.DEGRADED, "gone")
    made.wrote(0.1, 1000)
    assert (made.state, made.error, made.failures) == (State.OK, "", 0)
    assert pace(jitter=0).failed("gone") == 0.05


@pytest.mark.parametrize(
    ("switch", "state"), [(Switch.ON, State.BUFFERING), (Switch.OFF, State.OK)]
)
def test_an_operator_can_hold_it(switch: Switch, state: State) -> None:
    """Whatever is measured."""
    made = pace(switch)
    for seconds in (0.6, 0.01):
        for _ in range(2 * WINDOW):
            made.wrote(seconds, 1000)
            assert made.state is state

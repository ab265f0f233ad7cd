"""When the event loop steps aside for the journal's threads, and when not."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import cast

import pytest

from quizd.journal import courtesy
from quizd.journal.courtesy import LATE_SECONDS, Courtesy

PATIENCE_SECONDS = 30.0


class Loop:
    """Keeps the timers that were set, and fires them on request."""

    def __init__(self) -> None:
        self.timers: list[Callable[[], None]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> object:
        """Remember *callback*."""
        assert seconds == LATE_SECONDS
        self.timers.append(callback)
        return object()

    def fire(self) -> None:
        """Call the only timer there is."""
        (callback,) = self.timers
        self.timers.clear()
        callback()


@pytest.fixture
def loop() -> Loop:
    """Return a loop without a timer."""
    return Loop()


@pytest.fixture
def courteous(loop: Loop) -> Courtesy:
    """Return what steps aside on that loop."""
    return Courtesy(cast("asyncio.AbstractEventLoop", loop))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a step aside last so long that it cannot be missed."""
    monkeypatch.setattr(courtesy, "ASIDE_SECONDS", PATIENCE_SECONDS)


def test_looks_only_while_something_is_owed(loop: Loop, courteous: Courtesy) -> None:
    """One timer serves all that is owed, and none is set when nothing is."""
    assert not loop.timers
    courteous.enter()
    courteous.enter()
    courteous.leave(2)
    loop.fire()
    assert not loop.timers
    courteous.enter()
    assert len(loop.timers) == 1


@pytest.mark.usefixtures("patient")
def test_does_not_wait_while_things_come(loop: Loop, courteous: Courtesy) -> None:
    """A journal that delivers in time costs the loop nothing."""
    courteous.enter()
    courteous.enter()
    courteous.leave()
    started = time.monotonic()
    loop.fire()
    assert time.monotonic() - started < PATIENCE_SECONDS / 2
    assert len(loop.timers) == 1


@pytest.mark.usefixtures("patient")
def test_waits_for_a_late_thread_until_it_comes(
    loop: Loop, courteous: Courtesy
) -> None:
    """The step aside ends when the thread has delivered, however long it may last."""
    courteous.enter()
    stepped_aside = threading.Thread(target=loop.fire)
    stepped_aside.start()
    stepped_aside.join(0.05)
    assert stepped_aside.is_alive()
    while stepped_aside.is_alive():
        courteous.come()
        stepped_aside.join(0.01)
    assert len(loop.timers) == 1


def test_gives_up_on_a_thread_that_does_not_come(
    loop: Loop, courteous: Courtesy
) -> None:
    """A slow disk does not stop the loop; it looks again later, every time."""
    courteous.enter()
    courteous.come()  # an earlier delivery is no reason not to wait
    for _ in range(3):
        loop.fire()
        assert len(loop.timers) == 1

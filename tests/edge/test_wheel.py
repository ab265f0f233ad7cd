"""The timing wheel: who is pinged when, and who is given up."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from quizd._fast.wire import Wire
from quizd.edge.wheel import Wheel


@dataclass
class FakeWire:
    """What the wheel sees of a wire; *wheel* tells the tick of what is done to it."""

    clock: "Clock"
    heard: bool = False
    pinged: bool = False
    closed: bool = False
    pings: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def ping(self) -> None:
        """Note the tick."""
        self.pinged = True
        self.pings.append(self.clock.ticks)

    def abort(self) -> None:
        """Note the tick."""
        self.closed = True
        self.ended.append(self.clock.ticks)


class Clock:
    """A wheel that is turned by hand."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self.wheel = Wheel(interval_s, timeout_s)
        self.ticks = 0

    def wire(self) -> FakeWire:
        """Return a wire that is looked after."""
        wire = FakeWire(self)
        self.wheel.add(cast("Wire", wire))
        return wire

    def turn(self, ticks: int) -> None:
        """Let *ticks* seconds pass."""
        for _ in range(ticks):
            self.ticks += 1
            self.wheel.tick()


def test_silent_wire_is_pinged_after_the_interval() -> None:
    """Not before it, and once."""
    clock = Clock(25, 20)
    wire = clock.wire()
    clock.turn(24)
    assert wire.pings == []
    clock.turn(19)
    assert wire.pings == [25]


def test_unanswered_ping_is_the_end() -> None:
    """The wire is dropped when the time for a pong is over, counted, and forgotten."""
    clock = Clock(25, 20)
    wire = clock.wire()
    clock.turn(44)
    assert not wire.ended
    clock.turn(200)
    assert wire.ended == [45]
    assert clock.wheel.dropped == 1


def test_anything_heard_answers_a_ping() -> None:
    """A pong, or any other frame, and the next interval begins."""
    clock = Clock(10, 5)
    wire = clock.wire()
    for ping in (10, 25, 40):
        clock.turn(ping - clock.ticks)
        assert wire.pings[-1] == ping
        wire.heard = True
        clock.turn(5)
    assert not wire.ended


def test_busy_wire_is_never_pinged() -> None:
    """Who was heard since the last look costs nothing but that look."""
    clock = Clock(10, 5)
    wire = clock.wire()
    for _ in range(100):
        wire.heard = True
        clock.turn(1)
    assert wire.pings == []


def test_closed_wire_is_forgotten() -> None:
    """Nothing is done to it, and nothing keeps it."""
    clock = Clock(10, 5)
    wire = clock.wire()
    wire.closed = True
    clock.turn(100)
    assert (wire.pings, wire.ended, clock.wheel.dropped) == ([], [], 0)


@pytest.mark.parametrize(
    ("interval_s", "timeout_s"), [(1, 1), (3, 7), (7, 3), (0.2, 9)]
)
def test_every_wire_has_its_own_times(interval_s: float, timeout_s: float) -> None:
    """Whenever it came, it is pinged and dropped that much later; 1 s at least."""
    clock = Clock(interval_s, timeout_s)
    wires = []
    for _ in range(40):
        wires.append((clock.ticks, clock.wire()))
        clock.turn(1)
    clock.turn(40)
    for came, wire in wires:
        ping = came + max(round(interval_s), 1)
        assert wire.pings == [ping]
        assert wire.ended == [ping + max(round(timeout_s), 1)]
    assert clock.wheel.dropped == len(wires)

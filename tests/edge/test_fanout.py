"""Fan-out jobs: their order, their slices, what is replaced, what is given up."""

import asyncio
from typing import Any

import orjson
import pytest

from quizd._fast.wire import Wire, frame
from quizd.edge import fanout
from quizd.edge.fanout import JOBS_MAX, WIRES_A_STEP, FanOut, Job
from tests.support.wires import Line, policy

MANY = 3 * WIRES_A_STEP - 5


class Crowd:
    """Wires, and what has arrived at each."""

    def __init__(self, size: int) -> None:
        self.wires = [Wire(policy(), None, index) for index in range(size)]
        self.lines = [Line() for _ in range(size)]
        for wire, line in zip(self.wires, self.lines, strict=True):
            line.connect(wire)

    def arrived(self) -> list[list[Any]]:
        """Return what came to each wire since the last call."""
        return [
            [orjson.loads(frame.payload) for frame in line.frames()]
            for line in self.lines
        ]


class Overflow:
    """Counts how often a queue was given up."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        """Count."""
        self.times += 1


def framed(number: int) -> bytes:
    """Return a frame that says *number*."""
    return frame(orjson.dumps(number))


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every step a slice of its own."""
    monkeypatch.setattr(fanout, "SLICE_S", 0.0)


async def turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_small_job_is_done_before_put_returns() -> None:
    """An idle fan-out waits for nothing."""
    crowd = Crowd(3)
    took_s: list[float] = []
    FanOut(Overflow()).put(Job(lambda: crowd.wires, framed(1), done=took_s.append))
    assert crowd.arrived() == [[1]] * 3
    assert len(took_s) == 1


@pytest.mark.usefixtures("sliced")
async def test_big_job_leaves_room_between_slices() -> None:
    """A slice goes out at once, the others turn by turn; in_flight counts the rest."""
    crowd = Crowd(MANY)
    out = FanOut(Overflow())
    out.put(Job(lambda: crowd.wires, framed(1)))
    in_flight = [out.in_flight]
    while out.in_flight:
        await turns(1)
        in_flight.append(out.in_flight)
    assert in_flight == [MANY - WIRES_A_STEP, MANY - 2 * WIRES_A_STEP, 0]
    assert crowd.arrived() == [[1]] * MANY


@pytest.mark.usefixtures("sliced")
async def test_jobs_keep_their_order_for_everybody() -> None:
    """However slices fall, each wire gets the numbers in the order of the jobs."""
    crowd = Crowd(MANY)
    out = FanOut(Overflow())
    for seq in range(1, 6):
        out.put(Job(lambda: crowd.wires, framed(seq), seq=seq))
        await turns(1)
    await turns(20)
    assert crowd.arrived() == [[1, 2, 3, 4, 5]] * MANY
    assert {wire.seq for wire in crowd.wires} == {5}


@pytest.mark.usefixtures("sliced")
async def test_who_has_a_broadcast_in_the_picture_does_not_get_it_again() -> None:
    """A wire whose seq says so is passed over, and only for those numbers."""
    crowd = Crowd(MANY)
    crowd.wires[7].seq = 2
    out = FanOut(Overflow())
    for seq in (1, 2, 3):
        out.put(Job(lambda: crowd.wires, framed(seq), seq=seq))
    await turns(20)
    arrived = crowd.arrived()
    assert arrived.pop(7) == [3]
    assert arrived == [[1, 2, 3]] * (MANY - 1)


@pytest.mark.usefixtures("sliced")
async def test_newest_of_a_latest_value_goes_out() -> None:
    """Of those that had not begun only the newest is sent; the one under way ends."""
    crowd = Crowd(MANY)
    out = FanOut(Overflow())
    for value in (10, 11, 12, 13):
        out.put(Job(lambda: crowd.wires, framed(value), key=1))
        out.put(Job(lambda: crowd.wires, framed(100 + value), key=2))
    await turns(20)
    assert crowd.arrived() == [[10, 13, 113]] * MANY


@pytest.mark.usefixtures("sliced")
async def test_job_takes_its_wires_when_its_turn_comes() -> None:
    """Who came meanwhile gets it, who went does not keep it up."""
    crowd = Crowd(MANY)
    present = crowd.wires[1:]
    out = FanOut(Overflow())
    out.put(Job(lambda: present, framed(1)))
    out.put(Job(lambda: present, framed(2)))
    present = [*crowd.wires[:-1]]
    await turns(20)
    arrived = crowd.arrived()
    assert (arrived[0], arrived[-1]) == ([2], [1])
    assert arrived[1:-1] == [[1, 2]] * (MANY - 2)


async def test_nobody_is_always_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place where a job begins moves on from job to job."""
    order: list[list[int]] = []

    def note(wires: list[Wire], start: int, stop: int, *_: object) -> None:
        order.append([wire.participant for wire in wires[start:stop]])

    monkeypatch.setattr(fanout, "send_shared", note)
    crowd = Crowd(10)
    out = FanOut(Overflow())
    for seq in range(1, 101):
        out.put(Job(lambda: crowd.wires, framed(seq), seq=seq))
    lasts = [wires[-1] for wires in order]
    assert all(sorted(wires) == list(range(10)) for wires in order)
    assert all(5 <= lasts.count(index) <= 15 for index in range(10))


@pytest.mark.usefixtures("sliced")
async def test_queue_over_its_bound_is_given_up_once() -> None:
    """What waits is thrown away; the next job starts afresh, with all of its wires."""
    crowd = Crowd(MANY)
    overflow = Overflow()
    out = FanOut(overflow)
    for seq in range(1, JOBS_MAX + 1):
        out.put(Job(lambda: crowd.wires, framed(seq), seq=seq))
    assert overflow.times == 0
    out.put(Job(lambda: crowd.wires, framed(0)))
    assert overflow.times == 1
    crowd.arrived()
    after = Crowd(MANY)
    out.put(Job(lambda: after.wires, framed(7), seq=1))
    await turns(20)
    assert after.arrived() == [[7]] * MANY
    assert crowd.arrived() == [[]] * MANY
    assert overflow.times == 1


async def test_job_for_nobody_is_done() -> None:
    """An empty session's broadcast neither fails nor stays."""
    took_s: list[float] = []
    out = FanOut(Overflow())
    out.put(Job(list, framed(1), done=took_s.append))
    assert (len(took_s), out.in_flight) == (1, 0)

"""The floors do what is measured, and nothing is left out of the measure."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from bench.floors.child import Child, Unavailable
from bench.floors.control import frame
from bench.floors.processes import cpu_s, rss_bytes

SIZE_BYTES = 200
LISTENERS = 5
MEMBERS = 500


@pytest.fixture(params=["send_loop", "picows_echo"])
def floor(request: pytest.FixtureRequest) -> Iterator[Child]:
    """Run a floor that takes connections."""
    with Child.module(f"bench.floors.{request.param}") as child:
        yield child


def listeners(floor: Child, stack: ExitStack) -> list[ClientConnection]:
    """Connect, and wait until the floor counts everybody."""
    url = f"ws://127.0.0.1:{floor.port}/"
    lines = [
        stack.enter_context(connect(url, compression=None)) for _ in range(LISTENERS)
    ]
    assert floor.ask("stat")["connections"] == LISTENERS
    return lines


def test_a_broadcast_reaches_everybody(floor: Child) -> None:
    """As often as told, in the size told, and the answer accounts for each delivery."""
    with ExitStack() as stack:
        lines = listeners(floor, stack)
        answer = floor.ask("broadcast", {"bytes": SIZE_BYTES, "times": 3})
        for line in lines:
            texts = [line.recv(10) for _ in range(3)]
            assert [len(text) for text in texts] == [SIZE_BYTES] * 3
            assert [orjson.loads(text)["seq"] for text in texts] == [1, 2, 3]
    assert answer["deliveries"] == 3 * LISTENERS
    assert answer["cpu_us"] == pytest.approx(
        sum(one["cpu_us"] for one in answer["rounds"])
    )
    assert (
        0
        < answer["cpu_us_per_delivery"] * answer["deliveries"]
        == pytest.approx(answer["cpu_us"])
    )


def test_who_has_gone_is_sent_nothing(floor: Child) -> None:
    """A connection that was closed is no delivery."""
    with ExitStack() as stack:
        lines = listeners(floor, stack)
        lines[2].close()
        while floor.ask("stat")["connections"] == LISTENERS:
            pass
        answer = floor.ask("broadcast", {"bytes": SIZE_BYTES})
        assert answer["deliveries"] == LISTENERS - 1
        for line in (*lines[:2], *lines[3:]):
            assert len(line.recv(10)) == SIZE_BYTES


def test_the_process_tells_what_it_uses(floor: Child) -> None:
    """Its own figures are those of the system."""
    before_s = cpu_s([floor.pid])
    told_us = floor.ask("cpu")["cpu_us"]
    assert before_s * 1e6 <= told_us <= cpu_s([floor.pid]) * 1e6
    stat = floor.ask("stat")
    assert stat["rss_bytes"] == pytest.approx(rss_bytes([floor.pid]), rel=0.1)


def test_personal_frames_are_each_ones_own() -> None:
    """The floor of personal messages sends as many different frames of one size."""
    with Child.module("bench.floors.send_loop") as floor, ExitStack() as stack:
        lines = listeners(floor, stack)
        answer = floor.ask("personal", {"bytes": SIZE_BYTES, "times": 2})
        first = [line.recv(10) for line in lines]
        second = [line.recv(10) for line in lines]
    assert answer["deliveries"] == 2 * LISTENERS
    assert {len(text) for text in (*first, *second)} == {SIZE_BYTES}
    assert len(set(first)) == len(set(second)) == LISTENERS


def test_a_full_socket_is_waited_for() -> None:
    """A frame larger than all buffers arrives whole, and the answer says it waited."""
    size = 20_000_000
    with (
        Child.module("bench.floors.send_loop") as floor,
        connect(
            f"ws://127.0.0.1:{floor.port}/", compression=None, max_size=2 * size
        ) as line,
    ):
        answer = floor.ask("broadcast", {"bytes": size})
        assert len(line.recv(10)) == size
    assert answer["waits"] > 0
    assert answer["lost"] == 0


def test_the_echo_sends_back_what_it_gets() -> None:
    """Texts come back as they are, in order."""
    with (
        Child.module("bench.floors.picows_echo") as floor,
        connect(f"ws://127.0.0.1:{floor.port}/", compression=None) as line,
    ):
        texts = [f"north {number} – süd" for number in range(100)]
        for text in texts:
            line.send(text)
        assert [line.recv(10) for _ in texts] == texts


def test_redis_is_measured_on_a_board_of_its_own() -> None:
    """Rates of both ways are of the same board; the figures fit each other."""
    try:
        child = Child.module("bench.floors.redis_zset", "--members", str(MEMBERS))
    except Unavailable as reason:
        pytest.skip(str(reason))
    with child:
        pair = child.ask("pair", {"requests": 20_000})
        assert pair["members"] == MEMBERS
        both = (pair["updates_per_second"], pair["ranks_per_second"])
        assert 0 < pair["pairs_per_second"] < min(both)
        assert child.ask("pair", {"requests": 2000, "update": "ZADD"})["cpu_us"] > 0
        assert child.ask("redis_py", {"pairs": 500})["pairs_per_second"] > 0


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_have_the_shortest_header(size: int) -> None:
    """Lengths are written as RFC 6455 section 5.2 has them."""
    framed = frame(b"x" * size)
    header = framed[: len(framed) - size]
    assert len(header) == (2 if size < 126 else 4 if size < 65_536 else 10)
    told = header[1] if size < 126 else int.from_bytes(header[2:], "big")
    assert (header[0], told) == (0x81, size)


def test_pauses_lie_between_rounds_and_not_in_them() -> None:
    """Rounds begin at least a pause apart, and the pause is in no round's time."""
    with Child.module("bench.floors.send_loop") as floor:
        order = {"bytes": SIZE_BYTES, "times": 3, "pause_ms": 30}
        started_ns = time.monotonic_ns()
        answer = floor.ask("broadcast", order)
    starts_ns = [one["started_ns"] for one in answer["rounds"]]
    assert starts_ns[0] >= started_ns
    assert all(after - before >= 30e6 for before, after in pairwise(starts_ns))
    assert answer["wall_us"] < 30e3

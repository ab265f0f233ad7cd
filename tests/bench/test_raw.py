"""Broadcasts and echoes, of a server that nobody here wrote."""

import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from bench.load._core import Sockets, now_ns
from bench.load._raw import Echoes, Receivers
from bench.load.figures import Spread
from bench.load.raw import Lines, echo, listen
from bench.load.tickets import ACCEPT, Address, handshake

COUNT = 20
SLICE_S = 0.01
SLICES_MAX = 300
PAYLOAD = b'{"answer":"east"}'

Handler = Callable[[ServerConnection], None]


@contextmanager
def serving(handler: Handler) -> Iterator[Address]:
    """Serve each connection by *handler* in a thread of its own."""

    def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            handler(connection)

    server: Server = serve(handle, "127.0.0.1", 0, compression=None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Address("127.0.0.1", server.socket.getsockname()[1])
    finally:
        server.shutdown()
        thread.join()


def echoing(connection: ServerConnection) -> None:
    """Send back whatever comes."""
    for text in connection:
        connection.send(text)


def run_until(sockets: Sockets, enough: Callable[[dict[str, int]], bool]) -> None:
    """Serve the sockets until their counters are *enough*, or a few seconds."""
    for _ in range(SLICES_MAX):
        if enough(sockets.counters()):
            return
        sockets.run(SLICE_S)
    raise AssertionError(sockets.counters())


def test_echoes_come_back_once_each() -> None:
    """Every message sent is echoed, over all lines, and latencies are counted."""
    with serving(echoing) as address:
        heads = [handshake(address)] * COUNT
        echoes = Echoes(address.host, address.port, heads, accept=ACCEPT)
        echoes.connect()
        run_until(echoes, lambda counters: counters["opened"] == COUNT)
        echoes.send_at(1000, 200, PAYLOAD, poisson=True)
        run_until(echoes, lambda counters: counters["echoed"] == 200)
        echoes.close()
    assert echoes.counters()["unasked"] == 0
    assert echoes.latencies.total == echoes.lags.total == 200
    assert echoes.violations() == []
    assert echoes.close_codes() == {1000: COUNT}


def test_latency_counts_from_the_schedule() -> None:
    """A server that stalls is not waited for: what was due meanwhile is late.

    No message is echoed before all ten are due, one every 10 ms, so the first has
    waited for 90 ms at least, the second for 80, and so on.
    """
    stalled = threading.Event()

    def stalling(connection: ServerConnection) -> None:
        for text in connection:
            stalled.wait(SLICES_MAX * SLICE_S)
            connection.send(text)

    with serving(stalling) as address:
        heads = [handshake(address)]
        echoes = Echoes(address.host, address.port, heads, accept=ACCEPT)
        echoes.connect()
        run_until(echoes, lambda counters: counters["opened"] == 1)
        echoes.send_at(100, 10, PAYLOAD)
        run_until(echoes, lambda counters: counters["sent"] == 10)
        stalled.set()
        run_until(echoes, lambda counters: counters["echoed"] == 10)
        echoes.close()
    waited_ms = sorted((value / 1e6 for value, _ in echoes.latencies.pairs()))
    assert len(waited_ms) == 10
    for place, waited in enumerate(waited_ms):
        assert waited >= 10 * place * 0.999


def test_an_echo_of_something_else_is_none() -> None:
    """A message that was not sent is counted apart, and what was sent is lost."""

    def deaf(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send("what?")

    with serving(deaf) as address:
        lines = Lines(address, 1, processes=1, progress=False)
        result = echo(lines, PAYLOAD, per_second=100, seconds=0.05, grace_s=0.1)
    assert result.lost == 5
    assert result.echoes.count == 0


def test_receipts_tell_when_each_broadcast_came() -> None:
    """Each round has an instant per client; other messages and rounds don't count."""

    def twice(connection: ServerConnection) -> None:
        connection.send("hello")
        connection.send("news 1")
        connection.send("news 2")
        connection.send("news 3")
        connection.recv()

    with serving(twice) as address:
        heads = [handshake(address)] * COUNT
        receivers = Receivers(
            address.host, address.port, heads, accept=ACCEPT, marker=b"news"
        )
        receivers.expect_broadcast(2)
        before_ns = now_ns()
        receivers.connect()
        run_until(receivers, lambda counters: counters["extra"] == COUNT)
        after_ns = now_ns()
        receivers.close()
    first, second = (array("q", receivers.receipts(number)) for number in range(2))
    assert receivers.counters()["received"] == 2 * COUNT
    assert all(
        before_ns < one <= other < after_ns
        for one, other in zip(first, second, strict=True)
    )


def test_a_greeting_is_said_and_signs_of_life_are_answered() -> None:
    """Servers with a protocol of their own are spoken to in it."""
    heard: list[str | bytes] = []
    expected = threading.Event()

    def polite(connection: ServerConnection) -> None:
        heard.append(connection.recv())
        connection.send("2")
        heard.append(connection.recv())
        expected.wait(SLICES_MAX * SLICE_S)
        connection.send("news")
        connection.recv()

    with serving(polite) as address:
        lines = replace(
            Lines(address, 1, processes=1, progress=False),
            greeting=b"40",
            ping=b"2",
            pong=b"3",
        )
        with listen(lines) as listeners:
            listeners.expect(1)
            expected.set()
            listeners.wait()
            assert not listeners.violations()
    assert heard == ["40", "3"]


def test_broadcasts_spread_over_processes() -> None:
    """Two processes' receipts make one spread, from a reference or the first one."""
    joined: SimpleQueue[ServerConnection] = SimpleQueue()

    def joining(connection: ServerConnection) -> None:
        joined.put(connection)
        connection.recv()

    with serving(joining) as address:
        lines = Lines(address, COUNT, processes=2, progress=False)
        with listen(lines) as listeners:
            assert listeners.connects.latency.count == COUNT
            listeners.expect(1)
            # A line is open for its client before its server's thread has begun.
            connections = [joined.get(timeout=20) for _ in range(COUNT)]
            sent_ns = time.monotonic_ns()
            for connection in connections:
                connection.send("news")
            listeners.wait()
            spread = listeners.spread(0, sent_ns)
            since_first = listeners.spread(0)
    assert spread.received == since_first.received == COUNT
    assert 0 < spread.first_ms < spread.last_ms
    assert since_first.first_ms == 0 < since_first.last_ms < spread.last_ms
    assert spread.p50_ms <= spread.p99_ms <= spread.last_ms * 1.001


def test_a_refused_line_is_complained_of() -> None:
    """An HTTP refusal is told with its status, an ended line with its code."""

    def rude(connection: ServerConnection) -> None:
        connection.close(4008, "go")

    with serving(rude) as address:
        heads = [handshake(address), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
        receivers = Receivers(address.host, address.port, heads, accept=ACCEPT)
        receivers.connect()
        run_until(receivers, lambda counters: counters["lost"] == 2)
    texts = dict(receivers.violations())
    assert texts[0] == "the line ended with close code 4008"
    assert texts[1].startswith("refused: HTTP/1.1 4")
    assert receivers.counters()["refused"] == 1


def test_another_accept_key_is_complained_of() -> None:
    """A server that did not read our key speaks no WebSocket (RFC 6455 section 4.1)."""
    with serving(echoing) as address:
        heads = [handshake(address)]
        receivers = Receivers(address.host, address.port, heads, accept=b"another")
        receivers.connect()
        run_until(receivers, lambda counters: counters["lost"] == 1)
    assert receivers.violations() == [(0, "the accept key is another one")]


def test_nobody_reached_has_a_spread_too() -> None:
    """A broadcast that reached nobody has figures of 0."""
    spread = Spread.of([bytes(8 * COUNT)])
    assert (spread.received, spread.last_ms, spread.histogram.count) == (0, 0.0, 0)


@pytest.mark.parametrize("alert", [False, True])
def test_only_alert_receivers_stay_awake(alert: bool) -> None:
    """While a broadcast is awaited they use their core, and not before or after it."""
    told = threading.Event()

    def telling(connection: ServerConnection) -> None:
        told.wait(SLICES_MAX * SLICE_S)
        connection.send("now")
        for _ in connection:
            pass

    with serving(telling) as address:
        heads = [handshake(address)]
        receivers = Receivers(
            address.host, address.port, heads, accept=ACCEPT, alert=alert
        )
        receivers.connect()
        run_until(receivers, lambda counters: counters["opened"] == 1)
        idle = share_of_a_core(receivers)
        receivers.expect_broadcast(1)
        awaiting = share_of_a_core(receivers)
        told.set()
        run_until(receivers, lambda counters: counters["received"] == 1)
        after = share_of_a_core(receivers)
        receivers.close()
    assert max(idle, after) < 0.1
    assert (awaiting > 0.1) is alert


def share_of_a_core(sockets: Sockets) -> float:
    """Return the share of a core that serving takes, by this thread's clock."""
    before_s = time.thread_time()
    sockets.run(0.3)
    return (time.thread_time() - before_s) / 0.3

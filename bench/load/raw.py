"""Broadcasts and echoes: what is measured of servers that know no game.

For floors and peers. All of it blocks, as in :mod:`bench.load.driver`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.load.figures import EchoResult, Spread, Stage, histogram_of
from bench.load.fleet import Fleet, TooSlow, Violations, shares
from bench.load.orders import Part, Words
from bench.load.process import cpu_us
from bench.load.tickets import Address, handshake

IN_FLIGHT = 128


@dataclass(frozen=True, slots=True)
class Lines:
    """So many WebSockets to *address*, all by the same request.

    ``greeting`` is said by each client at once; ``pong`` is the answer to ``ping``, a
    text of the server's own protocol. ``alert``: receivers don't sleep while a message
    is awaited (:class:`bench.load._raw.Receivers` says why), which takes a core for
    each process. ``connects_per_s``: 0: as fast as it goes.
    """

    address: Address
    count: int
    path: str = "/"
    subprotocols: Sequence[str] = ()
    greeting: bytes = b""
    ping: bytes = b""
    pong: bytes = b""
    alert: bool = False
    processes: int = 2
    connects_per_s: float = 0.0
    seed: int = 0
    timeout_s: float = 60.0
    progress: bool = True

    def words(self, marker: bytes = b"") -> Words:
        """Return what the clients hear and say by themselves."""
        return Words(marker, self.greeting, self.ping, self.pong, self.alert)


@dataclass(slots=True)
class Listeners:
    """Connected receivers; ``connects`` is what it took."""

    fleet: Fleet
    lines: Lines
    connects: Stage
    rounds: int = field(default=0, init=False)

    def expect(self, rounds: int) -> None:
        """Forget what came, and expect so many broadcasts; to be called before them."""
        self.rounds = rounds
        self.fleet.call("expect", rounds)

    def wait(self, rounds: int | None = None) -> None:
        """Wait until everybody has *rounds* of them, ``None``: all.

        Raises :class:`TooSlow` where that takes too long.
        """
        total = self.lines.count * (self.rounds if rounds is None else rounds)
        self.fleet.wait(
            "received", total, lambda c: c["received"], self.lines.timeout_s
        )

    def spread(self, round_: int, reference_ns: int | None = None) -> Spread:
        """Return how broadcast *round_*, counted from 0, reached everybody.

        *reference_ns*: when it was sent, CLOCK_MONOTONIC; ``None``: the first receipt
        stands for it.
        """
        return Spread.of(self.fleet.call("receipts", round_), reference_ns)

    def violations(self) -> Violations:
        """Return what went wrong so far; messages beyond the expected are a part."""
        extra = self.fleet.counters()["extra"]
        found = self.fleet.violations()
        if extra and self.rounds:
            found += Violations(extra, (f"{extra} messages more than expected",))
        return found


@contextmanager
def listen(
    lines: Lines, marker: bytes = b"", watch: Sequence[int] = ()
) -> Iterator[Listeners]:
    """Connect receivers of broadcasts, and hold them.

    *marker*: what a message has to hold to count, empty: any does. *watch*: the
    server's processes, whose CPU time the connects are to tell.
    """
    with Fleet(lines.processes, progress=lines.progress) as fleet:
        _make(fleet, lines, "listen", lines.words(marker))
        yield Listeners(fleet, lines, connect(fleet, lines, watch))


def echo(  # noqa: PLR0913 - what is sent, and how
    lines: Lines,
    payload: bytes,
    *,
    per_second: float,
    seconds: float,
    poisson: bool = False,
    grace_s: float = 5.0,
    watch: Sequence[int] = (),
) -> EchoResult:
    """Send *payload* by an open-loop schedule over all lines; return what came back.

    *per_second*: of all lines together. *poisson*: independent of each other instead
    of evenly. *grace_s*: how long echoes are waited for after the last was sent.
    """
    with Fleet(lines.processes, progress=lines.progress) as fleet:
        _make(fleet, lines, "echo", lines.words())
        connect(fleet, lines, watch)
        before_us = sum(map(cpu_us, watch))
        rate = per_second / fleet.processes
        fleet.call("send", rate, round(rate * seconds), payload, poisson)
        with suppress(TooSlow):  # what is lost is in the result
            fleet.wait("echoed", 1, _all_echoed, seconds + grace_s)
        return _echoed(fleet, sum(map(cpu_us, watch)) - before_us)


def _all_echoed(counters: dict[str, int]) -> bool:
    return counters["echoed"] >= counters["to_send"]


def _echoed(fleet: Fleet, used_us: float) -> EchoResult:
    times = fleet.call("echo_times")
    counters = fleet.counters()
    latency = histogram_of([latencies for latencies, _ in times])
    return EchoResult(
        Stage(counters["echoed"], fleet.seconds(), latency, used_us),
        histogram_of([lags for _, lags in times]),
        counters["to_send"] - counters["echoed"],
        fleet.violations(),
    )


def _make(fleet: Fleet, lines: Lines, method: str, words: Words) -> None:
    head = handshake(lines.address, lines.path, lines.subprotocols)
    arguments: list[Sequence[Any]] = [
        (
            lines.address,
            [head] * len(part),
            words,
            Part(part.start, lines.seed),
        )
        for part in shares(lines.count, fleet.processes)
    ]
    fleet.call_each(method, arguments)


def connect(fleet: Fleet, lines: Lines, watch: Sequence[int] = ()) -> Stage:
    """Connect what *fleet* has made; return what it took.

    Raises :class:`TooSlow` where that takes too long or lines are refused.
    """
    before_us = sum(map(cpu_us, watch))
    fleet.call("connect", lines.connects_per_s / fleet.processes, IN_FLIGHT)
    fleet.wait("connected", lines.count, lambda c: c["opened"], lines.timeout_s)
    used_us = sum(map(cpu_us, watch)) - before_us
    times = histogram_of(fleet.call("connect_times"))
    return Stage(lines.count, fleet.seconds(), times, used_us)

"""The floor: loops in C side by side, each a process with its part of the sockets.

They share a port, as shards do, so that the sockets of each client process are spread
over all of them. Were there one client for each loop, a loop would wake nobody but its
own client, and mostly find it awake: the receivers would cost half of what they do.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bench import cores
from bench.floors.child import Child
from bench.load.figures import Spread
from bench.load.fleet import Fleet, Violations, shares
from bench.load.orders import Part, Words
from bench.load.raw import Lines, Listeners, connect
from bench.load.tickets import Address, handshake

MARKER = b'"bench"'
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Reach:
    """One message to everybody, from the command to the last receipt.

    ``cpu_us`` is what a delivery cost those who sent, all together.
    """

    spread: Spread
    cpu_us: float
    size_bytes: float

    @property
    def between_ms(self) -> float:
        """From the first receipt to the last, in milliseconds."""
        return self.spread.last_ms - self.spread.first_ms


class SendLoops:
    """So many *loops*, and as many client processes; use it with ``with``."""

    def __init__(self, players: int, loops: int, *, progress: bool) -> None:
        self._players = players
        self._fleet = Fleet(loops, progress=progress)
        self._children: list[Child] = []
        self._stack = ExitStack()
        self._listeners: Listeners

    def __enter__(self) -> Self:
        """Start them and connect everybody."""
        with ExitStack() as stack:
            stack.enter_context(self._fleet)
            cores.wait_their_turn(self._fleet.pids)
            for _ in range(self._fleet.processes):
                port = str(self._children[0].port if self._children else 0)
                child = Child.module("bench.floors.send_loop", "--port", port)
                self._children.append(stack.enter_context(child))
            self._listeners = self._connected()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them."""
        self._stack.close()

    def _connected(self) -> Listeners:
        address = Address("127.0.0.1", self._children[0].port)
        orders = [
            (
                address,
                [handshake(address)] * len(part),
                Words(marker=MARKER),
                Part(part.start),
            )
            for part in shares(self._players, self._fleet.processes)
        ]
        self._fleet.call_each("listen", orders)
        lines = Lines(
            address,
            self._players,
            processes=self._fleet.processes,
            timeout_s=TIMEOUT_S,
        )
        return Listeners(self._fleet, lines, connect(self._fleet, lines))

    def send(self, name: str, size_bytes: float) -> Reach:
        """Have all loops do ``broadcast`` or ``personal`` once, at the same time."""
        self._listeners.expect(1)
        with ThreadPoolExecutor(len(self._children)) as threads:
            asked = [
                threads.submit(child.ask, name, {"bytes": round(size_bytes)})
                for child in self._children
            ]
            answers: list[dict[str, Any]] = [each.result() for each in asked]
        self._listeners.wait()
        started_ns = min(answer["rounds"][0]["started_ns"] for answer in answers)
        cpu_us = sum(answer["cpu_us"] for answer in answers)
        spread = self._listeners.spread(0, started_ns)
        return Reach(spread, cpu_us / self._players, size_bytes)

    def violations(self) -> Violations:
        """Return what the receivers complain of."""
        return self._listeners.violations()

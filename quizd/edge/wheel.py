"""One timing wheel for all connections: pings, and giving up the dead.

A slot a second; each connection stands in one slot. When its turn comes, one that was
heard since is left alone until the next interval, a silent one is pinged, and one that
leaves a ping unanswered is dropped. So a connection costs one look per interval, and
no timer of its own.
"""

import asyncio
from collections import deque

from quizd._fast.wire import Wire

TICK_S = 1.0


class Wheel:
    """Looks after wires; times in seconds."""

    def __init__(self, ping_interval_s: float, pong_timeout_s: float) -> None:
        self._interval = max(round(ping_interval_s / TICK_S), 1)
        self._timeout = max(round(pong_timeout_s / TICK_S), 1)
        size = max(self._interval, self._timeout) + 1
        self._slots: list[deque[Wire]] = [deque() for _ in range(size)]
        self._now = 0
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def start(self) -> None:
        """Begin to turn, in the running loop."""
        self._task = asyncio.create_task(self._turn())

    def stop(self) -> None:
        """Stop turning."""
        if self._task is not None:
            self._task.cancel()

    def add(self, wire: Wire) -> None:
        """Look after *wire* until it is closed."""
        self._put(wire, self._interval)

    def _put(self, wire: Wire, ticks: int) -> None:
        self._slots[(self._now + ticks) % len(self._slots)].append(wire)

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Look at the wires whose turn it is."""
        self._now += 1
        slot = self._slots[self._now % len(self._slots)]
        for _ in range(len(slot)):
            self._look(slot.popleft())

    def _look(self, wire: Wire) -> None:
        if wire.closed:
            return
        if wire.heard:
            wire.heard = wire.pinged = False
            self._put(wire, self._interval)
        elif wire.pinged:
            self.dropped += 1
            wire.abort()
        else:
            wire.ping()
            self._put(wire, self._timeout)

"""Time: the only module that reads a clock.

All instants are integer milliseconds since the Unix epoch (UTC).
"""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

TURN_S = 0.001
"""How long work that can wait goes on before others have their turn."""


class Clock(Protocol):
    """Where the time comes from; tests bring their own."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch; it never goes backwards."""
        ...

    def not_before(self, at_ms: int) -> None:
        """Go on from *at_ms* where the clock is behind it."""
        ...


class SystemClock:
    """Wall time when it was made, plus monotonic time since then.

    A step of the wall clock (NTP, an operator) therefore moves no running question.
    """

    def __init__(self) -> None:
        self._offset_ms = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch; it never goes backwards."""
        return time.monotonic_ns() // 1_000_000 + self._offset_ms

    def not_before(self, at_ms: int) -> None:
        """Go on from *at_ms* where the clock is behind it: time was recorded there."""
        self._offset_ms += max(at_ms - self.now_ms(), 0)

    def offset_ms(self) -> int:
        """Return what is added to CLOCK_MONOTONIC, for readers of it in C."""
        return self._offset_ms


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the instant that was set, in milliseconds since the Unix epoch."""
        return self._now_ms

    def not_before(self, at_ms: int) -> None:
        """Go on from *at_ms* where the clock is behind it."""
        self._now_ms = max(self._now_ms, at_ms)

    def advance(self, ms: int) -> int:
        """Move *ms* forward and return the new instant."""
        self._now_ms += ms
        return self._now_ms


class Turns:
    """Has work that can wait share the event loop: a little of it, then the others.

    A fan-out goes out in slices of a millisecond; beside one, such work has half of the
    time at most. With turns of a quarter of that the loop goes round more often, and
    takes a tenth fewer answers a second.
    """

    __slots__ = ("_since_s",)

    def __init__(self) -> None:
        self._since_s = time.perf_counter()

    async def give(self) -> None:
        """Let others have their turn where this one has been long."""
        if time.perf_counter() - self._since_s > TURN_S:
            await asyncio.sleep(0)
            self._since_s = time.perf_counter()


def iso(at_ms: int) -> str:
    """Return *at_ms* as ISO 8601 UTC text, such as ``2026-01-31T09:30:00.000Z``."""
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(at_s: int) -> str:
    """Return the part that all instants of a second share: most are of this one."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}"

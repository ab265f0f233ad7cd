"""How long the queue waits, how much it takes at once, and what it says of itself.

Three states. *ok*: what is recorded is in the database within a fraction of a second.
*buffering*: the database is slow; the queue writes more seldom and in larger units,
which costs the database less per row, and reports ought to leave it alone. *degraded*:
the last attempt failed; the queue tries again, with growing, jittered pauses. In all
three play goes on and nothing is lost: what waits is in the journal.

Buffering begins when the 95th percentile of the latest writes is over a limit, or when
one of them timed out; it ends when a row of writes took less than half of the limit, or
one when nothing else waits. An operator may hold it on or off.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil


class State(StrEnum):
    """What the queue says of itself; see above."""

    OK = "ok"
    BUFFERING = "buffering"
    DEGRADED = "degraded"


class Switch(StrEnum):
    """Whether the buffering mode goes by what is measured, or is held."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Pacing:
    """Times in seconds, units in bytes of batches, 0: as the database likes them.

    ``linger_s`` is waited after the first new batch, so that others can join it. What
    a journal lacks of what is stored is lost for certain after ``certain_s``: an owner
    that lives gives it back before.
    """

    linger_s: float = 0.1
    unit_bytes: int = 0
    slow_s: float = 0.5
    buffer_linger_s: float = 2.0
    buffer_unit_factor: int = 4
    retry_first_s: float = 0.1
    retry_max_s: float = 5.0
    certain_s: float = 10.0
    switch: Switch = Switch.AUTO


MEASURE_BYTES = 1024 * 1024
"""What is to be written in less than ``slow_s``; what is less may take as long."""

WINDOW = 20
"""Writes that the percentile is taken over."""

WINDOW_MIN = 5
DOUBLINGS_MAX = 20
CALM = 10
"""Writes in a row that are quick enough to end the buffering."""


class Pace:
    """Keeps the measure; *jitter* returns a number from 0 to 1."""

    def __init__(
        self,
        pacing: Pacing,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._pacing = pacing
        self._jitter = jitter
        self._seconds: deque[float] = deque(maxlen=WINDOW)
        self._calm = 0
        self._slow = False
        self.switch = pacing.switch
        self.failures = 0
        self.error = ""

    @property
    def buffering(self) -> bool:
        """Whether the database is to be spared."""
        if self.switch is Switch.AUTO:
            return self._slow
        return self.switch is Switch.ON

    @property
    def state(self) -> State:
        """What to tell others."""
        if self.failures:
            return State.DEGRADED
        return State.BUFFERING if self.buffering else State.OK

    @property
    def write_p95_s(self) -> float:
        """The 95th percentile of the latest writes, 0 where there were none."""
        if not self._seconds:
            return 0.0
        return sorted(self._seconds)[ceil(0.95 * len(self._seconds)) - 1]

    @property
    def linger_s(self) -> float:
        """How long to let batches gather before a unit is written."""
        pacing = self._pacing
        return pacing.buffer_linger_s if self.buffering else pacing.linger_s

    @property
    def unit_bytes(self) -> int:
        """How much to write at once."""
        factor = self._pacing.buffer_unit_factor if self.buffering else 1
        return self._pacing.unit_bytes * factor

    def wrote(self, seconds: float, size_bytes: int) -> None:
        """Take note of a write; for a large unit the time of its measure counts."""
        seconds /= max(size_bytes / MEASURE_BYTES, 1)
        self.failures, self.error = 0, ""
        self._seconds.append(seconds)
        self._calm = self._calm + 1 if seconds < self._pacing.slow_s / 2 else 0
        enough = len(self._seconds) >= WINDOW_MIN
        if not self._slow and enough and self.write_p95_s > self._pacing.slow_s:
            self._slow, self._calm = True, 0
        elif self._slow and self._calm >= CALM:
            self._calm_down()

    def caught_up(self) -> None:
        """Take note that nothing waits any more."""
        if self._slow and self._calm and not self.failures:
            self._calm_down()

    def _calm_down(self) -> None:
        self._seconds.clear()
        self._slow = False

    def failed(self, error: str, *, timed_out: bool = False) -> float:
        """Take note of a failure; return the seconds to wait before trying again."""
        self.failures += 1
        self.error = error
        if timed_out:
            self._slow, self._calm = True, 0
        pacing = self._pacing
        doubled = 2.0 ** min(self.failures - 1, DOUBLINGS_MAX)
        most_s = min(pacing.retry_first_s * doubled, pacing.retry_max_s)
        pause_s: float = most_s * (0.5 + 0.5 * self._jitter())
        return pause_s

"""Fan-out in slices: many sockets are written, and answers are served in between.

Jobs of one session go out one after the other, so that everybody sees its broadcasts
in order. A job takes its list of wires when its turn comes; a connection that came
later has the broadcast in its picture, and its ``seq`` says so. The starting place
moves on from job to job, so that nobody is always last. A latest-value job replaces an
elder that has not begun. A queue over its bound is given up as a whole: all
connections are closed with 1013 and get the picture when they are back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from quizd._fast.fanout import Personal, send_shared
from quizd._fast.wire import Wire

SLICE_S = 0.001
WIRES_A_STEP = 32
JOBS_MAX = 256
GOLDEN = 0.6180339887498949


@dataclass(slots=True)
class Job:
    """A frame, or a personal message, on its way to the wires that *to* gives.

    *done* is told how long it took, in seconds.
    """

    to: Callable[[], Sequence[Wire]]
    what: bytes | Personal
    seq: int = 0
    key: int = 0
    done: Callable[[float], None] | None = None


class FanOut:
    """The jobs of one session."""

    def __init__(self, overflow: Callable[[], None]) -> None:
        self._jobs: deque[Job] = deque()
        self._overflow = overflow
        self._loop = asyncio.get_running_loop()
        self._wires: list[Wire] | None = None
        self._at = 0
        self._started_s = 0.0
        self._place = 0.0
        self._scheduled = False

    @property
    def in_flight(self) -> int:
        """How many deliveries of the job under way are still to be made."""
        return len(self._wires) - self._at if self._wires is not None else 0

    def clear(self) -> None:
        """Drop all jobs, the one under way as well."""
        self._jobs.clear()
        self._wires = None

    def put(self, job: Job) -> None:
        """Send *job* after those before it."""
        if job.key:
            self._drop_elder(job.key)
        if len(self._jobs) >= JOBS_MAX:
            self.clear()
            self._overflow()
            return
        self._jobs.append(job)
        if not self._scheduled:
            self._run()

    def _drop_elder(self, key: int) -> None:
        first = 1 if self._wires is not None else 0
        for place in range(first, len(self._jobs)):
            if self._jobs[place].key == key:
                del self._jobs[place]
                return

    def _run(self) -> None:
        """Send until there is nothing left, or for one slice."""
        self._scheduled = False
        until_s = perf_counter() + SLICE_S
        while self._jobs:
            if self._step(self._jobs[0]):
                self._finish(self._jobs.popleft())
            if perf_counter() >= until_s and self._jobs:
                self._scheduled = True
                self._loop.call_soon(self._run)
                return

    def _step(self, job: Job) -> bool:
        """Write to the next few wires; tell whether those were the last."""
        if self._wires is None:
            self._wires = self._rotated(job.to())
            self._at, self._started_s = 0, perf_counter()
        stop = self._at + WIRES_A_STEP
        if isinstance(job.what, bytes):
            send_shared(self._wires, self._at, stop, job.what, job.seq, job.key)
        else:
            job.what.send(self._wires, self._at, stop, job.seq, job.key)
        self._at = stop
        return stop >= len(self._wires)

    def _finish(self, job: Job) -> None:
        self._wires = None
        if job.done is not None:
            job.done(perf_counter() - self._started_s)

    def _rotated(self, wires: Sequence[Wire]) -> list[Wire]:
        self._place = (self._place + GOLDEN) % 1.0
        first = int(self._place * len(wires))
        return [*wires[first:], *wires[:first]]

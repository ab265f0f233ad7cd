"""How the journal's threads get the interpreter beside a loop that never rests.

CPython's interpreter lock is not fair. A thread that wants it asks the holder to
let go only after a whole *switch interval* in which nobody has let go by himself. An
event loop under full load lets go in every turn, around its poll for events, and
has the lock back within a microsecond, long before the other thread has woken up. So
a loop whose turns are shorter than the interval starves every other thread: with
turns of 0.4 ms and an interval of 0.5 ms, single appends took up to three seconds,
and a shorter interval only moves the trouble to shorter turns.

Therefore the loop itself steps aside. When the journal has owed it something for a
millisecond and nothing has come, the loop sleeps until something does, or for long
enough that another thread wakes up, takes the lock, and commits on a quick disk. A
loop that rests now and then loses nothing by that; one that never does loses up to
a quarter of its time, and only while commits are late.
"""

import asyncio
import threading

LATE_SECONDS = 0.001
ASIDE_SECONDS = 0.0003


class Courtesy:
    """Steps aside for threads that owe something; belongs to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._owed = 0
        self._progress = 0
        self._progress_seen = 0
        self._timer: asyncio.TimerHandle | None = None
        # Taken while nothing has come since the loop began to sleep.
        self._came = threading.Lock()

    def enter(self) -> None:
        """Note that a thread has been asked for something."""
        self._owed += 1
        if self._timer is None:
            self._look_later()

    def leave(self, owed: int = 1) -> None:
        """Note that *owed* things have been delivered."""
        self._owed -= owed
        self._progress += 1

    def come(self) -> None:
        """Wake the loop; for the thread that delivers, which alone may call it."""
        if self._came.locked():
            self._came.release()

    def _look_later(self) -> None:
        self._progress_seen = self._progress
        self._timer = self._loop.call_later(LATE_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._owed == 0:
            return
        if self._progress == self._progress_seen:
            self._came.acquire(blocking=False)
            self._came.acquire(timeout=ASIDE_SECONDS)
        self._look_later()

"""Latest values: the first change goes out at once, further ones are merged.

What goes to many takes time of its own, which answers need more. So after each message
there is a rest of a few times what it took; in a large session that, and not the rate
that is allowed, says how often a value goes out.
"""

import asyncio
from collections.abc import Callable

REST_FACTOR = 4
"""A fifth of the time, at most, is for one latest value of a session."""


class Merged:
    """Calls *send* soon after :meth:`touch`, at most *per_second* times a second."""

    def __init__(self, send: Callable[[], None], per_second: float) -> None:
        self._send = send
        self._interval_s = 1 / per_second
        self._loop = asyncio.get_running_loop()
        self._next_s = self._before_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def touch(self) -> None:
        """Note that the value has changed."""
        if self._timer is None:
            delay_s = max(self._next_s - self._loop.time(), 0)
            self._timer = self._loop.call_later(delay_s, self._fire)

    def took(self, seconds: float) -> None:
        """Note how long the last message took to go out."""
        rest_s = self._loop.time() + REST_FACTOR * seconds
        self._next_s = max(self._next_s, rest_s)

    def skipped(self) -> None:
        """Note that there was nothing to send after all; it took no turn."""
        self._next_s = self._before_s

    def stop(self) -> None:
        """Forget a change that has not gone out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._before_s = self._next_s
        self._next_s = self._loop.time() + self._interval_s
        self._send()

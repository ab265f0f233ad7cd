"""The clocks of owners elsewhere, as far as their messages tell."""

import asyncio

from quizd.clock import Clock

SILENCE_S = 1.0
"""Four pulses: then the journal is asked who owns the sessions."""

WINDOW_S = 5.0
"""What was heard counts for so long, and at most twice as long.

Meanwhile the clocks of two machines go apart by far less than a message takes; and one
that stood still, or was set forward, is believed again after that.
"""


class OwnerTime:
    """Session time at an owner that is heard every pulse; *clock* is this shard's own.

    Kept is by how much the owner's clock is ahead of the event loop's, which nobody
    sets.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ahead_ms: float | None = None
        self._ahead_before_ms: float | None = None
        self._window_s = 0.0
        self._heard_s = self._loop.time()

    def now_ms(self) -> int:
        """Return the owner's time; this shard's own before the owner is heard."""
        if self._ahead_ms is None:
            return self._clock.now_ms()
        ahead_ms = self._ahead_ms
        if self._ahead_before_ms is not None:
            ahead_ms = max(ahead_ms, self._ahead_before_ms)
        return round(self._loop.time() * 1000 + ahead_ms)

    def hear(self, sent_ms: int) -> None:
        """Note by how much the owner's clock is ahead, at least.

        The way here only makes it look less ahead, so the largest of late is the best.
        """
        now_s = self._heard_s = self._loop.time()
        ahead_ms = sent_ms - now_s * 1000
        if self._ahead_ms is None or now_s - self._window_s >= WINDOW_S:
            is_next = now_s - self._window_s < 2 * WINDOW_S
            self._ahead_before_ms = self._ahead_ms if is_next else None
            self._ahead_ms, self._window_s = ahead_ms, now_s
        else:
            self._ahead_ms = max(self._ahead_ms, ahead_ms)

    def has_fallen_silent(self, now_s: float) -> bool:
        """Tell whether it is time to ask for the owner; then not again so soon."""
        if now_s - self._heard_s < SILENCE_S:
            return False
        self._heard_s = now_s
        return True


class OwnerTimes:
    """One clock per owner, whatever sessions it has; *clock* is this shard's own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._times: dict[str, OwnerTime] = {}

    def here_ms(self) -> int:
        """Return this shard's own time."""
        return self._clock.now_ms()

    def of(self, owner: str) -> OwnerTime:
        """Return the clock of *owner*, which may be yet to be heard."""
        time = self._times.get(owner)
        if time is None:
            time = self._times[owner] = OwnerTime(self._clock)
        return time

    def fallen_silent(self) -> list[str]:
        """Return the owners that have just fallen silent, or have gone on to be."""
        now_s = self._loop.time()
        return [o for o, time in self._times.items() if time.has_fallen_silent(now_s)]

    def forget(self, owner: str) -> None:
        """Drop what is known of the clock of *owner*, by which nobody goes."""
        self._times.pop(owner, None)

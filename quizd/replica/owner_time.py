"""The clocks of owners elsewhere, as far as their messages tell."""

from collections.abc import Iterator

from quizd.clock import Clock

SILENCE_MS = 1_000
"""Four pulses: then the journal is asked who owns the sessions."""

DRIFT_PERIOD_MS = 10_000
"""Clocks of two machines go apart by less than 1 ms within this."""


class OwnerTime:
    """Session time at an owner that is heard every pulse."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_ms = clock.now_ms()
        self._ahead_ms = 0
        self._ahead_at_ms: int | None = None

    def now_ms(self) -> int:
        """Return the owner's time."""
        return self._clock.now_ms() + self._ahead_ms

    def hear(self, sent_ms: int) -> None:
        """Note by how much the owner's clock is ahead, at least.

        The way here only makes it look less ahead, so the largest is the best. It is
        let go slowly, as clocks drift.
        """
        now_ms = self._clock.now_ms()
        self._heard_ms = now_ms
        ahead_ms = sent_ms - now_ms
        if self._ahead_at_ms is not None:
            drift_ms = (now_ms - self._ahead_at_ms) // DRIFT_PERIOD_MS
            if ahead_ms < self._ahead_ms - drift_ms:
                return
        self._ahead_ms, self._ahead_at_ms = ahead_ms, now_ms

    def has_fallen_silent(self) -> bool:
        """Tell whether it is time to ask for the owner; then not again so soon."""
        now_ms = self._clock.now_ms()
        if now_ms - self._heard_ms < SILENCE_MS:
            return False
        self._heard_ms = now_ms
        return True


class OwnerTimes:
    """One clock per owner, whatever sessions it has; *clock* is this shard's own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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

    def fallen_silent(self) -> Iterator[str]:
        """Give the owners that have just fallen silent, or have been so again."""
        for owner, time in self._times.items():
            if time.has_fallen_silent():
                yield owner

    def forget(self, owner: str) -> None:
        """Drop what is known of an owner that is gone for good."""
        self._times.pop(owner, None)

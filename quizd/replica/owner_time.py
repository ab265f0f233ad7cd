"""The clock of an owner elsewhere, as far as its messages tell."""

from quizd.clock import Clock

SILENCE_MS = 1_000
"""Four pulses: then the journal is asked who the owner is."""

DRIFT_PERIOD_MS = 10_000
"""Clocks of two machines go apart by less than 1 ms within this."""


class OwnerTime:
    """Session time at an owner that is heard now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_ms = clock.now_ms()
        self._ahead_ms = 0
        self._ahead_at_ms = 0

    def here_ms(self) -> int:
        """Return this shard's own time."""
        return self._clock.now_ms()

    def now_ms(self) -> int:
        """Return the owner's time."""
        return self._clock.now_ms() + self._ahead_ms

    def hear(self, sent_ms: int, *, first: bool) -> None:
        """Note by how much the owner's clock is ahead, at least; *first*: it is new.

        The way here only makes it look less ahead, so the largest is the best. It is
        let go slowly, as clocks drift.
        """
        now_ms = self._clock.now_ms()
        self._heard_ms = now_ms
        ahead_ms = sent_ms - now_ms
        drift_ms = (now_ms - self._ahead_at_ms) // DRIFT_PERIOD_MS
        if first or ahead_ms >= self._ahead_ms - drift_ms:
            self._ahead_ms, self._ahead_at_ms = ahead_ms, now_ms

    def has_fallen_silent(self) -> bool:
        """Tell whether it is time to ask for the owner; then not again so soon."""
        now_ms = self._clock.now_ms()
        if now_ms - self._heard_ms < SILENCE_MS:
            return False
        self._heard_ms = now_ms
        return True

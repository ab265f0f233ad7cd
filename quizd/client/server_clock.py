"""What time it is at the server, from heartbeats (Cristian's algorithm, 1989)."""

from collections import deque

from quizd.clock import Clock

KEPT_SAMPLES = 8
"""How many heartbeats back the best one may lie, so that drift is followed."""


class ServerClock:
    """The server's clock, read over a line of unknown delay."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hint_ms = 0
        self._samples: deque[tuple[int, int]] = deque(maxlen=KEPT_SAMPLES)

    def hint(self, server_ms: int) -> None:
        """Take a time that was under way for who knows how long: better than none."""
        self._hint_ms = server_ms - self._clock.now_ms()

    def heard(self, server_ms: int, sent_ms: int) -> None:
        """Take the answer, received now, to a heartbeat sent at *sent_ms* (our clock).

        The server read its clock in between; the middle is wrong by half the round
        trip at most.
        """
        round_trip_ms = self._clock.now_ms() - sent_ms
        offset_ms = server_ms - sent_ms - round_trip_ms // 2
        self._samples.append((round_trip_ms, offset_ms))

    @property
    def offset_ms(self) -> int:
        """What to add to our clock: the estimate with the shortest round trip."""
        return min(self._samples)[1] if self._samples else self._hint_ms

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch by the server's clock."""
        return self._clock.now_ms() + self.offset_ms

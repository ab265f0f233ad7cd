"""Reading the server's clock over a line of unknown delay."""

import random

from quizd.client.server_clock import KEPT_SAMPLES, ServerClock
from quizd.clock import ManualClock

AHEAD_MS = 90_000


def test_a_welcome_is_better_than_nothing() -> None:
    """Before the first heartbeat is answered, the time in the welcome has to do."""
    clock = ManualClock(1_000_000)
    server = ServerClock(clock)
    assert server.now_ms() == 1_000_000
    server.hint(1_000_000 + AHEAD_MS)
    clock.advance(500)
    assert server.now_ms() == 1_000_500 + AHEAD_MS


def beat(
    server: ServerClock, clock: ManualClock, out_ms: int, back_ms: int, ahead_ms: int
) -> None:
    """Let one heartbeat travel; the server is *ahead_ms* when it reads its clock."""
    sent_ms = clock.now_ms()
    server_ms = clock.advance(out_ms) + ahead_ms
    clock.advance(back_ms)
    server.heard(server_ms, sent_ms)


def test_the_error_is_half_the_shortest_round_trip_at_most() -> None:
    """Whatever the delays, out and back, of some heartbeats."""
    for seed in range(200):
        rng = random.Random(seed)
        clock = ManualClock()
        server = ServerClock(clock)
        trips = [
            (rng.randrange(300), rng.randrange(300))
            for _ in range(rng.randint(1, KEPT_SAMPLES))
        ]
        for out_ms, back_ms in trips:
            beat(server, clock, out_ms, back_ms, AHEAD_MS)
        worst_ms = min(map(sum, trips)) / 2 + 1
        assert abs(server.offset_ms - AHEAD_MS) <= worst_ms, f"seed {seed}"


def test_drift_is_followed() -> None:
    """A perfect sample of long ago gives way to newer, worse ones."""
    clock = ManualClock()
    server = ServerClock(clock)
    beat(server, clock, 0, 0, 0)
    for _ in range(KEPT_SAMPLES):
        beat(server, clock, 10, 10, AHEAD_MS)
    assert server.offset_ms == AHEAD_MS

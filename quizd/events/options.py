"""Which streams there are, and their bounds."""

from dataclasses import dataclass

STREAMS = ("joins", "phases", "answers", "scores", "leaderboard", "results")
"""Every stream that an owner writes to; ``logins`` is reserved for accounts."""

PREFIX = "quizd:events:"

LIGHT = ("joins", "phases", "leaderboard", "results")
"""What costs next to nothing, and is told unless it is switched off."""


def stream_key(stream: str) -> str:
    """Return the Redis key of *stream*."""
    return PREFIX + stream


def cursor_key(session_id: str) -> str:
    """Return the key that says up to which batch a session was told.

    It lies in the session's slot of a Redis Cluster, like the journal's keys.
    """
    return f"quizd:{{{session_id}}}:told"


@dataclass(frozen=True, slots=True)
class EventOptions:
    """Which *streams* are written, and within which bounds.

    ``max_length`` is about how many events Redis keeps of each stream; ``queue_bytes``
    bounds the batches that wait in memory. A board has ``board_size`` lines, that of
    the results ``final_size``; ``boards_per_s`` is for each session. ``pause_s`` is
    how long events gather, at least. Raises ``ValueError`` for an unknown stream.
    """

    streams: tuple[str, ...] = LIGHT
    max_length: int = 10_000
    queue_bytes: int = 8 * 1024 * 1024
    board_size: int = 10
    final_size: int = 100
    boards_per_s: float = 2.0
    pause_s: float = 0.1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.streams) - set(STREAMS))
        if unknown:
            raise ValueError(f"no such stream: {', '.join(unknown)}")

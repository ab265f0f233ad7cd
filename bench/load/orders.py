"""What goes between the driver and its client processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.load.tickets import Dialect, Key

Pairs = list[tuple[int, int]]
"""A histogram: nanoseconds, and how often they were there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process's share of the clients: the first one's number, and the seed."""

    first_number: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """What clients of a server without a game hear and say; empty: nothing special.

    ``marker``: what a message has to hold to count. ``greeting``: said at once.
    ``pong``: the answer to ``ping``. ``alert``: don't sleep while one is awaited.
    """

    marker: bytes = b""
    greeting: bytes = b""
    ping: bytes = b""
    pong: bytes = b""
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What players are to do, and may see; as of the compiled ``Players``."""

    key: Key
    habits: Mapping[str, float | bool]
    lenient: bool = False
    dialect: Dialect = "websocket"


@dataclass(frozen=True, slots=True)
class Played:
    """One process's part of a game that is over.

    ``columns``: by name, then by question (one more: the end), packed int64 by player.
    ``windows``: by question. Histograms are pairs of nanoseconds and counts.
    """

    columns: Mapping[str, Sequence[bytes]]
    windows: Sequence[Mapping[str, int]]
    welcomes: Pairs
    boards: Pairs
    acks: Pairs
    lags: Pairs
    final: bytes | None

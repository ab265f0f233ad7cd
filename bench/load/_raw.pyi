# What each call promises, and its errors, is in the docstrings of the .pyx file.

from typing import final

from bench.load._counts import Counts
from bench.load._websocket import Swarm

class Talk(Swarm):
    def __init__(
        self,
        host: str,
        port: int,
        heads: list[bytes],
        *,
        accept: bytes,
        greeting: bytes = b"",
        ping: bytes = b"",
        pong: bytes = b"",
        sources: int = 16,
        seed: int = 0,
        first_number: int = 0,
    ) -> None: ...

@final
class Receivers(Talk):
    def __init__(
        self,
        host: str,
        port: int,
        heads: list[bytes],
        *,
        accept: bytes,
        marker: bytes = b"",
        alert: bool = False,
        greeting: bytes = b"",
        ping: bytes = b"",
        pong: bytes = b"",
        sources: int = 16,
        seed: int = 0,
        first_number: int = 0,
    ) -> None: ...
    def expect_broadcast(self, rounds: int) -> None: ...
    def receipts(self, round: int) -> bytes: ...  # noqa: A002 - the name in the module

@final
class Echoes(Talk):
    @property
    def latencies(self) -> Counts: ...
    @property
    def lags(self) -> Counts: ...
    def send_at(
        self,
        per_second: float,
        messages: int,
        payload: bytes,
        *,
        poisson: bool = False,
    ) -> None: ...

# What each call promises, and its errors, is in the docstrings of the .pyx file.

from typing import final

from bench.load._core import Sockets
from bench.load._counts import Counts

@final
class Requests(Sockets):
    def __init__(
        self,
        host: str,
        port: int,
        texts: list[bytes],
        *,
        lines: int,
        sources: int = 16,
        seed: int = 0,
        first_number: int = 0,
    ) -> None: ...
    @property
    def total(self) -> int: ...
    @property
    def latencies(self) -> Counts: ...
    def ask(self, per_second: float = 0) -> None: ...
    def responses(self) -> list[tuple[int, bytes]]: ...

# What each call promises, and its errors, is in the docstrings of the .pyx file.

from bench.load._counts import Counts
from bench.load._websocket import Swarm

class Players(Swarm):
    def __init__(
        self,
        host: str,
        port: int,
        heads: list[bytes],
        *,
        accept: bytes,
        key: list[tuple[bytes | None, list[bytes]]],
        habits: dict[str, float | bool],
        lenient: bool = False,
        sources: int = 16,
        seed: int = 0,
        first_number: int = 0,
    ) -> None: ...
    @property
    def welcomes(self) -> Counts: ...
    @property
    def boards(self) -> Counts: ...
    @property
    def acks(self) -> Counts: ...
    @property
    def lags(self) -> Counts: ...
    def window(self, question: int) -> dict[str, int]: ...
    def column(self, name: str, question: int) -> bytes: ...
    def final(self) -> bytes | None: ...
    def settle(self, to_the_end: bool) -> None: ...

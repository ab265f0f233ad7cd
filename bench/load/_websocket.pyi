# What each call promises, and its errors, is in the docstrings of the .pyx file.

from bench.load._core import Sockets

class Swarm(Sockets):
    def __init__(
        self,
        host: str,
        port: int,
        heads: list[bytes],
        *,
        accept: bytes,
        sources: int = 16,
        seed: int = 0,
        first_number: int = 0,
    ) -> None: ...
    def close_codes(self) -> dict[int, int]: ...

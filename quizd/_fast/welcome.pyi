# What each call promises, and its errors, is in the docstrings of welcome.pyx.

from typing import Self

class Front:
    def __new__(
        cls, *, names: bytes, numbers: bytes, phase: bytes, crowd: bytes, rest: bytes
    ) -> Self: ...
    def text(
        self,
        participant_id: bytes,
        you: bytes,
        now_ms: int,
        resumed: bool,
        left: bytes,
    ) -> bytes: ...

def own_part(
    participant_id: bytes, name: bytes, score: int, rank: int, of: int, streak: int
) -> bytes: ...

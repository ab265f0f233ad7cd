# What each call promises, and its errors, is in the docstrings of inbox.pyx.

from collections.abc import Callable
from typing import Self

class Inbox:
    wake: Callable[[], object]
    def __new__(cls, limit: int, wake: Callable[[], object]) -> Self: ...
    @property
    def size(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def refused(self) -> int: ...
    def __len__(self) -> int: ...
    def add(
        self,
        participant: int,
        received_ms: int,
        question_id: bytes,
        option: bytes,
        answered_at: bytes = b"",
    ) -> bool: ...
    def clear(self) -> None: ...

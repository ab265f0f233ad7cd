# What each call promises, and its errors, is in the docstrings of fanout.pyx.

from typing import Self, TypeVar

from quizd._fast.ranking import Board, Ranking
from quizd._fast.scoring import Sheet
from quizd._fast.wire import Wire

_W = TypeVar("_W", bound=Wire)

def iso(at_ms: int) -> str: ...
def reveal_tail(sheet: Sheet, ranking: Ranking, participant: int) -> bytes: ...
def send_shared(
    wires: list[_W], start: int, stop: int, frame: bytes, seq: int, key: int
) -> None: ...

class Personal:
    def __new__(cls, front: bytes, ranking: Ranking, sheet: Sheet | None) -> Self: ...
    def payload(self, participant: int) -> bytes: ...
    def send(
        self, wires: list[_W], start: int, stop: int, seq: int, key: int
    ) -> None: ...

def send_results(
    wire_of: list[_W | None],
    participants: tuple[int, ...],
    question: bytes,
    sheet: Sheet,
    board: Board | None,
) -> None: ...
def result_payload(
    question: bytes, sheet: Sheet, board: Board | None, participant: int
) -> bytes: ...

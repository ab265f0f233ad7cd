"""What was sent to an owner and not acknowledged: kept, and sent again.

Answers are numbered in batches; an owner says of each number that it has made it
durable or refused it. After a break of the link, or to another owner, what it has not
said so of is sent again with its age grown. The owner knows the batches that it has
had, and an answer by its participant and question.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from quizd.replica.messages import Answers

AGAIN_MS = 1_000
"""How long an owner may take before a batch is sent again."""


@dataclass(slots=True)
class Sent:
    """A batch under way; ``size`` answers, last sent at ``sent_ms``."""

    answers: Answers
    size: int
    made_ms: int
    sent_ms: int


class Outbox:
    """Batches of answers under way; times in ms of a monotonic clock.

    Their numbers follow *number*, above all that this shard has used for the session.
    """

    def __init__(
        self, send: Callable[[Answers], None], limit: int, number: int = 0
    ) -> None:
        self._send = send
        self._limit = limit
        self._sent: dict[int, Sent] = {}
        self._number = number
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def full(self) -> bool:
        """Whether so many answers are under way that others have to wait."""
        return self._size >= self._limit

    def put(self, packed: bytes, others: list[object], size: int, now_ms: int) -> None:
        """Send *size* answers and keep them until they are acknowledged."""
        self._number += 1
        answers = Answers(self._number, 0, 0, packed, others)
        self._sent[self._number] = Sent(answers, size, now_ms, now_ms)
        self._size += size
        self._send(answers)

    def taken(self, number: int) -> None:
        """Forget the batch *number*; others may have been lost on their way."""
        sent = self._sent.pop(number, None)
        if sent is not None:
            self._size -= sent.size

    def send_again(self, now_ms: int, older_ms: int = AGAIN_MS) -> None:
        """Send again what was last sent *older_ms* ago or earlier."""
        for sent in self._late(now_ms - older_ms):
            sent.sent_ms = now_ms
            self._send(replace(sent.answers, waited_ms=now_ms - sent.made_ms))

    def under_way(self, now_ms: int) -> list[tuple[Answers, int]]:
        """Return what is not acknowledged, and for how many ms."""
        return [(sent.answers, now_ms - sent.made_ms) for sent in self._sent.values()]

    def _late(self, before_ms: int) -> Iterator[Sent]:
        return (sent for sent in self._sent.values() if sent.sent_ms <= before_ms)

"""One session of the journal in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quizd.journal.base import Snapshot, Trimmed, chain
from quizd.journal.fence import Head, check_snapshot

_PAGE_BATCHES = 100


@dataclass(frozen=True, slots=True)
class _Batch:
    term: int
    content: bytes
    hash: bytes


@dataclass(slots=True)
class Session(Head):
    """What is kept of one session; instants in milliseconds since the Unix epoch."""

    quiz_id: str
    pin: str
    run: int
    claimed_ms: int
    alive_ms: int
    ended: bool = False
    log: dict[int, _Batch] = field(default_factory=dict)  # the latest always is there
    trimmed: int = 0
    snapshot: Snapshot | None = None
    kept_ms: int | None = None  # from the next renewal on, if it is to go
    due_ms: int | None = None

    @property
    def listed(self) -> bool:
        """Whether the session is not about to go."""
        return self.kept_ms is None

    def add(self, content: bytes) -> None:
        """Keep a batch under the current term."""
        self.hash = chain(self.hash, content)
        self.last_index += 1
        self.log[self.last_index] = _Batch(self.term, content, self.hash)

    def page(self, after_index: int) -> list[tuple[int, bytes]]:
        """Return some of the batches behind *after_index*. Raises `Trimmed`."""
        if after_index < self.trimmed:
            raise Trimmed(self.trimmed + 1)
        end = min(self.last_index, after_index + _PAGE_BATCHES)
        return [(n, self.log[n].content) for n in range(after_index + 1, end + 1)]

    def save(self, index: int, parts: Mapping[str, bytes]) -> None:
        """Keep a snapshot. Raises `Fenced`."""
        before = self.snapshot
        check_snapshot(self, before.index if before else 0, index)
        if before is None or before.index != index:
            log_hash = self.log[index].hash
        else:
            log_hash = before.hash
        merged = {**(before.parts if before else {}), **parts}
        self.snapshot = Snapshot(index, log_hash, merged)

    def trim(self, through_index: int) -> int:
        """Forget batches; return the latest forgotten."""
        through = min(through_index, self.snapshot.index if self.snapshot else 0)
        for index in range(self.trimmed + 1, through + 1):
            if index < self.last_index:
                del self.log[index]
        self.trimmed = max(self.trimmed, through)
        return self.trimmed

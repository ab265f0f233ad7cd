"""Who is expected to answer: connected players, and those who just lost their line.

Presence is not recorded; what follows from it (an early close) is. A player who drops
out is waited for :data:`GRACE_MS` more, so that a short break of many lines, or of the
server, closes no question early.
"""

from collections import deque

GRACE_MS = 5_000


class Presence:
    """The players of one session that are expected to answer."""

    def __init__(self) -> None:
        self.connected: set[int] = set()
        self._forgotten: set[int] = set()
        self._leaving: deque[tuple[int, int]] = deque()
        self._left: dict[int, int] = {}

    def came(self, participant: int) -> None:
        """Count *participant* as connected."""
        if participant in self._forgotten:
            return
        self.connected.add(participant)
        self._left.pop(participant, None)

    def went(self, participant: int, now_ms: int) -> None:
        """Count *participant* as gone, after the grace."""
        self.expire(now_ms)
        if participant in self._forgotten:
            return
        self.connected.discard(participant)
        self._left[participant] = now_ms + GRACE_MS
        self._leaving.append((now_ms + GRACE_MS, participant))

    def forget(self, participant: int) -> None:
        """Don't wait for *participant* any more: removed, and never back."""
        self._forgotten.add(participant)
        self.connected.discard(participant)
        self._left.pop(participant, None)

    def expire(self, now_ms: int) -> None:
        """Give up those whose grace is over."""
        while self._leaving and self._leaving[0][0] <= now_ms:
            until_ms, participant = self._leaving.popleft()
            if self._left.get(participant) == until_ms:
                del self._left[participant]

    def next_expiry_ms(self) -> int | None:
        """Return when somebody's grace ends next."""
        return self._leaving[0][0] if self._leaving else None

    def expected(self) -> set[int]:
        """Return those who are waited for."""
        return self.connected.union(self._left) if self._left else self.connected

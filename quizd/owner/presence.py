"""Who is expected to answer: connected players, and those who just lost their line.

Presence is not recorded; what follows from it (an early close) is. A player who drops
out is waited for :data:`GRACE_MS` more, so that a short break of many lines, or of the
server, closes no question early. A line is at a place: this shard or another one. A
player has one line, the latest: a shard that was cut off may tell late of an elder one.
"""

from collections import deque

GRACE_MS = 5_000
HERE = ""
"""The place of lines that this shard holds itself; others have their shard's name."""


class Presence:
    """The players of one session that are expected to answer."""

    def __init__(self) -> None:
        self.connected: dict[int, str] = {}
        self._since_ms: dict[int, int] = {}
        self._forgotten: set[int] = set()
        self._leaving: deque[tuple[int, int]] = deque()
        self._left: dict[int, int] = {}

    def came(
        self, participant: int, place: str = HERE, since_ms: int = 0
    ) -> str | None:
        """Count *participant* as connected at *place* since then.

        Returns the place of the elder of two lines, if there is another one.
        """
        if participant in self._forgotten:
            return None
        other = self.connected.get(participant, place)
        if other != place and self._since_ms[participant] > since_ms:
            return place
        self.connected[participant] = place
        self._since_ms[participant] = since_ms
        self._left.pop(participant, None)
        return None if other == place else other

    def went(self, participant: int, now_ms: int, place: str = HERE) -> None:
        """Count *participant* as gone from *place*, after the grace."""
        self.expire(now_ms)
        if participant in self._forgotten:
            return
        if self.connected.get(participant, place) != place:
            return  # there is a newer line elsewhere
        self.connected.pop(participant, None)
        self._since_ms.pop(participant, None)
        self._left[participant] = now_ms + GRACE_MS
        self._leaving.append((now_ms + GRACE_MS, participant))

    def at(self, place: str) -> dict[int, int]:
        """Return the players whose lines are at *place*, and since when."""
        return {
            index: self._since_ms[index]
            for index, there in self.connected.items()
            if there == place
        }

    def place_of(self, participant: int) -> str:
        """Return where the line of *participant* is, `HERE` where there is none."""
        return self.connected.get(participant, HERE)

    def forget(self, participant: int) -> None:
        """Don't wait for *participant* any more: removed, and never back."""
        self._forgotten.add(participant)
        self.connected.pop(participant, None)
        self._since_ms.pop(participant, None)
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
        return self.connected.keys() | self._left.keys()

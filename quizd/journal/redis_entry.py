"""What a session's ``meta`` says, and when its owner was last seen alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from quizd.journal.base import Position, SessionEntry

FIELDS = (
    "term",
    "last",
    "hash",
    "log_term",
    "owner",
    "run",
    "claimed",
    "at",
    "alive",
    "alive_of",
    "alive_cap",
    "quiz_id",
    "pin",
    "created",
    "ended",
    "trimmed",
)
"""What is read of a session, in the order in which the script says it, too."""

Alive = Mapping[bytes, bytes]
"""The content of ``quizd:alive``: when each process renewed, in ms."""


@dataclass(frozen=True, slots=True)
class Look:
    """A session's ``meta`` at one moment; see `redis_keys` for the fields."""

    session_id: str
    term: int
    last_index: int
    hash: bytes
    log_term: int
    owner: str
    run: bytes
    claimed_ms: int
    at_ms: int
    alive_ms: int
    alive_of: bytes
    alive_cap_ms: int
    quiz_id: str
    pin: str
    created_us: int
    ended: bool
    trimmed: int
    saved_index: int

    @property
    def position(self) -> Position:
        """Where the log stands."""
        return Position(self.term, self.last_index, self.hash)

    def alive(self, renewed: Alive) -> int:
        """Return the latest instant at which the session was played, in ms."""
        if self.ended or self.log_term != self.term:
            last_ms = min(int(renewed.get(self.alive_of, 0)), self.alive_cap_ms)
            return max(self.alive_ms, last_ms)
        return max(self.at_ms, self.claimed_ms, int(renewed.get(self.run, 0)))

    def entry(self, renewed: Alive) -> SessionEntry:
        """Return the session as a list shows it."""
        return SessionEntry(
            self.session_id,
            self.quiz_id,
            self.pin,
            self.term,
            self.last_index,
            self.ended,
            self.alive(renewed),
            self.owner,
        )


def parse(
    session_id: str, fields: Sequence[bytes | None], saved: bytes | None
) -> Look | None:
    """Return what `FIELDS` of a session say; None if there is no such session."""
    if fields[0] is None:
        return None
    f = dict(zip(FIELDS, cast("Sequence[bytes]", fields), strict=True))
    return Look(
        session_id=session_id,
        term=int(f["term"]),
        last_index=int(f["last"]),
        hash=f["hash"],
        log_term=int(f["log_term"]),
        owner=f["owner"].decode(),
        run=f["run"],
        claimed_ms=int(f["claimed"]),
        at_ms=int(f["at"]),
        alive_ms=int(f["alive"]),
        alive_of=f["alive_of"],
        alive_cap_ms=int(f["alive_cap"]),
        quiz_id=f["quiz_id"].decode(),
        pin=f["pin"].decode(),
        created_us=int(f["created"]),
        ended=f["ended"] == b"1",
        trimmed=int(f["trimmed"]),
        saved_index=int(saved or 0),
    )

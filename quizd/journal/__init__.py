"""What remembers sessions: an interface, and one file per implementation."""

from quizd.journal.base import (
    MAX_BATCH_BYTES,
    MAX_WAITING,
    NO_HASH,
    Claim,
    Exists,
    Fenced,
    Journal,
    JournalFull,
    JournalUnavailable,
    OnCommit,
    Position,
    SessionEntry,
    Snapshot,
    Trimmed,
    Unknown,
    chain,
)

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_WAITING",
    "NO_HASH",
    "Claim",
    "Exists",
    "Fenced",
    "Journal",
    "JournalFull",
    "JournalUnavailable",
    "OnCommit",
    "Position",
    "SessionEntry",
    "Snapshot",
    "Trimmed",
    "Unknown",
    "chain",
]

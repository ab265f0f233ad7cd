"""What remembers sessions: an interface, and one file per implementation."""

from quizd.journal.base import (
    MAX_BATCH_BYTES,
    MAX_WAITING,
    Claim,
    Exists,
    Fenced,
    Journal,
    JournalUnavailable,
    OnCommit,
    SessionEntry,
    Unknown,
)

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_WAITING",
    "Claim",
    "Exists",
    "Fenced",
    "Journal",
    "JournalUnavailable",
    "OnCommit",
    "SessionEntry",
    "Unknown",
]

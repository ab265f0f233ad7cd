"""The stored log of a session, and the keyed chain over it.

What is stored of a batch is its *log form*: the records as they are, but with neither
the name nor the key of who joins, so that erasing a person leaves the log intact. Only
ids and indices are left, and those are nobody's name.

Every batch moves the session's *head* on:

    head(0) = 32 zero bytes
    head(n) = HMAC-SHA-256(key, head(n - 1) | session id | NUL | n as u64 | log form)

(HMAC: RFC 2104; numbers little-endian.) Whoever changes, cuts off, adds or swaps stored
batches would have to make the heads again, for which it takes the key, which is not in
the database.
"""

import hmac
import struct
from collections.abc import Sequence
from hashlib import blake2b

from quizd.session import records as rec

HEAD_BYTES = 32
START = bytes(HEAD_BYTES)
KEY_MIN_BYTES = 16
SEALED_KIND = 0
"""The kind of what stands for a batch that could not be read, whatever is in it."""

_INDEX = struct.Struct("<Q")


def log_form(batch: bytes, records: Sequence[rec.Record]) -> bytes:
    """Return what of a *batch* of *records* is stored: all but names and keys."""
    if not any(isinstance(record, rec.ParticipantAdded) for record in records):
        return batch
    return rec.pack(map(_nameless, records))


def _nameless(record: rec.Record) -> rec.Record:
    if isinstance(record, rec.ParticipantAdded):
        return rec.ParticipantAdded(record.at_ms, record.participant_id, "", "")
    return record


def sealed(batch: bytes) -> bytes:
    """Return what is stored of a *batch* that can't be read: its hash (BLAKE2b)."""
    digest = blake2b(batch, digest_size=HEAD_BYTES).digest()
    return rec.HEADER.pack(rec.VERSION, SEALED_KIND, len(digest)) + digest


def next_head(
    key: bytes, head: bytes, session_id: str, index: int, log: bytes
) -> bytes:
    """Return the head of a chain that goes on from *head* with batch *index*."""
    message = b"".join((head, session_id.encode(), b"\0", _INDEX.pack(index), log))
    return hmac.digest(key, message, "sha256")

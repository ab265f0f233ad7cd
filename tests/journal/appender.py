"""Appends to an SQLite journal until it is killed, and says what was acknowledged.

Called with the path of the file and the number of the round. Every line on standard
output is true when it is written: ``<session> <index> <term>`` for a batch,
``alive <ms>`` for a renewal.
"""

import asyncio
import os
import sys

from quizd.journal import Unknown
from quizd.journal.sqlite import SqliteJournal

SESSIONS = ("a", "b", "c")


def content(session_id: str, index: int, term: int) -> bytes:
    """Return the batch that belongs there; sizes differ so that pages do."""
    return f"{session_id} {index} {term};".encode() * (1 + index * 7 % 300)


async def play(journal: SqliteJournal, session_id: str, now_ms: int) -> None:
    """Create or take over one session and append to it for ever."""
    try:
        claim = await journal.claim(session_id, now_ms)
        term, index = claim.term, claim.last_index
    except Unknown:
        first = content(session_id, 1, now_ms)
        term = await journal.create(session_id, "quiz", "1", first, now_ms)
        index = 1
        say(f"{session_id} 1 {term}")
    while True:
        index += 1
        await journal.append(session_id, term, index, content(session_id, index, term))
        say(f"{session_id} {index} {term}")


async def renew(journal: SqliteJournal, now_ms: int) -> None:
    """Renew for ever, a millisecond later each time."""
    while True:
        await journal.renew(now_ms)
        say(f"alive {now_ms}")
        now_ms += 1


def say(line: str) -> None:
    """Write *line* in one piece, so that a kill cannot cut it."""
    os.write(1, f"{line}\n".encode())


async def main() -> None:
    """Play all sessions at once."""
    now_ms = 1_000_000 * int(sys.argv[2])
    async with SqliteJournal(sys.argv[1]) as journal:
        players = [play(journal, session_id, now_ms) for session_id in SESSIONS]
        await asyncio.gather(*players, renew(journal, now_ms))


if __name__ == "__main__":
    asyncio.run(main())

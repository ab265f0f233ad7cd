"""Sessions that have ended, and whose owner died before it had told that.

Nobody takes such a session over. A shard that starts looks for them: often it is the
one that takes the dead one's place.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from quizd.events.stream import Streams
from quizd.journal.base import Journal
from quizd.owner.logbook import Reading
from quizd.session.state import State

T = TypeVar("T")


async def untold(journal: Journal, streams: Streams) -> dict[str, int]:
    """Return the cursors of ended sessions that were told in part, by session.

    Those that were never told of are left out: they are older than the streams. Raises
    what journal and streams raise.
    """
    found = {}
    for entry in await journal.sessions(include_ended=True):
        if entry.ended:
            cursor = await streams.cursor(entry.session_id)
            if 0 < cursor < entry.last_index:
                found[entry.session_id] = cursor
    return found


class Ended:
    """A session that is over, as its journal has it; told of like one that is run."""

    def __init__(self, reading: Reading) -> None:
        self.state = reading.session.state
        self.index = reading.index

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Call *look*; nothing changes any more."""
        seen: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        seen.set_result(look(self.state))
        return seen

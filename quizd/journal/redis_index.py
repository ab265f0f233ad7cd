"""Which sessions there are: two sorted sets, one of those that have ended.

They lie apart from the sessions and are written after them, so that they may name a
session that is gone or has ended. Whoever reads them looks at the session itself.
"""

from operator import itemgetter
from typing import cast

from quizd.journal.redis_keys import Keys
from quizd.journal.redis_lane import ask
from quizd.journal.redis_track import Track
from quizd.redis_client import Client


class Index:
    """Writes and reads both; every method may raise `JournalUnavailable`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._running = keys.sessions
        self._ended = keys.ended

    async def put(self, track: Track) -> None:
        """List a session where it belongs, before it leaves where it was."""
        here = self._ended if track.ended else self._running
        await ask(self._client.zadd(here, {track.session_id: track.created_us}))
        if track.ended:
            await ask(self._client.zrem(self._running, track.session_id))

    async def remove(self, session_id: str) -> None:
        """List a session no more."""
        for key in (self._running, self._ended):
            await ask(self._client.zrem(key, session_id))

    async def listed(self, *, include_ended: bool) -> list[str]:
        """Return the ids of running sessions, or of all, oldest first."""
        found: list[tuple[bytes, float]] = []
        for key in [self._running] + [self._ended] * include_ended:
            found += cast(
                "list[tuple[bytes, float]]",
                await ask(self._client.zrange(key, 0, -1, withscores=True)),
            )
        found.sort(key=itemgetter(1))
        # One that has just ended may be in both.
        return list(dict.fromkeys(name.decode() for name, _ in found))

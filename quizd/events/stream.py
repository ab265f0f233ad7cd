"""The streams in Redis: sending events, and remembering up to where was told.

A stream is one key, so in a Redis Cluster it lies in one slot; cursors lie in those of
their sessions.
"""

from collections.abc import Mapping, Sequence

from quizd.events.frame import Event
from quizd.events.options import cursor_key, stream_key
from quizd.redis_client import TROUBLE, Client, explain, trips

FIELD = "event"

AT_ONCE = 256
"""Events of one pipeline; others may talk to Redis in between."""

CURSOR_S = 7 * 86_400
"""How long a session may stand still until its cursor goes."""


Move = tuple[int, int]
"""From which batch on a session was told, that one left out, and through which one."""


class StreamsAway(Exception):  # noqa: N818 - names the state
    """Redis can't be written to or read; whether the events were kept is unknown."""


class Streams:
    """Writes to the streams of one Redis, each about *max_length* events long."""

    def __init__(self, client: Client, max_length: int) -> None:
        self._client = client
        self._trips = trips(client)
        self._max_length = max_length

    async def close(self) -> None:
        """Hang up; the client is its maker's."""
        await self._trips.close()

    async def send(
        self, events: Sequence[Event], cursors: Mapping[str, Move]
    ) -> set[str]:
        """Add *events* in their order, and only then move *cursors*.

        Returns the sessions whose cursors were before the place that they were to be
        moved from, and have been left there: Redis has lost what was told since. Raises
        `StreamsAway`.
        """
        try:
            for at in range(0, len(events), AT_ONCE):
                await self._add(events[at : at + AT_ONCE])
            through = {session_id: move[1] for session_id, move in cursors.items()}
            found = await self._move(through)
            lost = {each: at for each, at in found.items() if at < cursors[each][0]}
            await self._move(lost)
        except TROUBLE as error:
            raise StreamsAway(explain(error)) from error
        return set(lost)

    async def cursor(self, session_id: str) -> int:
        """Return up to which batch a session was told. Raises `StreamsAway`."""
        try:
            return int(await self._client.get(cursor_key(session_id)) or 0)
        except TROUBLE as error:
            raise StreamsAway(explain(error)) from error

    async def _add(self, events: Sequence[Event]) -> None:
        bound = ("MAXLEN", "~", self._max_length, "*", FIELD)
        await self._trips.demand(
            [("XADD", stream_key(name), *bound, text) for name, text in events]
        )

    async def _move(self, cursors: Mapping[str, int]) -> dict[str, int]:
        """Set *cursors*; return where they were."""
        if not cursors:
            return {}
        keys = [cursor_key(session_id) for session_id in cursors]
        moves = [("GETSET", *move) for move in zip(keys, cursors.values(), strict=True)]
        found = await self._trips.demand(
            [*moves, *(("EXPIRE", key, CURSOR_S) for key in keys)]
        )
        return {each: int(at or 0) for each, at in zip(cursors, found, strict=False)}

"""A sink before another one, for tests that come in between."""

from collections.abc import AsyncIterator, Sequence

from quizd.store.write_behind.sink import Refusal, Sink
from quizd.store.write_behind.unit import Cursor, Item, Unit


class PassingOn(Sink):
    """A sink that has *sink* do all that it is asked."""

    def __init__(self, sink: Sink) -> None:
        self.unit_bytes = sink.unit_bytes  # type: ignore[misc]
        self.sink = sink

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Ask."""
        return await self.sink.cursors(session_ids)

    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write."""
        return await self.sink.write(unit, now_ms)

    async def log(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """Read the log."""
        async for each in self.sink.log(session_id):
            yield each

    async def retry(self, refused_id: int, item: Item) -> Refusal | None:
        """Try again."""
        return await self.sink.retry(refused_id, item)

    async def disconnect(self) -> None:
        """Disconnect."""
        await self.sink.disconnect()

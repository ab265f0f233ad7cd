"""Whether this shard may still speak for the sessions it owns."""

from typing import Protocol


class Lease(Protocol):
    """Held for a while, renewed, and lost where the renewal fails."""

    def holds(self) -> bool:
        """Tell whether nobody else can have taken the sessions over yet."""
        ...

    async def held(self) -> None:
        """Wait until it holds."""
        ...


class Forever:
    """The lease of a shard that is alone: its journal's file is locked."""

    def holds(self) -> bool:
        """Say that it holds."""
        return True

    async def held(self) -> None:
        """Wait for nothing."""

"""Whose turn it is, where there may be too many for all to have one at once.

A shard may have part in thousands of sessions. Looking after each of them at every
pulse would take more time than play, and all at the same moment.
"""

from collections.abc import Collection

AT_ONCE = 32
"""So many have a turn at every pulse, at least: where there are no more, all."""

PULSES = 8
"""Within so many pulses everybody has had a turn."""


class Rota:
    """Deals out turns by name, one round after the other."""

    def __init__(self) -> None:
        self._had: set[str] = set()

    def next(self, everybody: Collection[str]) -> list[str]:
        """Return who of *everybody* has a turn now."""
        waiting = [name for name in everybody if name not in self._had]
        if not waiting:
            self._had.clear()
            waiting = list(everybody)
        turn = waiting[: max(AT_ONCE, -(-len(everybody) // PULSES))]
        self._had.update(turn)
        return turn

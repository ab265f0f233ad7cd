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
        self._left: list[str] = []

    def next(self, everybody: Collection[str]) -> list[str]:
        """Return who has a turn now; some may have left, who is new waits a round."""
        share = max(AT_ONCE, -(-len(everybody) // PULSES))
        if not self._left:
            self._left = list(everybody)
        turn, self._left = self._left[:share], self._left[share:]
        return turn

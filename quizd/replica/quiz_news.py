"""Quizzes that were changed: whoever keeps their definitions has to look again.

A shard that changes or deletes a quiz tells all others. A message that is lost is not
sent again: definitions also age, and are looked up again soon.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from quizd.cluster.base import Member
from quizd.replica.exchange import Exchange
from quizd.replica.messages import Item, Kind


class Live(Protocol):
    """The membership, as far as it is needed."""

    def live(self) -> Iterable[Member]:
        """Return who is there."""
        ...


class QuizNews:
    """Tells other shards of changed quizzes; calls *forget* with what they tell."""

    def __init__(
        self, exchange: Exchange, members: Live, forget: Callable[[str], None]
    ) -> None:
        self._exchange = exchange
        self._members = members
        self._forget = forget
        exchange.handle(Kind.QUIZ_CHANGED, self._on_changed)

    def tell(self, quiz_id: str) -> None:
        """Tell all others that a quiz is not what it was."""
        for member in self._members.live():
            if member.owner != self._exchange.me:
                item = Item(Kind.QUIZ_CHANGED, quiz_id, b"")
                self._exchange.send(member.owner, item)

    def _on_changed(self, _: str, item: Item) -> None:
        self._forget(item.session_id)

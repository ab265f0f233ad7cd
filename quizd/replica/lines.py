"""The connections of one session on this shard, whoever owns it."""

from typing import Protocol

from quizd._fast.inbox import Inbox
from quizd.owner.handle import Handle
from quizd.owner.subscriber import Subscriber


class Lines(Subscriber, Protocol):
    """What an edge has of a session; it outlives the handle that it is given."""

    @property
    def inbox(self) -> Inbox:
        """Where the connections put their answers."""
        ...

    @property
    def is_watched(self) -> bool:
        """Whether anybody is here: players, hosts, or who waits for a picture."""
        ...

    def adopt(self, handle: Handle) -> None:
        """Go on with another handle of the same session, on the same inbox."""
        ...


class LineKeeper(Protocol):
    """Who has the connections of this shard: the edge."""

    def lines(self, session_id: str, handle: Handle) -> Lines:
        """Begin to take connections for a session."""
        ...

    def forget(self, session_id: str) -> None:
        """Take no more connections for a session that is over, or not here."""
        ...

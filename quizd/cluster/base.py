"""What the parts of the cluster share: members, addresses, and what may fail."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from redis.asyncio import Redis, RedisCluster

RedisClient: TypeAlias = "Redis | RedisCluster"
"""A client that sends commands, whether it decodes what it gets or not."""


class ClusterUnavailable(Exception):  # noqa: N818 - names the state, like HTTP's 503
    """Redis fails or can't be reached; whether a write was kept is unknown."""


class LeaseGone(Exception):  # noqa: N818 - names the state
    """This instance will never hold its lease again: it was replaced, or stopped."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the cluster.

    A **shard** is a place in the cluster, an **instance** one process in that place.
    *address* is ``host:port``, by which others and players reach it. *alive_ms* is
    Redis's time of its last renewal, in milliseconds since the Unix epoch. One that
    is *leaving* keeps what it has and gets nothing new. *machine* is where it runs,
    as `this_machine` says it.
    """

    shard: str
    instance: str
    region: str
    address: str
    alive_ms: int = 0
    leaving: bool = False
    machine: str = ""

    @property
    def owner(self) -> str:
        """What stands in a session's entry while this instance plays it."""
        return f"{self.shard}/{self.instance}"


class Entry(Protocol):
    """What an address book wants to know of a session in the journal."""

    @property
    def session_id(self) -> str:
        """The session."""
        ...

    @property
    def quiz_id(self) -> str:
        """The quiz that it is a run of."""
        ...

    @property
    def pin(self) -> str:
        """Its number for players."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        ...


class AddressBook(Protocol):
    """Says which session a quiz's id or a pin stands for.

    A quiz has at most one open session and a pin belongs to one session: whoever
    takes first has it. Repeating a call changes nothing, so a call that failed may
    be made again. Every call may raise `ClusterUnavailable`.
    """

    async def take_quiz(self, quiz_id: str, session_id: str) -> str:
        """Let the quiz's open session be *session_id* if it has none.

        Returns the one that it has now, *session_id* or an earlier one.
        """
        ...

    async def take_pin(self, pin: str, session_id: str) -> bool:
        """Let *pin* be the session's if it is nobody else's; tell whether it is."""
        ...

    async def find(self, address: str) -> str | None:
        """Return the open session of a pin (digits alone) or of a quiz's id."""
        ...

    async def last_of_quiz(self, quiz_id: str) -> str | None:
        """Return the quiz's open session, else the last one if it ended lately."""
        ...

    async def release(self, quiz_id: str, pin: str, session_id: str) -> None:
        """Let quiz and pin be another session's, unless they are already."""
        ...

    async def rebuild(self, entries: Iterable[Entry]) -> list[str]:
        """Bring everything in line with the journal's *entries*, oldest first.

        Entries that are ended give back what they still have, entries that are not
        take what is theirs. Returns the sessions that did not get their quiz or
        their pin because it is another open session's.
        """
        ...

"""What one member knows of the others, and what has changed; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from quizd.cluster.base import Member
from quizd.cluster.members_script import Reply
from quizd.cluster.ring import Ring


@dataclass(frozen=True, slots=True)
class Changes:
    """How a view differs from the one before.

    *joined* and *gone* are instances; one that replaces another of its shard makes
    both. *leaving* began to leave. *settled* is the new view's.
    """

    joined: tuple[Member, ...] = ()
    gone: tuple[Member, ...] = ()
    leaving: tuple[Member, ...] = ()
    settled: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """Everybody who is not known to be dead, by shard.

    *settled* tells that a whole lease was watched without a gap: who is not in the
    view then has had the time to say that it lives, and what it owned may be taken.
    """

    members: tuple[Member, ...] = ()
    settled: bool = False

    def after(self, reply: Reply, lease_ms: int) -> "View":
        """Return the view that *reply* gives to whoever had this one.

        Until it is settled again, members that Redis does not know any more are not
        gone: it may have lost them, and they will say that they live.
        """
        settled = reply.watched_ms >= lease_ms
        live = {member.shard: member for member in reply.live}
        if not settled:
            missed = {m.shard: m for m in self.members if m.shard not in reply.dead}
            live = missed | live
        return View(tuple(live[shard] for shard in sorted(live)), settled)

    def since(self, old: "View") -> Changes | None:
        """Return what is new against *old*, ``None`` if nothing is."""
        before = {member.owner: member for member in old.members}
        now = {member.owner: member for member in self.members}
        kept = [now[owner] for owner in now if owner in before]
        changes = Changes(
            joined=tuple(m for owner, m in now.items() if owner not in before),
            gone=tuple(m for owner, m in before.items() if owner not in now),
            leaving=tuple(m for m in kept if m.leaving > before[m.owner].leaving),
            settled=self.settled,
        )
        return None if changes == Changes(settled=old.settled) else changes


def staying(members: Iterable[Member]) -> Ring:
    """Return the ring of those *members* that may be given something new."""
    return Ring(member.shard for member in members if not member.leaving)

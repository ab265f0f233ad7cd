"""Who takes over what; pure.

Placement is sticky. The ring is asked when a session is opened and when it has lost
its owner, and at no other time: a session whose owner lives stays where it is, also
when a shard joins and when its owner is leaving (which hands it over by itself).

Every member decides for itself, from what it sees. Members that see the same make
the same ring, so each orphan is taken exactly once. Members that do not, in the half
second in which a change gets around, may both take a session or neither: the
journal's terms let only the later one write, and the next view mends the rest.
"""

from collections.abc import Collection, Iterable

from quizd.cluster.base import Member
from quizd.cluster.members_view import staying


def orphans(
    entries: Iterable[tuple[str, str]], members: Collection[Member], me: Member
) -> list[str]:
    """Return the sessions that *me* should take over now, in the order of *entries*.

    *entries* are ``(session id, owner)`` as in `Member.owner`, of sessions that have
    not ended; *members* are those who live, leaving ones included. The answer is
    empty if *me* is not among them or is leaving.
    """
    live = {member.owner for member in members}
    ring = staying(members)
    if me.owner not in live or me.shard not in ring.shards:
        return []
    return [
        session_id
        for session_id, owner in entries
        if owner not in live and ring.owner(session_id) == me.shard
    ]

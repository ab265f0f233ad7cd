"""Who takes over what: everything that is orphaned, once, and nothing else."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from quizd.cluster.base import Member
from quizd.cluster.members_placement import orphans
from quizd.cluster.ring import Ring

SHARDS = ["a", "b", "c", "d", "e", "f"]


@dataclass(frozen=True)
class Scene:
    """Members that live, and sessions with the owners that their entries name."""

    members: tuple[Member, ...]
    entries: tuple[tuple[str, str], ...]

    @property
    def orphaned(self) -> set[str]:
        """The sessions whose owner is none of those who live."""
        live = {member.owner for member in self.members}
        return {session_id for session_id, owner in self.entries if owner not in live}

    @property
    def taken(self) -> Counter[str]:
        """How often each session is taken when all who live take their part."""
        taken: Counter[str] = Counter()
        for me in self.members:
            taken.update(orphans(self.entries, self.members, me))
        return taken


def member(shard: str, instance: str = "1", *, leaving: bool = False) -> Member:
    """Return a member of which only the name and the plans matter."""
    return Member(shard, instance, "eu", f"{shard}:1", leaving=leaving)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Draw who lives, who is leaving, and owners that may be old or gone."""
    shards = draw(st.sets(st.sampled_from(SHARDS), min_size=1))
    members = tuple(
        member(shard, draw(st.sampled_from("12")), leaving=draw(st.booleans()))
        for shard in sorted(shards)
    )
    owners = st.builds("{}/{}".format, st.sampled_from(SHARDS), st.sampled_from("12"))
    named = draw(st.lists(owners, max_size=40))
    return Scene(members, tuple((f"s{n}", owner) for n, owner in enumerate(named)))


@given(scenes())
def test_every_orphan_is_taken_exactly_once(scene: Scene) -> None:
    """If anybody stays, all orphans are taken and none twice; if nobody does, none."""
    stays = any(not member.leaving for member in scene.members)
    expected = scene.orphaned if stays else set()
    assert scene.taken == Counter(expected)


@given(scenes())
def test_nothing_is_taken_from_the_living(scene: Scene) -> None:
    """A live instance keeps its sessions, whether it is leaving or not."""
    live = {member.owner for member in scene.members}
    kept = {session_id for session_id, owner in scene.entries if owner in live}
    assert not kept & set(scene.taken)


@given(scenes())
def test_who_leaves_or_is_not_known_takes_nothing(scene: Scene) -> None:
    """Neither a leaving member, nor one that others replaced or lost, takes any."""
    for one in scene.members:
        replaced = member(one.shard, "3")
        assert orphans(scene.entries, scene.members, replaced) == []
        if one.leaving:
            assert orphans(scene.entries, scene.members, one) == []
    assert orphans(scene.entries, (), member("a")) == []


@given(scenes(), st.sampled_from(SHARDS))
def test_a_newcomer_moves_no_session_that_has_an_owner(
    scene: Scene, shard: str
) -> None:
    """Joining makes no orphan: whatever is taken then was orphaned before."""
    others = tuple(m for m in scene.members if m.shard != shard)
    before = Scene(others, scene.entries)
    after = Scene((*others, member(shard, "9")), scene.entries)
    assert after.orphaned == before.orphaned
    assert set(after.taken) <= before.orphaned


def test_a_dead_shards_sessions_spread_over_all_who_stay() -> None:
    """The orphans of one of six go to the other five, and not to one that leaves."""
    members = tuple(member(s, leaving=s == "e") for s in SHARDS if s != "f")
    entries = tuple((f"s{n}", "f/1") for n in range(1000))
    parts = {m.shard: len(orphans(entries, members, m)) for m in members}
    assert parts.pop("e") == 0
    assert sum(parts.values()) == 1000
    assert max(parts.values()) < 1.2 * 1000 / 4


def test_they_are_taken_in_the_order_of_the_entries_by_the_ring() -> None:
    """Oldest first, and the ring of who stays says who."""
    members = (member("a"), member("b"))
    entries = [(f"s{n}", "c/1") for n in range(50)]
    ring = Ring("ab")
    mine = [session_id for session_id, _ in entries if ring.owner(session_id) == "a"]
    assert orphans(entries, members, members[0]) == mine
    assert 0 < len(mine) < 50


def test_an_older_instance_of_a_live_shard_has_orphans() -> None:
    """A shard that was restarted does not keep what its old instance had."""
    members = (member("a", "2"),)
    entries = [("old", "a/1"), ("new", "a/2")]
    assert orphans(entries, members, members[0]) == ["old"]

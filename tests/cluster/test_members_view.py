"""What a member makes of an answer, and what it says has changed."""

from dataclasses import replace

import pytest

from quizd.cluster.base import Member
from quizd.cluster.members_script import Reply
from quizd.cluster.members_view import Changes, View, staying

LEASE_MS = 1500
A, B, C = (Member(shard, "1", "eu", f"{shard}:1", alive_ms=5) for shard in "abc")
NEW_B = replace(B, instance="2")


def reply(*live: Member, watched_ms: int = LEASE_MS, dead: str = "") -> Reply:
    """Return an answer that names *live*, and *dead* shards by their letters."""
    return Reply(
        evicted=False,
        taken_by=None,
        watched_ms=watched_ms,
        born_ms=1,
        since_ms=1,
        live=live,
        dead=frozenset(dead),
    )


class TestAfter:
    """The view after an answer."""

    def test_settled_it_is_what_redis_says(self) -> None:
        """With a whole lease watched, who is not named is not there."""
        view = View((A, B), settled=True).after(reply(A, C), LEASE_MS)
        assert view == View((A, C), settled=True)

    def test_unsettled_nobody_is_missed(self) -> None:
        """Who was there and is unknown to Redis now may still say that it lives."""
        view = View((A, B), settled=True)
        view = view.after(reply(A, C, watched_ms=LEASE_MS - 1), LEASE_MS)
        assert view == View((A, B, C), settled=False)
        assert view.after(reply(A, C), LEASE_MS).members == (A, C)

    def test_unsettled_the_dead_are_dead(self) -> None:
        """A verdict from before is not taken back because Redis was away."""
        view = View((A, B)).after(reply(A, watched_ms=0, dead="b"), LEASE_MS)
        assert view.members == (A,)

    def test_a_new_instance_replaces_the_old_one_at_once(self) -> None:
        """Settled or not, a shard is one instance."""
        for watched_ms in (0, LEASE_MS):
            view = View((A, B)).after(reply(A, NEW_B, watched_ms=watched_ms), LEASE_MS)
            assert view.members == (A, NEW_B)

    def test_the_latest_sign_of_life_is_shown(self) -> None:
        """A member is shown as it was at the last renewal."""
        later = replace(A, alive_ms=900, leaving=True)
        assert View((A,)).after(reply(later), LEASE_MS).members == (later,)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (View(), View(), None),
        (View((A, B)), View((replace(A, alive_ms=99), B)), None),
        (View((A,)), View((A, B)), Changes(joined=(B,))),
        (View((A, B)), View((A,)), Changes(gone=(B,))),
        (View((A, B)), View((A, NEW_B)), Changes(joined=(NEW_B,), gone=(B,))),
        (View((A,)), View((A,), settled=True), Changes(settled=True)),
        (View((A,), settled=True), View((A,)), Changes(settled=False)),
        (View((A,), settled=True), View((A,), settled=True), None),
        (
            View((A, B)),
            View((replace(A, leaving=True), B)),
            Changes(leaving=(replace(A, leaving=True),)),
        ),
        (View((replace(A, leaving=True),)), View((A,)), None),
        (
            View(),
            View((replace(A, leaving=True),)),
            Changes((replace(A, leaving=True),)),
        ),
    ],
)
def test_changes(old: View, new: View, changes: Changes | None) -> None:
    """Instances come and go, begin to leave, and views settle; nothing else counts."""
    assert new.since(old) == changes


def test_the_ring_is_made_of_those_who_stay() -> None:
    """A leaving member lives, but gets nothing."""
    assert staying([A, replace(B, leaving=True), C]).shards == ("a", "c")

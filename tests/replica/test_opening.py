"""Who gets a session is decided by all who are there."""

import pytest

from quizd.cluster.base import ClusterUnavailable
from quizd.cluster.ring import Ring
from quizd.codes import Reason, Refused
from tests.owner.stage import in_virtual_time, soon
from tests.replica.stage import Cluster

SESSIONS = 30


@in_virtual_time
async def test_who_has_just_joined_gets_its_part() -> None:
    """A view from before it came is not what openings go by."""
    async with Cluster() as cluster:
        opener, newcomer = cluster.shards
        hidden = cluster.live.pop(newcomer.members.me.shard)

        async def refresh() -> None:
            cluster.live[hidden.shard] = hidden

        opener.members.refresh = refresh  # type: ignore[method-assign]
        ring = Ring([opener.members.me.shard, hidden.shard])
        opened = [await cluster.open(f"quiz {n}") for n in range(SESSIONS)]
        owners = [cluster.owner_of(session_id) for session_id in opened]
        assert [owner.members.me.shard for owner in owners] == list(
            map(ring.owner, opened)
        )
        assert set(owners) == {opener, newcomer}


@in_virtual_time
async def test_nothing_is_opened_while_it_is_not_known_who_lives() -> None:
    """It is refused as a shard that is away, and may be asked for again."""
    async with Cluster() as cluster:
        opener = cluster.shards[0]
        known = opener.members.refresh

        async def refresh() -> None:
            raise ClusterUnavailable("Redis is away")

        opener.members.refresh = refresh  # type: ignore[method-assign]
        with pytest.raises(Refused) as refused:
            await cluster.open("quiz")
        assert refused.value.reason is Reason.SHARD_UNAVAILABLE
        opener.members.refresh = known  # type: ignore[method-assign]
        session_id = await cluster.open("quiz")
        assert await soon(opener.sessions.find_open("quiz")) is not None
        assert cluster.owner_of(session_id) is not None

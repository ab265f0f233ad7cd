"""Who comes to a session whose journal has let go of its beginning."""

import pytest

from quizd.owner.logbook import save_snapshot
from quizd.session import events as ev
from tests.owner.stage import in_virtual_time, pass_ms, settle, soon
from tests.replica.stage import Cluster, StageShard
from tests.replica.test_changing_hands import answer, asking
from tests.session.snapshot import snapshot


async def trimmed(cluster: Cluster, session_id: str) -> int:
    """Close the question, and let go of all that a snapshot stands for."""
    runner = cluster.owner_of(session_id).runner(session_id)
    await soon(runner.submit(ev.HostAdvanced()))
    await settle()
    saved = await save_snapshot(cluster.journal, session_id, runner.term, None)
    forgotten = await cluster.journal.trim(session_id, runner.index)
    assert forgotten == saved > 1
    return forgotten


async def newcomer(cluster: Cluster, session_id: str, old: StageShard) -> StageShard:
    """Return a shard that has not heard of the session yet."""
    (new,) = [each for each in cluster.others(session_id) if each is not old]
    assert new.followers.get(session_id) is None
    return new


@in_virtual_time
async def test_a_follower_that_comes_late_goes_by_the_snapshot() -> None:
    """It has the same state as the owner, and goes on from there."""
    async with Cluster(3) as cluster:
        session_id, other = await asking(cluster)
        await trimmed(cluster, session_id)
        late = await newcomer(cluster, session_id, other)
        follower = await late.follower(session_id)
        runner = cluster.owner_of(session_id).runner(session_id)
        assert snapshot(follower.state) == snapshot(runner.state)
        await soon(runner.submit(ev.HostAdvanced()))
        await pass_ms(400)
        answer(follower, 0)
        await settle()
        assert snapshot(follower.state) == snapshot(runner.state)
        assert late.all_lines[session_id].results() == [(0, 1)]


@in_virtual_time
async def test_a_follower_that_missed_what_is_gone_starts_anew() -> None:
    """What the link lost is not in the journal any more: the snapshot is."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        follower = await other.follower(session_id)
        cluster.hub.cut()
        await trimmed(cluster, session_id)
        cluster.hub.mend()
        await pass_ms(1500)
        runner = cluster.owner_of(session_id).runner(session_id)
        assert snapshot(follower.state) == snapshot(runner.state)
        assert other.all_lines[session_id].closed == []


@pytest.mark.parametrize("followed", [True, False])
@in_virtual_time
async def test_a_trimmed_session_is_taken_over(followed: bool) -> None:
    """By who has followed it, and by who has to read it."""
    async with Cluster(2 if followed else 3) as cluster:
        session_id, other = await asking(cluster)
        await trimmed(cluster, session_id)
        owner = cluster.owner_of(session_id)
        before = snapshot(owner.runner(session_id).state)["board"]
        await cluster.bury(owner)
        if not followed:
            await cluster.bury(other)
        await pass_ms(500)
        runner = cluster.owner_of(session_id).runner(session_id)
        assert snapshot(runner.state)["board"] == before
        await soon(runner.submit(ev.HostAdvanced()))
        await pass_ms(400)
        answer(runner, 1)
        await settle()
        assert runner.state.sheet is not None
        assert 1 in runner.state.sheet

"""Sessions go from shard to shard, and nobody loses anything by it."""

import asyncio

from quizd.codes import Close
from quizd.owner.runner import Runner
from quizd.replica.follower import Follower
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession
from tests.owner.stage import in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import CERTAINTY_S, Cluster, StageShard
from tests.session.play import OPTIONS, quiz
from tests.session.snapshot import snapshot

LEAD_MS = 300


async def asking(cluster: Cluster, players: int = 3) -> tuple[str, StageShard]:
    """Open a session with a question; all players are at a shard that follows."""
    session_id = await cluster.open()
    other = cluster.others(session_id)[0]
    follower = await other.follower(session_id)
    for number in range(players):
        who = await soon(follower.submit(join(f"P{number}")))
        assert who is not None
        follower.came(who)
    await soon(follower.submit(ev.HostStarted()))
    await soon(follower.submit(ev.HostAdvanced()))
    await pass_ms(LEAD_MS + 100)
    return session_id, other


def answer(handle: Runner | Follower, who: int, option: int = 0) -> None:
    """Let a player answer the open question."""
    question = handle.state.question
    assert question is not None
    text = OPTIONS[option].encode()
    assert handle.inbox.add(who, handle.now_ms(), question.id.encode(), text)


async def replayed(cluster: Cluster, session_id: str) -> object:
    """Return the session as the journal has it."""
    records: list[rec.Record] = []
    async for _, batch in cluster.journal.read(session_id):
        records += rec.unpack(batch)
    return snapshot(LiveSession.replay(records).state)


@in_virtual_time
async def test_a_follower_becomes_the_owner_when_that_dies() -> None:
    """What was under way to the dead one is done; broadcasts go on by number."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        follower = await other.follower(session_id)
        dead = cluster.owner_of(session_id)
        dead.runner(session_id).subscriber.here.closed.clear()  # type: ignore[attr-defined]
        cluster.hub.cut()
        answer(follower, 0)
        joining = follower.submit(join("Late"))
        await pass_ms(50)
        await cluster.bury(dead)
        cluster.hub.mend()
        await pass_ms(500)
        assert cluster.owner_of(session_id) is other
        runner = other.runner(session_id)
        lines = other.all_lines[session_id]
        assert lines.handle is runner
        assert lines.results() == [(0, 0)]
        assert await soon(joining) == 3
        assert set(runner.presence.connected) == {0, 1, 2}
        answer(runner, 1)
        await settle()
        await soon(runner.submit(ev.HostAdvanced()))
        assert lines.seqs == [1, 2, 3]
        assert lines.results() == [(0, 0), (1, 0)]
        assert lines.closed == []
        assert await replayed(cluster, session_id) == snapshot(runner.state)


@in_virtual_time
async def test_others_follow_the_new_owner() -> None:
    """Their players go on, and are waited for."""
    async with Cluster(3) as cluster:
        session_id, _ = await asking(cluster)
        await pass_ms(300)
        dead = cluster.owner_of(session_id)
        followers = [await s.follower(session_id) for s in cluster.others(session_id)]
        await settle()
        await cluster.bury(dead)
        await pass_ms(300)
        owner = cluster.owner_of(session_id)
        (third,) = cluster.others(session_id)
        runner = owner.runner(session_id)
        (follower,) = [f for f in followers if f is third.followers.get(session_id)]
        assert follower.owner == owner.name
        answer(follower, 2)
        await settle()
        assert third.all_lines[session_id].results() == [(2, 0)]
        await soon(follower.submit(ev.HostAdvanced()))
        await settle()
        assert third.all_lines[session_id].seqs[-1] == 3
        assert snapshot(runner.state) == snapshot(follower.state)


@in_virtual_time
async def test_an_owner_that_leaves_hands_over_and_follows() -> None:
    """Players at the leaving shard play on there until they are told to go."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        leaving = cluster.owner_of(session_id)
        runner = leaving.runner(session_id)
        assert await soon(runner.submit(join("Here"))) == 3
        runner.came(3)
        await leaving.takeovers.hand_over()
        await pass_ms(100)
        assert cluster.owner_of(session_id) is other
        new = other.runner(session_id)
        old = await leaving.follower(session_id)
        assert old.owner == other.name
        assert leaving.all_lines[session_id].handle is old
        answer(old, 3)
        await settle()
        assert leaving.all_lines[session_id].results() == [(3, 0)]
        await soon(new.submit(ev.HostAdvanced()))
        await settle()
        assert leaving.all_lines[session_id].seqs == [1, 2, 3]
        assert leaving.all_lines[session_id].closed == []
        assert set(new.presence.connected) == {0, 1, 2, 3}
        assert snapshot(new.state) == snapshot(old.state)


@in_virtual_time
async def test_a_fenced_owner_follows_the_new_one() -> None:
    """It was cut off; what it had decided and not recorded never was."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        old = cluster.owner_of(session_id)
        runner = old.runner(session_id)
        lines = old.all_lines[session_id]
        assert await soon(runner.submit(join("Here"))) == 3
        runner.came(3)
        assert await other.takeovers.take_over(session_id)
        await settle()
        lost = runner.submit(ev.HostEnded())
        await pass_ms(1500)
        assert isinstance(lost.exception(), Exception)
        assert cluster.owner_of(session_id) is other
        follower = await old.follower(session_id)
        assert follower.state.phase == "question"
        assert lines.closed == []
        await soon(other.runner(session_id).submit(ev.HostAdvanced()))
        await settle()
        assert lines.seqs == [1, 2, 3]
        assert set(other.runner(session_id).presence.connected) == {0, 1, 2, 3}


@in_virtual_time
async def test_history_that_was_lost_is_shown_anew() -> None:
    """A journal that lost its end and went on otherwise: players get the picture."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        follower = await other.follower(session_id)
        runner = cluster.owner_of(session_id).runner(session_id)
        batches = [batch async for _, batch in cluster.journal.read(session_id)]
        replica = follower.replica
        assert replica is not None
        another = rec.pack([rec.SessionLocked(1, locked=True)])
        replica.enter(len(batches) + 1, another, runner.term)
        await soon(runner.submit(ev.HostAdvanced()))
        await pass_ms(1500)
        assert other.all_lines[session_id].shown == 1
        assert snapshot(runner.state) == snapshot(follower.state)
        assert other.all_lines[session_id].closed == []


@in_virtual_time
async def test_a_session_that_is_nowhere_is_refused() -> None:
    """Its lines are closed by name."""
    async with Cluster() as cluster:
        shard = cluster.shards[0]
        handle = shard.sessions.arrive("0123456789abcdef")
        lines = shard.all_lines["0123456789abcdef"]
        await pass_ms(1000 * CERTAINTY_S)
        assert lines.closed == [Close.SESSION_NOT_FOUND]
        assert handle is not shard.sessions.arrive("0123456789abcdef")


@in_virtual_time
async def test_one_session_of_a_quiz_whoever_opens_it() -> None:
    """All shards open at once: there is one session, and all have it."""
    async with Cluster(3) as cluster:
        opened = await asyncio.gather(
            *(shard.sessions.open("colours", quiz()) for shard in cluster.shards)
        )
        ids = {handle.state.session_id for handle in opened}
        assert len(ids) == 1
        (session_id,) = ids
        assert cluster.owner_of(session_id)
        for shard in cluster.shards:
            found = await shard.sessions.find_open(opened[0].state.pin)
            assert found is not None
            assert found.state.session_id == session_id

"""What a journal has lost for good is lost for all; what it gets back is not."""

from quizd.codes import Refused
from quizd.metrics import REGISTRY
from quizd.owner.logbook import save_snapshot
from quizd.owner.runner import Runner
from quizd.replica.follower import Follower
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session.phases import Phase
from tests.owner.stage import in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import Cluster, StageShard
from tests.session.play import OPTIONS
from tests.session.snapshot import snapshot

LEAD_MS = 300
LOST = 3


def answer(handle: Runner | Follower, who: int) -> None:
    """Let a player answer the open question."""
    question = handle.state.question
    assert question is not None
    text = OPTIONS[0].encode()
    assert handle.inbox.add(who, handle.now_ms(), question.id.encode(), text)


async def asked(cluster: Cluster) -> tuple[str, StageShard, list[Follower]]:
    """Open a session with a question and three answers, seen on all shards."""
    session_id = await cluster.open()
    owner = cluster.owner_of(session_id)
    followers = [await s.follower(session_id) for s in cluster.others(session_id)]
    for number in range(6):
        follower = followers[number % len(followers)]
        who = await soon(follower.submit(join(f"P{number}")))
        assert who == number
        follower.came(who)
    await soon(followers[0].submit(ev.HostStarted()))
    await soon(followers[0].submit(ev.HostAdvanced()))
    await pass_ms(LEAD_MS + 100)
    for who in range(LOST):
        answer(followers[who % len(followers)], who)
        await settle()
    return session_id, owner, followers


def losses() -> float:
    """Return how many losses have been counted."""
    return REGISTRY.get_sample_value("quizd_cluster_history_lost_total") or 0.0


def log_end(cluster: Cluster, session_id: str) -> int:
    """Return the number of the latest batch that the journal has."""
    return cluster.journal._sessions[session_id].last_index


async def lose_with_the_owner(cluster: Cluster) -> str:
    """Lose the answers and the owner; another shard has taken over then."""
    session_id, dead, followers = await asked(cluster)
    end = log_end(cluster, session_id)
    assert all(f.replica is not None and f.replica.index == end for f in followers)
    cluster.forget_behind(session_id, end - LOST)
    await cluster.bury(dead)
    return session_id


@in_virtual_time
async def test_all_shards_go_on_from_what_is_left() -> None:
    """The new owner has more than the journal, and so has who follows it."""
    before = losses()
    async with Cluster(3) as cluster:
        session_id = await lose_with_the_owner(cluster)
        await pass_ms(400)
        assert losses() == before + 2
        owner = cluster.owner_of(session_id)
        (other,) = cluster.others(session_id)
        runner, follower = owner.runner(session_id), await other.follower(session_id)
        assert runner.state.sheet is not None
        assert runner.state.sheet.answered == 0
        assert snapshot(runner.state) == snapshot(follower.state)
        assert runner.state.epoch == 2
        assert owner.all_lines[session_id].heard.count(fx.ShowAnew()) == 1
        assert owner.all_lines[session_id].shown >= 1
        assert other.all_lines[session_id].shown >= 1
        answer(follower, 0)
        await pass_ms(100)
        assert other.all_lines[session_id].results()[-1] == (0, 0)
        await soon(runner.submit(ev.HostEnded()))
        await pass_ms(100)
        assert follower.state.phase is Phase.ENDED
        assert snapshot(runner.state) == snapshot(follower.state)


@in_virtual_time
async def test_an_owner_that_has_never_followed_is_believed() -> None:
    """It comes back under its name, and reads the journal: others had more."""
    async with Cluster(3) as cluster:
        session_id, dead, followers = await asked(cluster)
        cluster.forget_behind(session_id, log_end(cluster, session_id) - LOST)
        await dead.die()
        cluster.shards.remove(dead)
        again = StageShard(cluster, "abc"[ord(dead.members.me.shard) - ord("a")])
        cluster.shards.append(again)
        await again.start()
        assert await again.takeovers.take_over(session_id)
        await pass_ms(400)
        runner = again.runner(session_id)
        assert runner.state.epoch == 2
        for follower in followers:
            assert snapshot(runner.state) == snapshot(follower.state)
        for shard in cluster.others(session_id):
            assert shard.all_lines[session_id].shown >= 1


@in_virtual_time
async def test_what_is_given_back_was_never_lost() -> None:
    """An owner that lives has it: nobody is shown an elder state."""
    async with Cluster(3) as cluster:
        session_id, owner, followers = await asked(cluster)
        session = cluster.journal._sessions[session_id]
        end, log, log_hash = session.last_index, dict(session.log), session.hash
        cluster.forget_behind(session_id, end - LOST)
        for follower in followers:
            follower.suspect()
        await pass_ms(700)
        session.last_index, session.log, session.hash = end, log, log_hash
        runner = owner.runner(session_id)
        await soon(runner.submit(ev.HostAdvanced()))
        await pass_ms(1500)
        for shard, follower in zip(cluster.others(session_id), followers, strict=True):
            assert shard.all_lines[session_id].shown == 0
            assert shard.all_lines[session_id].seqs == [1, 2, 3]
            assert follower.state.epoch == 1
            assert snapshot(runner.state) == snapshot(follower.state)


@in_virtual_time
async def test_an_owner_that_can_not_give_back_goes_on_from_what_is_left() -> None:
    """It is refused by the journal, which still names it: nobody else would come."""
    async with Cluster(2) as cluster:
        session_id, owner, (follower,) = await asked(cluster)
        cluster.forget_behind(session_id, log_end(cluster, session_id) - LOST)
        lost = owner.runner(session_id).submit(ev.HostAdvanced())
        await pass_ms(2000)
        assert isinstance(lost.exception(), Refused)
        runner = owner.runner(session_id)
        assert runner.state.sheet is not None
        assert runner.state.sheet.answered == 0
        await soon(follower.submit(ev.HostAdvanced()))
        await pass_ms(100)
        assert runner.state.phase is Phase.REVEAL
        assert snapshot(runner.state) == snapshot(follower.state)
        for shard in cluster.shards:
            assert shard.all_lines[session_id].shown >= 1
            assert shard.all_lines[session_id].closed == []


@in_virtual_time
async def test_a_log_that_was_made_short_has_lost_nothing() -> None:
    """Who has not heard for long is shown the picture; no result is void."""
    before = losses()
    async with Cluster(2) as cluster:
        session_id, owner, (follower,) = await asked(cluster)
        (other,) = cluster.others(session_id)
        owner.relays.drop(other.name)
        runner = owner.runner(session_id)
        for _ in range(3):
            await soon(runner.submit(ev.HostAdvanced()))
        end = log_end(cluster, session_id)
        await save_snapshot(cluster.journal, session_id, runner.term, None)
        assert await cluster.journal.trim(session_id, end) == end
        assert follower.replica is not None
        assert follower.replica.index == end - 3
        await pass_ms(2500)
        assert other.all_lines[session_id].shown == 1
        assert snapshot(runner.state) == snapshot(follower.state)
    assert losses() == before


@in_virtual_time
async def test_the_end_is_heard_also_when_nobody_is_left_to_tell_it() -> None:
    """A session that ended shorter than it was seen, and its owner is gone."""
    async with Cluster(3) as cluster:
        session_id, dead, _ = await asked(cluster)
        cluster.forget_behind(session_id, log_end(cluster, session_id) - LOST)
        cluster.hub.cut()
        await cluster.bury(dead)
        owner = cluster.owner_of(session_id)
        (other,) = cluster.others(session_id)
        follower = await other.follower(session_id)
        runner = owner.runner(session_id)
        await soon(runner.submit(ev.HostEnded()))
        await owner.die()
        cluster.shards.remove(owner)
        await pass_ms(4000)
        assert follower.state.phase is Phase.ENDED
        assert follower.ended.done()


@in_virtual_time
async def test_whose_joining_is_lost_is_nobody() -> None:
    """What is under way of a player that there is not any more counts for nobody."""
    async with Cluster(2) as cluster:
        session_id = await cluster.open()
        dead, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        follower = await other.follower(session_id)
        assert await soon(follower.submit(join("Ann"))) == 0
        follower.came(0)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await pass_ms(LEAD_MS + 100)
        end = log_end(cluster, session_id)
        assert await soon(follower.submit(join("Ben"))) == 1
        follower.came(1)
        cluster.hub.cut()
        answer(follower, 1)
        question = follower.state.question
        assert question is not None
        payload = {"questionId": question.id, "selectedOption": OPTIONS[0]}
        now_ms = cluster.clock.now_ms()
        follower.post(ev.AnswerSubmitted(1, now_ms, payload))
        await pass_ms(50)
        cluster.forget_behind(session_id, end)
        await cluster.bury(dead)
        await pass_ms(100)
        runner = other.runner(session_id)
        assert len(runner.state.names) == 1
        assert set(runner.presence.connected) == {0}
        assert runner.state.sheet is not None
        assert runner.state.sheet.answered == 0

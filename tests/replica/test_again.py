"""Answers that go up more than once count once, and all are told."""

import random
from collections import deque

import pytest

from quizd.replica.again import Numbers
from quizd.replica.messages import Item, Kind
from quizd.replica.outbox import AGAIN_MS, Outbox
from quizd.session import events as ev
from tests.owner.stage import in_virtual_time, pass_ms, settle, soon
from tests.replica.stage import Cluster, StageShard
from tests.replica.test_changing_hands import answer, asking


def deaf_to(shard: StageShard, *kinds: Kind) -> None:
    """Let nothing of these kinds that *shard* says reach anybody."""
    send = shard.exchange.send

    def lose(peer: str, item: Item) -> None:
        if item.kind not in kinds:
            send(peer, item)

    shard.exchange.send = lose  # type: ignore[method-assign]


@in_virtual_time
async def test_the_same_owner_takes_a_batch_once() -> None:
    """Its word on the first one was lost; the player's own repetition is answered."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        owner, follower = cluster.owner_of(session_id), await other.follower(session_id)
        send = owner.exchange.send
        deaf_to(owner, Kind.TAKEN)
        answer(follower, 0)
        await pass_ms(5 * AGAIN_MS)
        lines = other.all_lines[session_id]
        assert lines.results() == [(0, 0)]
        assert lines.repeated == []
        assert follower.waiting == 1
        owner.exchange.send = send  # type: ignore[method-assign]
        answer(follower, 0)
        await pass_ms(2 * AGAIN_MS)
        assert lines.repeated == [(0, 0)]
        assert follower.waiting == 0


@pytest.mark.parametrize("shards", [2, 3])
def test_the_next_owner_keeps_nobody_in_the_dark(shards: int) -> None:
    """What the dead one had made durable is told, also on a line that is new.

    Whoever followed is the next owner, or follows that one.
    """

    @in_virtual_time
    async def play() -> None:
        async with Cluster(shards) as cluster:
            session_id, _ = await asking(cluster)
            owner = cluster.owner_of(session_id)
            others = cluster.others(session_id)
            followers = [await shard.follower(session_id) for shard in others]
            for who, follower in enumerate(followers):
                follower.came(who)
            await pass_ms(300)
            deaf_to(owner, Kind.TAKEN, Kind.PULSE, Kind.REPEAT)
            for who, follower in enumerate(followers):
                answer(follower, who)
            await pass_ms(300)
            for who, (shard, follower) in enumerate(
                zip(others, followers, strict=True)
            ):
                assert shard.all_lines[session_id].results().count((who, 0)) == 1
                follower.came(who)  # on a new line, which says the answer again
                answer(follower, who)
            await pass_ms(300)
            assert not any(shard.all_lines[session_id].repeated for shard in others)
            await cluster.bury(owner)
            await pass_ms(1_500)
            for who, shard in enumerate(others):
                lines = shard.all_lines[session_id]
                assert (who, 0) in lines.repeated
                assert lines.results().count((who, 0)) == 1
                assert lines.refused == []

    play()


@in_virtual_time
async def test_what_the_dead_owner_never_had_counts() -> None:
    """An answer that comes again may be new: it counts, and is told once."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        owner, follower = cluster.owner_of(session_id), await other.follower(session_id)
        cluster.hub.cut()
        answer(follower, 1)
        await pass_ms(100)
        await cluster.bury(owner)
        cluster.hub.mend()
        await pass_ms(300)
        lines = other.all_lines[session_id]
        assert lines.results() == [(1, 0)]
        assert lines.repeated == []
        runner = other.runner(session_id)
        answer(runner, 1)
        await settle()
        assert lines.repeated == [(1, 0)]
        await soon(runner.submit(ev.HostAdvanced()))


def test_batches_are_known_until_there_are_too_many() -> None:
    """Against a list of the latest; the eldest is forgotten first."""
    seed = 7
    rng = random.Random(seed)
    numbers, latest = Numbers(8), deque[int](maxlen=8)
    for number in rng.sample(range(200), 100):
        numbers.add(number)
        latest.append(number)
        assert [n for n in range(200) if n in numbers] == sorted(latest)


def test_a_batch_is_kept_until_it_is_taken() -> None:
    """Each by its own number; what was lost before a later one is not forgotten."""
    sent: list[tuple[int, int]] = []
    outbox = Outbox(lambda answers: sent.append((answers.number, answers.waited_ms)), 9)
    for at_ms in (0, 10, 20):
        outbox.put(b"", [], 1, at_ms)
    outbox.taken(3)
    assert len(outbox) == 2
    outbox.send_again(AGAIN_MS + 5)
    assert sent == [(1, 0), (2, 0), (3, 0), (1, AGAIN_MS + 5)]
    outbox.taken(1)
    outbox.taken(1)
    outbox.taken(2)
    assert len(outbox) == 0

"""Shards that share many sessions tell each other little while nothing happens."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from quizd.replica import rota
from quizd.replica.exchange import PULSE_S
from quizd.replica.follower import UNTOLD_MS
from quizd.replica.messages import BadMessage, Item, Kind, beat, beat_ms
from quizd.replica.owner_time import (
    SILENCE_S,
    WINDOW_S,
    OwnerTime,
    OwnerTimes,
)
from quizd.replica.relay import GONE_MS
from quizd.replica.rota import AT_ONCE, PULSES, Rota
from tests.owner.stage import LoopClock, in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import Cluster, StageShard
from tests.replica.test_again import deaf_to

SESSIONS = 24
PULSE_MS = PULSE_S * 1000


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so few sessions be many."""
    monkeypatch.setattr(rota, "AT_ONCE", 1)


async def many(cluster: Cluster) -> list[str]:
    """Open sessions, and have every shard follow what it does not own."""
    opened = [await cluster.open(f"quiz-{number}") for number in range(SESSIONS)]
    for session_id in opened:
        for other in cluster.others(session_id):
            (await other.follower(session_id)).came(0)
        await soon(cluster.owner_of(session_id).runner(session_id).submit(join("Ann")))
    await pass_ms(PULSE_MS)
    return opened


def told(shard: StageShard) -> Counter[Kind]:
    """Count what *shard* says from now on."""
    counts: Counter[Kind] = Counter()
    send = shard.exchange.send

    def count(peer: str, item: Item) -> None:
        counts[item.kind] += 1
        send(peer, item)

    shard.exchange.send = count  # type: ignore[method-assign]
    return counts


def asked_of(cluster: Cluster) -> list[str]:
    """Return the sessions whose owner the journal is asked for from now on."""
    asked: list[str] = []
    entry = cluster.journal.entry

    async def count(session_id: str) -> object:
        asked.append(session_id)
        return await entry(session_id)

    cluster.journal.entry = count  # type: ignore[assignment,method-assign]
    return asked


# -- turns -----------------------------------------------------------------------------


def test_where_there_are_few_all_have_a_turn() -> None:
    """At every pulse."""
    dealt, names = Rota(), [f"{number}" for number in range(AT_ONCE)]
    assert [dealt.next(names) for _ in range(3)] == [names] * 3
    assert dealt.next([]) == []


@pytest.mark.parametrize("size", [AT_ONCE + 1, 10 * AT_ONCE, 1000, 1003])
def test_where_there_are_many_each_has_one_in_a_round(size: int) -> None:
    """The work is spread evenly over the pulses of a round."""
    dealt, names = Rota(), [f"{number}" for number in range(size)]
    turns: list[list[str]] = []
    while sum(map(len, turns)) < size:
        turns.append(dealt.next(names))
    assert [name for turn in turns for name in turn] == names
    assert len(turns) <= PULSES
    assert max(map(len, turns)) == max(AT_ONCE, -(-size // PULSES))
    assert dealt.next(names) == turns[0]


def test_who_comes_meanwhile_has_a_turn_in_the_same_round() -> None:
    """Behind those who were there; then all begin again."""
    dealt, names = Rota(), [f"{number}" for number in range(2 * AT_ONCE)]
    first, now = dealt.next(names), [*names, "new"]
    assert [*first, *dealt.next(now), *dealt.next(now)] == now
    assert dealt.next(now) == first


@pytest.mark.parametrize("left", [1, AT_ONCE, 400])
def test_who_leaves_takes_no_turn_from_those_who_stay(left: int) -> None:
    """However many there were before: no turn goes to nobody."""
    dealt, names = Rota(), [f"{number}" for number in range(4000)]
    dealt.next(names)
    stay, turns = names[-left:], Counter[str]()
    for _ in range(PULSES):
        turns.update(dealt.next(stay))
    assert set(turns) == set(stay)


# -- what is told ----------------------------------------------------------------------


@pytest.mark.usefixtures("one_at_once")
@in_virtual_time
async def test_idle_sessions_are_told_of_in_turn() -> None:
    """A round for all of them; nobody is forgotten, and nobody asks the journal."""
    async with Cluster(2) as cluster:
        opened = await many(cluster)
        counts = [told(shard) for shard in cluster.shards]
        asked = asked_of(cluster)
        pulses = 4 * GONE_MS / PULSE_MS
        await pass_ms(pulses * PULSE_MS)
        for kind in (Kind.REPORT, Kind.PULSE):
            said = sum(count[kind] for count in counts)
            assert pulses / PULSES - 1 <= said / SESSIONS <= pulses / 4
        beats = sum(count[Kind.BEAT] for count in counts)
        assert beats == pytest.approx(2 * pulses, abs=2)
        assert asked == []
        for session_id in opened:
            assert cluster.owner_of(session_id).runner(session_id).connected == 1


@pytest.mark.usefixtures("one_at_once")
@in_virtual_time
async def test_an_owner_that_is_silent_is_noticed_at_once() -> None:
    """Of all its sessions, though none would have been told of yet."""
    async with Cluster(2) as cluster:
        opened = await many(cluster)
        cluster.hub.cut()
        asked = asked_of(cluster)
        await pass_ms(SILENCE_S * 1000 + 2 * PULSE_MS)
        assert set(asked) == set(opened)


@in_virtual_time
async def test_an_owner_that_lives_and_has_the_session_no_more() -> None:
    """Where the next one's word is lost, the journal says who that is."""
    async with Cluster(3) as cluster:
        session_id = await cluster.open()
        owner, (other, heir) = cluster.owner_of(session_id), cluster.others(session_id)
        # Both have another session in common, so that the elder owner is heard of.
        for number in range(SESSIONS):
            another = await cluster.open(f"quiz-{number}")
            if cluster.owner_of(another) is owner:
                await other.follower(another)
                break
        follower = await other.follower(session_id)
        await settle()
        assert follower.owner == owner.name
        owner.relays.remove(session_id)
        deaf_to(heir, Kind.PULSE)
        assert await heir.takeovers.take_over(session_id)
        await pass_ms(UNTOLD_MS - 2 * PULSE_MS)
        assert follower.owner == owner.name
        await pass_ms(4 * PULSE_MS)
        assert follower.owner == heir.name


@in_virtual_time
async def test_clocks_are_known_by_the_beats() -> None:
    """An owner's clock is one for all of its sessions, whatever they say."""
    async with Cluster(2) as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        follower = await other.follower(session_id)
        await settle()
        owner.exchange.send(other.name, beat(cluster.clock.now_ms() + 700))
        await settle()
        assert follower.now_ms() == cluster.clock.now_ms() + 700


@in_virtual_time
async def test_whoever_attaches_too_early_is_asked_again() -> None:
    """Who the next owner is may be read before that has begun to speak."""
    async with Cluster(3) as cluster:
        session_id = await cluster.open()
        owner = cluster.owner_of(session_id)
        for other in cluster.others(session_id):
            await other.follower(session_id)
        others = cluster.others(session_id)
        for other in others:
            give = other.takeovers._journal.claim

            async def slowly(*words: Any, give: Any = give) -> object:  # noqa: ANN401
                claim = await give(*words)
                await asyncio.sleep(0.3)
                return claim

            other.takeovers._journal.claim = slowly  # type: ignore[assignment,method-assign]
        burying = asyncio.create_task(cluster.bury(owner))
        await pass_ms(100)
        for other in others:
            other.followers.suspect(owner.name)
        await burying
        await pass_ms(2 * PULSE_MS)
        heir, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        assert [*heir.relays._relays[session_id].peers] == [other.name]


@in_virtual_time
async def test_a_clock_that_was_thought_ahead_is_believed_again() -> None:
    """Whether this shard's own clock was set, or the owner's stood still."""
    here, there = LoopClock(), LoopClock()
    time = OwnerTime(here)
    assert time.now_ms() == here.now_ms()
    time.hear(there.now_ms() + 5_000)
    here.not_before(here.now_ms() + 900)
    late_ms = [40, 3, 70, 25]
    for late in late_ms * 20:
        assert time.now_ms() >= there.now_ms() - min(late_ms)
        await pass_ms(PULSE_MS)
        time.hear(there.now_ms() - late)
    assert time.now_ms() == there.now_ms() - min(late_ms)
    await pass_ms(10 * WINDOW_S * 1000)
    time.hear(there.now_ms() - 30)
    assert time.now_ms() == there.now_ms() - 30


@in_virtual_time
async def test_a_silent_clock_is_told() -> None:
    """Once in the time of a silence, as long as it is silent."""
    times = OwnerTimes(LoopClock())
    lives, dead = times.of("lives"), times.of("dead")
    told: list[str] = []
    for _ in range(4):
        await pass_ms(SILENCE_S * 500)
        lives.hear(0)
        told += times.fallen_silent()
    assert told == ["dead", "dead"]
    assert times.of("dead") is dead
    times.forget("dead")
    await pass_ms(SILENCE_S * 1000)
    lives.hear(0)
    assert times.fallen_silent() == []


@in_virtual_time
async def test_the_clock_of_an_owner_that_died_is_forgotten() -> None:
    """Once its sessions have others, whatever was read of it meanwhile."""
    async with Cluster(3) as cluster:
        opened = await many(cluster)
        dead = cluster.owner_of(opened[0])
        await cluster.bury(dead)
        await pass_ms(4 * SILENCE_S * 1000)
        for shard in cluster.shards:
            assert dead.name not in shard.followers._times._times


@pytest.mark.parametrize("body", [b"", b"\0" * 7, b"\0" * 9])
def test_a_beat_that_is_none(body: bytes) -> None:
    """It is eight bytes."""
    assert beat_ms(beat(-5).body) == -5
    with pytest.raises(BadMessage):
        beat_ms(body)

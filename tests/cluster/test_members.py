"""The lease in virtual time: when it is held, lost and regained, and who is told.

Redis is a stand-in here; ``test_members_live.py`` has the real one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from quizd.cluster.base import ClusterUnavailable, LeaseGone
from quizd.cluster.members import LEASES_TO_DIE, Changes, Heed, Member, Members
from quizd.cluster.members_view import View
from tests.cluster.stand_in import START_MS, StandIn
from tests.support import virtual_time

LEASE_S, RENEW_S, MARGIN_S = 1.5, 0.5, 0.15
ME = Member("a", "1", "eu", "a:8080")
OTHER = {"instance": "1", "alive_ms": START_MS, "lease_ms": 1500, "address": "b:1"}


class Stage:
    """A member, the Redis that a test plays for it, and a diary of what it said."""

    def __init__(self) -> None:
        self.redis = StandIn()
        self.diary: list[str] = []
        self.holds_when_told: list[bool] = []
        self.views: list[Changes] = []
        self.members = Members(
            self.redis.client,
            ME,
            heed=Heed(
                on_change=self.views.append,
                on_lost=lambda: self._note("lost"),
                on_regained=lambda certain: self._note(f"regained {certain}"),
                on_evicted=lambda: self._note("evicted"),
            ),
        )

    def _note(self, what: str) -> None:
        self.diary.append(what)
        self.holds_when_told.append(self.members.holds())


Play = Callable[[Stage], Coroutine[Any, Any, None]]


def staged(play: Play) -> Callable[[], None]:
    """Run *play* with a started member, and stop that, in virtual time."""

    async def main() -> None:
        stage = Stage()
        await stage.members.start()
        await play(stage)
        stage.redis.behave = "refuse"
        await stage.members.stop()

    def test() -> None:
        virtual_time.run(main)

    test.__doc__ = play.__doc__
    return test


def now_s() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


# -- holding -------------------------------------------------------------------------


@staged
async def test_a_lease_is_kept_by_renewing(stage: Stage) -> None:
    """Renewals go out twice a second, and nobody is told anything."""
    await asyncio.sleep(60)
    gaps = {
        round(later - sooner, 6)
        for sooner, later in zip(
            stage.redis.sent_s, stage.redis.sent_s[1:], strict=False
        )
    }
    assert gaps == {RENEW_S}
    assert stage.members.holds()
    assert stage.diary == []
    await stage.members.held()


@staged
async def test_the_deadline_counts_from_before_sending(stage: Stage) -> None:
    """However long the answer takes, the lease ends one lease after the sending."""

    async def slowly() -> None:
        await asyncio.sleep(0.4)

    stage.redis.before_answer = slowly
    await asyncio.sleep(10)
    end_s = stage.redis.sent_s[-1] + LEASE_S - MARGIN_S
    if now_s() < stage.redis.sent_s[-1] + 0.4:
        end_s -= RENEW_S
    assert stage.members.deadline_s == pytest.approx(end_s)
    assert stage.diary == []


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_it_is_lost_at_the_deadline_and_regained_by_renewing(how: str) -> None:
    """While Redis is away the lease runs out, to the tick; then it comes back."""

    @staged
    async def play(stage: Stage) -> None:
        stage.redis.behave = how
        await asyncio.sleep(stage.members.deadline_s - now_s() - 0.001)
        assert stage.members.holds()
        assert stage.diary == []
        await asyncio.sleep(0.002)
        assert not stage.members.holds()
        assert stage.diary == ["lost"]
        waiting = asyncio.create_task(stage.members.held())
        await asyncio.sleep(30)
        assert not waiting.done()
        assert stage.diary == ["lost"]
        assert stage.members.failures > 30 / LEASE_S
        stage.redis.behave = "ok"
        await asyncio.wait_for(waiting, LEASE_S)
        assert stage.members.holds()
        assert stage.diary == ["lost", "regained True"]

    play()


@staged
async def test_the_sessions_are_told_before_anybody_may_act(stage: Stage) -> None:
    """Whoever is told that the lease is back can prepare before it counts."""
    stage.redis.behave = "refuse"
    await asyncio.sleep(3)
    stage.redis.behave = "ok"
    await stage.members.held()
    assert stage.diary == ["lost", "regained True"]
    assert stage.holds_when_told == [False, False]


@staged
async def test_while_redis_is_away_it_is_tried_more_often(stage: Stage) -> None:
    """A Redis that is back gives the lease back within a fifth of a renewal's time."""
    for _ in range(5):
        stage.redis.behave = "refuse"
        await asyncio.sleep(3.33)
        stage.redis.behave = "ok"
        began_s = now_s()
        await stage.members.held()
        assert now_s() - began_s <= RENEW_S / 5 + 0.001


@staged
async def test_one_lost_renewal_costs_nothing(stage: Stage) -> None:
    """A renewal that hangs is given up early enough for the next one to be in time."""
    for _ in range(5):
        stage.redis.behave = "hang"
        await asyncio.sleep(stage.redis.sent_s[-1] + RENEW_S + 0.1 - now_s())
        stage.redis.behave = "ok"
        await asyncio.sleep(3.2)
    assert stage.members.failures == 5
    assert stage.diary == []


@staged
async def test_after_a_stop_of_the_process_nothing_is_held(stage: Stage) -> None:
    """Time that passed unseen ends the lease before anything else is run.

    The answer that was on its way meanwhile is too old to give it back.
    """
    loop = asyncio.get_running_loop()
    seen: list[bool] = []

    async def stop_the_process() -> None:
        stage.redis.before_answer = at_once
        loop._now_s += 10  # type: ignore[attr-defined]
        seen.append(stage.members.holds())

    async def at_once() -> None:
        seen.append(stage.members.holds())

    stage.redis.before_answer = stop_the_process
    await asyncio.sleep(0.6)
    await stage.members.held()
    assert seen[:2] == [False, False]
    assert stage.diary == ["lost", "regained True"]


# -- coming back ---------------------------------------------------------------------


@staged
async def test_a_verdict_meanwhile_is_told(stage: Stage) -> None:
    """Who was declared dead is told that its sessions may be another's."""
    stage.redis.behave = "refuse"
    await asyncio.sleep(3)
    stage.redis.behave = "ok"
    stage.redis.since_ms += 3000
    await stage.members.held()
    assert stage.diary == ["lost", "regained False"]


@staged
async def test_a_verdict_is_told_even_if_its_answer_was_late(stage: Stage) -> None:
    """What a renewal said that gave no lease back is remembered until one does."""
    loop = asyncio.get_running_loop()
    stage.redis.behave = "refuse"
    await asyncio.sleep(3)

    async def stop_the_process() -> None:
        stage.redis.before_answer = at_once
        loop._now_s += 1.4  # type: ignore[attr-defined]

    async def at_once() -> None:
        assert stage.members._standing.since_ms == START_MS + 3000

    stage.redis.before_answer = stop_the_process
    stage.redis.since_ms += 3000
    stage.redis.behave = "ok"
    await stage.members.held()
    assert stage.diary == ["lost", "regained False"]


@staged
async def test_a_verdict_is_told_once(stage: Stage) -> None:
    """After the next loss, only what happened since then counts."""
    for since_ms in (3000, 3000, 9000):
        stage.redis.behave = "refuse"
        await asyncio.sleep(3)
        stage.redis.behave = "ok"
        stage.redis.since_ms = START_MS + since_ms
        await stage.members.held()
    regained = [line for line in stage.diary if line != "lost"]
    assert regained == ["regained False", "regained True", "regained False"]


@staged
async def test_who_never_lost_the_lease_has_lost_nothing(stage: Stage) -> None:
    """Redis forgetting the record under a lease that is held changes nothing."""
    stage.redis.since_ms += 700
    await asyncio.sleep(1)
    stage.redis.behave = "refuse"
    await asyncio.sleep(3)
    stage.redis.behave = "ok"
    await stage.members.held()
    assert stage.diary == ["lost", "regained True"]


def test_a_namesake_on_another_machine_is_left_alone() -> None:
    """Who comes waits as long as it could take to die, then says where it is."""

    async def play() -> None:
        stage, begun_s = Stage(), now_s()
        stage.redis.taken_by = OTHER
        with pytest.raises(
            ClusterUnavailable, match="a runs on another machine, at b:"
        ):
            await stage.members.start()
        patience_s = LEASES_TO_DIE * (LEASE_S - MARGIN_S)
        assert now_s() - begun_s == pytest.approx(patience_s, abs=0.2)
        assert not stage.members.holds()
        assert stage.diary == []

    virtual_time.run(play)


def test_a_namesake_that_dies_is_waited_for() -> None:
    """Its place is taken as soon as it is free, without a word."""

    async def play() -> None:
        stage, begun_s = Stage(), now_s()
        stage.redis.taken_by = OTHER
        starting = asyncio.create_task(stage.members.start())
        await asyncio.sleep(2)
        stage.redis.taken_by = None
        await starting
        assert now_s() - begun_s < 2 + RENEW_S
        assert stage.members.holds()
        await stage.members.stop()

    virtual_time.run(play)


@staged
async def test_an_answer_that_cannot_be_read_is_none(stage: Stage) -> None:
    """The lease runs out, and renewing goes on until there is one that can be."""
    answer = stage.redis._answer
    stage.redis._answer = lambda *_: b"[]"  # type: ignore[method-assign]
    await asyncio.sleep(3)
    assert stage.diary == ["lost"]
    stage.redis._answer = answer  # type: ignore[method-assign]
    await asyncio.sleep(RENEW_S)
    assert stage.members.holds()


# -- the end -------------------------------------------------------------------------


@staged
async def test_a_replaced_instance_ends(stage: Stage) -> None:
    """It never holds again, says so, wakes who waits, and renews no more."""
    stage.redis.evicted = True
    await asyncio.sleep(0.6)
    assert stage.diary == ["lost", "evicted"]
    assert not stage.members.holds()
    with pytest.raises(LeaseGone, match="a/1 was replaced"):
        await stage.members.held()
    stage.redis.evicted = False
    sent = len(stage.redis.sent_s)
    await asyncio.sleep(10)
    assert len(stage.redis.sent_s) == sent
    assert not stage.members.holds()
    stage.redis.behave = "ok"
    await stage.members.stop()
    assert stage.redis.removed == 0


@staged
async def test_who_waits_for_a_lost_lease_hears_of_the_end(stage: Stage) -> None:
    """A wait that will never end is ended."""
    stage.redis.behave = "refuse"
    await asyncio.sleep(3)
    waiting = asyncio.create_task(stage.members.held())
    await asyncio.sleep(1)
    assert not waiting.done()
    stage.redis.behave, stage.redis.evicted = "ok", True
    with pytest.raises(LeaseGone, match="replaced"):
        await asyncio.wait_for(waiting, LEASE_S)
    assert stage.diary == ["lost", "evicted"]


@staged
async def test_stopping_gives_the_lease_back(stage: Stage) -> None:
    """Nothing is held before others hear of it, nobody is alarmed, and waiters end."""
    held: list[bool] = []

    async def removing() -> None:
        held.append(stage.members.holds())

    stage.redis._reach = removing  # type: ignore[method-assign]
    await stage.members.stop()
    await stage.members.stop()
    assert held == [False]
    assert stage.redis.removed == 1
    with pytest.raises(LeaseGone, match="stopped"):
        await stage.members.held()
    await asyncio.sleep(10)
    assert stage.diary == []


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_stopping_does_not_wait_for_redis(how: str) -> None:
    """Without Redis, stopping takes half a lease at most and raises nothing."""

    @staged
    async def play(stage: Stage) -> None:
        stage.redis.behave = how
        began_s = now_s()
        await stage.members.stop()
        assert now_s() - began_s <= LEASE_S / 2

    play()


# -- starting ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_starting_without_redis_is_refused_after_a_lease(how: str) -> None:
    """It is tried for about a lease; then the cluster is unavailable."""

    async def main() -> None:
        stage = Stage()
        stage.redis.behave = how
        began_s = now_s()
        with pytest.raises(ClusterUnavailable):
            await stage.members.start()
        assert LEASE_S - MARGIN_S <= now_s() - began_s <= 2 * LEASE_S
        assert not stage.members.holds()
        await stage.members.stop()
        assert stage.diary == []

    virtual_time.run(main)


def test_starting_waits_for_redis() -> None:
    """A Redis that comes up in time is enough; only the first view is told."""

    async def main() -> None:
        stage = Stage()
        stage.redis.behave = "refuse"
        starting = asyncio.create_task(stage.members.start())
        await asyncio.sleep(1)
        stage.redis.behave = "ok"
        await starting
        assert stage.members.holds()
        assert stage.diary == []
        assert [m.owner for change in stage.views for m in change.joined] == ["a/1"]
        await stage.members.stop()

    virtual_time.run(main)


def test_before_the_start_nothing_is_held() -> None:
    """A member that has not started may not act and knows nobody."""
    members = Members(StandIn().client, ME)
    assert not members.holds()
    assert members.live() == ()
    assert members.orphans([("s", "b/1")]) == []


@pytest.mark.parametrize(
    "options", [{"renew_ms": 501}, {"renew_ms": 0}, {"lease_ms": 1000}]
)
def test_a_lease_without_room_for_renewals_is_refused(options: dict[str, int]) -> None:
    """Fewer than three renewals in a lease would lose it by bad luck."""
    with pytest.raises(ValueError, match="three renewals"):
        Members(StandIn().client, ME, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shard", "instance"), [("", "1"), ("a", ""), ("a/b", "1"), (":watch", "1")]
)
def test_names_that_could_be_taken_for_others_are_refused(
    shard: str, instance: str
) -> None:
    """Shards and instances have names that can stand in keys and in owners."""
    with pytest.raises(ValueError, match="is not made of"):
        Members(StandIn().client, Member(shard, instance, "eu", "a:1"))


# -- who lives -----------------------------------------------------------------------


@staged
async def test_nothing_is_decided_while_redis_is_away(stage: Stage) -> None:
    """The view stays, and nothing is an orphan before the lease is back."""
    entries = [("one", "a/1"), ("two", "b/1"), ("three", "z/1")]
    stage.redis.others = {"b": OTHER}
    await asyncio.sleep(RENEW_S + 0.1)
    mine = ["three"] if stage.members.ring().owner("three") == "a" else []
    assert stage.members.orphans(entries) == mine
    stage.redis.behave, stage.redis.others = "refuse", {}
    told = len(stage.views)
    await asyncio.sleep(60)
    assert [m.shard for m in stage.members.live()] == ["a", "b"]
    assert stage.members.orphans(entries) == []
    assert len(stage.views) == told
    stage.redis.behave, stage.redis.watched_ms = "ok", 0
    await stage.members.held()
    assert not stage.members.settled
    assert [m.shard for m in stage.members.live()] == ["a", "b"]
    assert stage.members.orphans(entries) == []
    stage.redis.watched_ms = 1500
    await asyncio.sleep(RENEW_S + 0.1)
    assert stage.members.orphans(entries) == ["two", "three"]
    gone = [m.owner for change in stage.views for m in change.gone]
    assert gone == ["b/1"]
    assert stage.views[-1].settled


@staged
async def test_leaving_is_told_at_once_and_again(stage: Stage) -> None:
    """Who leaves says so with every renewal, lives on, and is in no ring."""
    await stage.members.leave()
    assert [m.leaving for m in stage.members.live()] == [True]
    assert stage.members.ring().shards == ()
    assert stage.members.orphans([("s", "z/1")]) == []
    await asyncio.sleep(3)
    assert stage.members.holds()
    assert [m.leaving for m in stage.members.live()] == [True]
    assert [m.owner for change in stage.views for m in change.leaving] == ["a/1"]


@staged
async def test_leaving_without_redis_is_made_up_for(stage: Stage) -> None:
    """If it could not be told, the next renewal tells it."""
    stage.redis.behave = "refuse"
    await stage.members.leave()
    assert [m.leaving for m in stage.members.live()] == [False]
    stage.redis.behave = "ok"
    await asyncio.sleep(RENEW_S + 0.1)
    assert [m.leaving for m in stage.members.live()] == [True]


@staged
async def test_a_callback_that_fails_costs_no_lease(stage: Stage) -> None:
    """What is called may raise; renewals go on, and the next call is made."""
    calls = 0

    def fail(_: Changes) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("not our business")

    stage.members._heed = Heed(on_change=fail)
    stage.redis.others = {"b": OTHER}
    await asyncio.sleep(1)
    stage.redis.others = {}
    await asyncio.sleep(1)
    assert calls == 2
    assert stage.members.holds()


def test_a_view_is_not_settled_by_itself() -> None:
    """What a new member knows at first is nothing to take sessions over by."""
    assert View() == View((), settled=False)


# -- looking anew --------------------------------------------------------------------


@staged
async def test_a_refreshed_view_is_not_older_than_the_call(stage: Stage) -> None:
    """Who has just joined is in it, and all who ask at once share the renewals."""
    await asyncio.sleep(0.1)
    stage.redis.others = {"b": OTHER}
    sent = len(stage.redis.sent_s)
    assert [m.shard for m in stage.members.live()] == ["a"]
    await asyncio.gather(*(stage.members.refresh() for _ in range(50)))
    assert [m.shard for m in stage.members.live()] == ["a", "b"]
    assert len(stage.redis.sent_s) - sent <= 2


@staged
async def test_a_refreshed_view_is_settled(stage: Stage) -> None:
    """Where a cluster begins, the others have the time to come."""
    stage.redis.watched_ms = 0
    await asyncio.sleep(RENEW_S + 0.1)
    refreshing = asyncio.create_task(stage.members.refresh())
    await asyncio.sleep(RENEW_S)
    stage.redis.others = {"b": OTHER}
    await asyncio.sleep(RENEW_S)
    assert not refreshing.done()
    stage.redis.watched_ms = 1500
    await refreshing
    assert stage.members.settled
    assert [m.shard for m in stage.members.live()] == ["a", "b"]


@pytest.mark.parametrize("how", ["refuse", "hang", "unsettled"])
def test_a_view_that_cannot_be_refreshed_is_no_view(how: str) -> None:
    """Nothing new is given to anybody while it is not certain who lives."""

    @staged
    async def play(stage: Stage) -> None:
        if how == "unsettled":
            stage.redis.watched_ms = 0
            await asyncio.sleep(RENEW_S + 0.1)
        else:
            stage.redis.behave = how
            await asyncio.sleep(0.1)
        began_s = now_s()
        with pytest.raises(ClusterUnavailable):
            await stage.members.refresh()
        assert now_s() - began_s <= 2 * LEASE_S + 0.1

    play()


@staged
async def test_nothing_is_renewed_for_who_is_not_awake(stage: Stage) -> None:
    """The lease ends as if the process were dead, and comes back when it wakes up."""
    awake = False
    stage.members._heed = replace(stage.members._heed, is_awake=lambda: awake)
    sent = len(stage.redis.sent_s)
    await asyncio.sleep(2 * LEASE_S)
    assert len(stage.redis.sent_s) == sent
    assert stage.diary == ["lost"]
    awake = True
    await stage.members.held()
    assert stage.diary == ["lost", "regained True"]

"""Who comes to a shard while a session is on its way there, or nobody plays there."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest

from quizd.codes import Close, Reason, Refused
from quizd.edge.hub import Hub
from quizd.journal.base import Claim, JournalUnavailable
from quizd.owner.handle import Handle
from quizd.owner.presence import HERE
from quizd.replica.followers import Followed
from quizd.replica.messages import Item, Kind
from quizd.replica.takeovers import Takeovers
from quizd.session import events as ev
from quizd.session.state import State
from quizd.settings import Settings
from tests.owner.stage import in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import Cluster, NamedJournal, StageShard
from tests.replica.test_changing_hands import answer, asking
from tests.session.play import quiz
from tests.support.wires import Caller

A_WHILE_S = 70.0
CLAIM_S = 0.02
PLAYERS = 50

Claiming = Callable[[NamedJournal, str, int], Awaitable[Claim]]


def slow_claims(monkeypatch: pytest.MonkeyPatch, failures: int = 0) -> None:
    """Let a claim take time before it counts, and as much after it, or fail first."""
    claim: Claiming = NamedJournal.claim
    left = [failures]

    async def slow(self: NamedJournal, session_id: str, now_ms: int) -> Claim:
        await asyncio.sleep(CLAIM_S)
        if left[0]:
            left[0] -= 1
            raise JournalUnavailable("Redis is away")
        claimed = await claim(self, session_id, now_ms)
        await asyncio.sleep(CLAIM_S)
        return claimed

    monkeypatch.setattr(NamedJournal, "claim", slow)


@pytest.mark.parametrize("failures", [0, 1])
def test_who_comes_during_a_takeover(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines stay up, and those that come are where the session is run from then on."""
    slow_claims(monkeypatch, failures)

    @in_virtual_time
    async def play() -> None:
        async with Cluster() as cluster:
            session_id, other = await asking(cluster)
            lines = other.all_lines[session_id]
            burying = asyncio.create_task(cluster.bury(cluster.owner_of(session_id)))
            await asyncio.sleep(CLAIM_S / 2)
            handle = await soon(asyncio.create_task(other.sessions.session(session_id)))
            assert other.sessions.find_here("colours") is handle
            joining = handle.submit(join("Late"))
            await burying
            await pass_ms(2000)
            assert lines.closed == []
            assert other.all_lines[session_id] is lines
            assert lines.handle is other.sessions.known(session_id)
            assert other.followers.get(session_id) is None
            assert await soon(joining) == 3
            assert await soon(handle.submit(join("Later"))) == 4
            await soon(other.runner(session_id).submit(ev.HostAdvanced()))
            await settle()
            assert lines.seqs == [1, 2, 3]
            await asyncio.sleep(A_WHILE_S)
            assert other.all_lines[session_id] is lines

    play()


@pytest.mark.parametrize("came_s", [CLAIM_S / 2, CLAIM_S * 3 / 2])
def test_who_is_the_first_to_come_during_a_takeover(
    came_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not come again, and its line is the one that the session has here."""
    slow_claims(monkeypatch)

    @in_virtual_time
    async def play() -> None:
        async with Cluster() as cluster:
            session_id = await cluster.open()
            owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
            who = await soon(owner.runner(session_id).submit(join("Ann")))
            assert who is not None
            await asyncio.sleep(A_WHILE_S)
            assert session_id not in other.all_lines
            burying = asyncio.create_task(cluster.bury(owner))
            await asyncio.sleep(came_s)
            follower = await other.follower(session_id)
            lines = other.all_lines[session_id]
            follower.came(who)
            await burying
            await pass_ms(1000)
            runner = other.runner(session_id)
            assert (lines.closed, lines.replaced, lines.shown) == ([], [], 1)
            assert lines.handle is runner
            assert runner.presence.connected == {who: HERE}
            await soon(runner.submit(ev.HostStarted()))
            await settle()
            assert lines.seqs == [1]
            await asyncio.sleep(A_WHILE_S)
            assert other.all_lines[session_id] is lines

    play()


def test_who_is_not_known_yet_is_not_waited_for_longer_than_a_takeover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The new owner knows who is in, whatever this shard had heard of it before."""
    slow_claims(monkeypatch)

    @in_virtual_time
    async def play() -> None:
        async with Cluster() as cluster:
            session_id, other = await asking(cluster)
            taking = asyncio.create_task(other.takeovers.take_over(session_id))
            await asyncio.sleep(CLAIM_S / 2)
            runner = cluster.owner_of(session_id).runner(session_id)
            who = await soon(runner.submit(join("Ann")))
            assert who == 3
            known = (await other.follower(session_id)).expect(who)
            await settle()
            assert not known.done()
            assert await taking
            assert known.done()
            assert len(other.runner(session_id).state.names) == 4

    play()


@in_virtual_time
async def test_an_owner_that_was_asked_too_early_follows_nothing() -> None:
    """Its connections stay known, also when nobody has come for long."""
    for _ in range(5):
        async with Cluster(3) as cluster:
            first, *_ = await asyncio.gather(
                *(shard.sessions.open("colours", quiz()) for shard in cluster.shards)
            )
            session_id = first.state.session_id
            owner = cluster.owner_of(session_id)
            assert owner.followers.get(session_id) is None
            await asyncio.sleep(A_WHILE_S)
            assert owner.all_lines[session_id].handle is owner.runner(session_id)


@in_virtual_time
async def test_a_shard_does_not_follow_itself() -> None:
    """Whoever followed a session that is ours now has said so too late."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner = cluster.owner_of(session_id)
        runner = owner.runner(session_id)
        who = await soon(runner.submit(join("Ann")))
        assert who is not None
        runner.came(who)
        late = orjson.dumps({"here": [(who, runner.now_ms())]})
        owner.exchange.send(owner.name, Item(Kind.ATTACH, session_id, late))
        await settle()
        assert runner.presence.connected == {who: HERE}
        assert owner.all_lines[session_id].replaced == []


def test_a_host_alone_at_a_shard_goes_on_to_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session is followed for hosts as for players, and their commands arrive."""

    def lines(self: StageShard, session_id: str, handle: Handle) -> Hub:
        hub = Hub(handle, Settings())
        self.all_lines[session_id] = hub  # type: ignore[assignment]
        return hub

    monkeypatch.setattr(StageShard, "lines", lines)

    @in_virtual_time
    async def play() -> None:
        async with Cluster() as cluster:
            session_id = await cluster.open()
            other = cluster.others(session_id)[0]
            await other.follower(session_id)
            host = Caller.host(other.all_lines[session_id])  # type: ignore[arg-type]
            await asyncio.sleep(A_WHILE_S)
            assert session_id in other.all_lines
            host.got()
            host.send("host_start")
            await settle()
            assert "quiz_starting" in host.kinds()
            host.down()
            await asyncio.sleep(A_WHILE_S)
            assert session_id not in other.all_lines

    play()


def answered(state: State) -> int:
    """Return how many have answered the open question."""
    assert state.sheet is not None
    return state.sheet.answered


@pytest.mark.parametrize("moves", [False, True], ids=["quiet", "one leaves"])
def test_no_answer_under_way_is_lost_at_a_takeover(
    *, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where something is to be told to the owner in the very last moment."""
    caught_up = Takeovers._caught_up

    async def caught_up_meanwhile(
        self: Takeovers, session_id: str, followed: Followed, claim: Claim
    ) -> object:
        found = await caught_up(self, session_id, followed, claim)
        if moves:
            followed.follower.went(PLAYERS - 1)
        return found

    @in_virtual_time
    async def play() -> None:
        async with Cluster() as cluster:
            session_id, other = await asking(cluster, PLAYERS)
            follower = await other.follower(session_id)
            dead = cluster.owner_of(session_id)
            cluster.hub.cut()
            for who in range(PLAYERS - 1):
                answer(follower, who)
            await pass_ms(300)
            monkeypatch.setattr(Takeovers, "_caught_up", caught_up_meanwhile)
            await cluster.bury(dead)
            cluster.hub.mend()
            await pass_ms(2000)
            results = other.all_lines[session_id].results()
            assert sorted(who for who, _ in results) == list(range(PLAYERS - 1))

    play()


@in_virtual_time
async def test_who_holds_the_follower_is_told_what_the_runner_tells() -> None:
    """What is not durable yet is not seen, and who is expected is known."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        follower = await other.follower(session_id)
        await cluster.bury(cluster.owner_of(session_id))
        await pass_ms(500)
        runner = other.runner(session_id)
        cluster.journal.hold()
        answer(runner, 0)
        await settle()
        seen: list[int] = []
        follower.look(lambda state: seen.append(answered(state)))
        reading = follower.read(answered)
        await settle()
        assert seen == []
        assert not reading.done()
        cluster.journal.release()
        assert await soon(reading) == 1
        assert seen == [1]
        assert follower.expect(99).done()
        assert follower.state is runner.state


@in_virtual_time
async def test_who_is_expected_at_a_session_that_is_given_up_is_told() -> None:
    """Nobody waits until the end of patience, before it or after it."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        follower = await other.follower(session_id)
        cluster.hub.cut()
        waiting = follower.expect(9)
        await settle()
        assert not waiting.done()
        refused = Refused(Reason.SESSION_NOT_FOUND)
        follower.fail(refused, Close.SESSION_NOT_FOUND)
        assert waiting.exception() is refused
        assert follower.expect(9).exception() is refused


@in_virtual_time
async def test_who_is_expected_at_a_shard_that_stops_is_told() -> None:
    """They may come to another one."""
    async with Cluster() as cluster:
        session_id, other = await asking(cluster)
        cluster.hub.cut()
        waiting = (await other.follower(session_id)).expect(9)
        other.followers.stop()
        told = waiting.exception()
        assert isinstance(told, Refused)
        assert told.reason is Reason.SHARD_UNAVAILABLE

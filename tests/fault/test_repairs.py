"""Repairs between shards, one by one, in virtual time."""

import asyncio

import pytest

from quizd._fast.inbox import Inbox
from quizd.journal.base import JournalUnavailable, Unknown
from quizd.owner.outage import Outage
from quizd.session import events as ev
from tests.owner.stage import in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import Cluster
from tests.session.play import OPTIONS

END_MS = 100_000
LENGTH_MS = 2_000


def test_answers_keep_their_time_across_an_outage() -> None:
    """From before: by as much later; from within: as at its beginning; later: as is."""
    outage = Outage(END_MS, LENGTH_MS)
    assert outage.counted_ms(END_MS - 5_000) == END_MS - 3_000
    assert outage.counted_ms(END_MS - LENGTH_MS) == END_MS
    assert outage.counted_ms(END_MS - 500) == END_MS
    assert outage.counted_ms(END_MS) == END_MS
    assert outage.counted_ms(END_MS + 7) == END_MS + 7


def test_a_whole_inbox_is_moved_on() -> None:
    """Each answer by itself, with all its texts."""
    inbox = Inbox(10, lambda: None)
    inbox.add(3, END_MS - 5_000, b"q1", b"north", b"then")
    inbox.add(70_000, END_MS - 500, b"question-2", b"", b"")
    Outage(END_MS, LENGTH_MS).move_on(inbox)
    moved = Inbox(10, lambda: None)
    moved.add(3, END_MS - 3_000, b"q1", b"north", b"then")
    moved.add(70_000, END_MS, b"question-2", b"", b"")
    assert inbox.pack(END_MS) == moved.pack(END_MS)


@in_virtual_time
async def test_an_answer_during_an_outage_counts_as_at_its_beginning() -> None:
    """Long after the question's end by the clock that nobody kept."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        other = cluster.others(session_id)[0]
        follower = await other.follower(session_id)
        who = await soon(follower.submit(join("Ann")))
        assert who == 0
        follower.came(who)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await pass_ms(1_300)
        question, sheet = follower.state.question, follower.state.sheet
        assert question is not None
        assert sheet is not None
        dead, died_ms = cluster.owner_of(session_id), follower.now_ms()
        elapsed_ms = died_ms - sheet.start_ms
        await dead.die()
        await pass_ms(sheet.end_ms - died_ms + 3_000)
        text = OPTIONS[0].encode()
        follower.inbox.add(0, follower.now_ms(), question.id.encode(), text)
        await pass_ms(2_000)
        await cluster.bury(dead)
        await pass_ms(500)
        lines = other.all_lines[session_id]
        assert lines.refused == []
        assert lines.results() == [(0, 0)]
        sheet = other.runner(session_id).state.sheet
        assert sheet is not None
        received_ms, *_ = sheet.result(0)
        assert abs(received_ms - sheet.start_ms - elapsed_ms) <= 1_000


@in_virtual_time
async def test_a_new_follower_is_not_given_the_replies_of_the_last() -> None:
    """A shard follows, lets go, and follows again: its joins are new ones."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        other = cluster.others(session_id)[0]
        first = await other.follower(session_id)
        assert await soon(first.submit(join("Ann"))) == 0
        other.followers.stop()
        await pass_ms(100)
        second = await other.follower(session_id)
        assert second is not first
        assert await soon(second.submit(join("Ben"))) == 1
        assert second.state.names == ["Ann", "Ben"]


@in_virtual_time
async def test_what_the_owner_has_missed_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages go astray one way only; the next one tells, and the owner asks."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, other = cluster.owner_of(session_id), cluster.others(session_id)[0]
        follower = await other.follower(session_id)
        await soon(follower.submit(join("Ann")))
        await settle()
        with monkeypatch.context() as astray:
            astray.setattr(other.link, "publish", lambda *_: None)
            follower.came(0)
            joining = follower.submit(join("Ben"))
            await settle()
        await pass_ms(600)
        assert set(owner.runner(session_id).presence.connected) == {0}
        assert await soon(joining) == 1


@in_virtual_time
async def test_an_elder_line_that_is_told_of_late_is_closed() -> None:
    """A shard was cut off; its player has come back elsewhere meanwhile."""
    async with Cluster(3) as cluster:
        session_id = await cluster.open()
        owner, others = cluster.owner_of(session_id), cluster.others(session_id)
        runner = owner.runner(session_id)
        cut_off, second = [await each.follower(session_id) for each in others]
        await soon(runner.submit(join("Ann")))
        await settle()
        cut_off.came(0)
        await pass_ms(100)
        owner.relays.drop(others[0].name)
        await pass_ms(100)
        second.came(0)
        await settle()
        await pass_ms(1_500)  # silence: it attaches again, with its elder line
        assert runner.presence.place_of(0) == others[1].name
        assert others[0].all_lines[session_id].replaced == [0]
        assert others[1].all_lines[session_id].replaced == []


@in_virtual_time
async def test_what_waits_at_a_fenced_owner_is_done_by_the_next() -> None:
    """A connection that waits for its picture gets it, an answer its result."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        old, other = cluster.owner_of(session_id), cluster.others(session_id)[0]
        runner = old.runner(session_id)
        for name in ("Ann", "Ben"):
            who = await soon(runner.submit(join(name)))
            assert who is not None
            runner.came(who)
        await soon(runner.submit(ev.HostStarted()))
        await soon(runner.submit(ev.HostAdvanced()))
        await pass_ms(400)
        question = runner.state.question
        assert question is not None
        assert await other.takeovers.take_over(session_id)
        await settle()
        seen: list[str] = []
        lines, now_ms = old.all_lines[session_id], runner.now_ms()
        payload = {"questionId": question.id, "selectedOption": OPTIONS[0]}
        runner.post(ev.AnswerSubmitted(0, now_ms, payload))
        await asyncio.sleep(0)
        runner.post(ev.AnswerSubmitted(1, now_ms, payload))
        runner.look(lambda state: seen.append(state.phase))
        await pass_ms(1_500)
        assert seen == ["question"]
        told = {who for who, _ in lines.results()} | {who for who, _ in lines.refused}
        assert told == {0, 1}
        assert {why for _, why in lines.refused} <= {"shard_unavailable"}


@in_virtual_time
async def test_a_takeover_that_fails_halfway_is_tried_again() -> None:
    """The claim was kept, so that nobody else would look for an owner."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        other = cluster.others(session_id)[0]
        await other.follower(session_id)
        soon_again = asyncio.Event()
        other.takeovers.on_unfinished = soon_again.set
        read, failing = cluster.journal.read, True

        def read_or_fail(*args: int) -> object:
            if failing:
                raise JournalUnavailable("away")
            return read(*args)  # type: ignore[arg-type]

        cluster.journal.read = read_or_fail  # type: ignore[method-assign,assignment]
        await cluster.bury(cluster.owner_of(session_id))
        assert soon_again.is_set()
        assert other.owner.known(session_id) is None
        failing = False
        assert await other.takeovers.take_orphans() == 1
        assert cluster.owner_of(session_id) is other


@in_virtual_time
async def test_a_journal_without_the_session_is_asked_again() -> None:
    """A Redis that came back empty is given everything back by the owner."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        other = cluster.others(session_id)[0]
        follower = await other.follower(session_id)
        entry = cluster.journal.entry
        asked = 0

        async def entry_or_unknown(name: str) -> object:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise Unknown(name)
            return await entry(name)

        cluster.journal.entry = entry_or_unknown  # type: ignore[method-assign,assignment]
        follower.suspect()
        await pass_ms(1_500)
        assert asked == 2
        assert other.all_lines[session_id].closed == []

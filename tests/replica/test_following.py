"""A follower's players see and do what the owner's do."""

import asyncio

from quizd.replica.follower import Follower
from quizd.replica.waiters import LATE_MS
from quizd.session import effects as fx
from quizd.session import events as ev
from tests.owner.stage import in_virtual_time, join, pass_ms, settle, soon
from tests.replica.stage import Cluster
from tests.session.play import OPTIONS
from tests.session.snapshot import snapshot

LEAD_MS = 300


@in_virtual_time
async def test_both_sides_hear_the_same_and_are_in_the_same_state() -> None:
    """Joins and commands come from either side; the effects are equal."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        runner = owner.runner(session_id)
        follower = await other.follower(session_id)
        await settle()
        assert await soon(runner.submit(join("Ann"))) == 0
        assert await soon(follower.submit(join("Ben"))) == 1
        runner.came(0)
        follower.came(1)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await settle()
        assert runner.state.phase == follower.state.phase == "question"
        heard = other.all_lines[session_id].heard
        assert heard == owner.all_lines[session_id].heard[-len(heard) :]
        assert other.all_lines[session_id].seqs == [1, 2]
        assert snapshot(runner.state) == snapshot(follower.state)
        assert set(runner.presence.connected) == {0, 1}
        sheet = runner.state.sheet
        assert sheet is not None
        assert sheet.start_ms >= cluster.clock.now_ms() + LEAD_MS - 50


@in_virtual_time
async def test_answers_of_a_follower_count_and_are_answered() -> None:
    """By option from the inbox, in general form, wrong ones and repeated ones."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        runner, follower = owner.runner(session_id), await other.follower(session_id)
        for name in ("Ann", "Ben", "Cid", "Dan"):
            who = await soon(follower.submit(join(name)))
            assert who is not None
            follower.came(who)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await pass_ms(LEAD_MS + 100)
        question = runner.state.question
        assert question is not None
        options = OPTIONS
        now_ms = cluster.clock.now_ms()
        identity = question.id.encode()
        follower.inbox.add(0, now_ms, identity, options[0].encode())
        follower.inbox.add(1, now_ms, identity, b"nonsense")
        payload = {"questionId": question.id, "selectedOption": options[1]}
        follower.post(ev.AnswerSubmitted(2, now_ms, payload))
        await settle()
        follower.inbox.add(0, now_ms, identity, options[0].encode())
        follower.inbox.add(0, now_ms, identity, options[1].encode())
        await settle()
        lines = other.all_lines[session_id]
        assert lines.results() == [(0, 0), (2, 0)]
        assert lines.refused == [(1, "invalid_option"), (0, "already_answered")]
        assert lines.repeated == [(0, 0)]
        assert owner.all_lines[session_id].refused == []
        assert follower.waiting == 0
        assert snapshot(runner.state) == snapshot(follower.state)


@in_virtual_time
async def test_an_answer_is_as_old_as_it_was_at_its_edge() -> None:
    """The time that it waited for the owner is not the player's."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        runner, follower = owner.runner(session_id), await other.follower(session_id)
        who = await soon(follower.submit(join("Ann")))
        assert who == 0
        follower.came(0)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await pass_ms(LEAD_MS + 1000)
        question, sheet = runner.state.question, runner.state.sheet
        assert question is not None
        assert sheet is not None
        cluster.hub.cut()
        received_ms = cluster.clock.now_ms()
        follower.inbox.add(0, received_ms, question.id.encode(), OPTIONS[0].encode())
        await pass_ms(2500)
        assert 0 not in sheet
        cluster.hub.mend()
        await pass_ms(2000)
        assert 0 in sheet
        counted_ms, *_ = sheet.result(0)
        assert abs(counted_ms - received_ms) <= 1
        assert other.all_lines[session_id].results() == [(0, 0)]


@in_virtual_time
async def test_what_the_link_loses_is_read_from_the_journal() -> None:
    """Every broadcast arrives once and in order, however long the break was."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        runner, follower = owner.runner(session_id), await other.follower(session_id)
        await settle()
        cluster.hub.cut()
        for event in (join("Ann"), ev.HostStarted(), ev.HostAdvanced(LEAD_MS)):
            await soon(runner.submit(event))
        await pass_ms(1500)
        cluster.hub.mend()
        await pass_ms(1500)
        await soon(runner.submit(ev.HostAdvanced(LEAD_MS)))
        await settle()
        assert other.all_lines[session_id].seqs == [1, 2, 3]
        assert owner.all_lines[session_id].seqs == [1, 2, 3]
        assert snapshot(runner.state) == snapshot(follower.state)
        assert other.all_lines[session_id].shown == 0


@in_virtual_time
async def test_a_question_waits_for_what_came_in_before_its_end() -> None:
    """An answer that another shard got in time counts, if it is handed over soon."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        runner, follower = owner.runner(session_id), await other.follower(session_id)
        for name in ("Ann", "Ben"):
            who = await soon(follower.submit(join(name)))
            assert who is not None
            follower.came(who)
        await soon(follower.submit(ev.HostStarted()))
        await soon(follower.submit(ev.HostAdvanced()))
        await settle()
        question, sheet = runner.state.question, runner.state.sheet
        assert question is not None
        assert sheet is not None
        await pass_ms(sheet.end_ms - cluster.clock.now_ms() - 1)
        follower.inbox.add(
            0, sheet.end_ms - 1, question.id.encode(), OPTIONS[0].encode()
        )
        await pass_ms(300)
        assert runner.state.phase == "reveal"
        assert 0 in sheet
        reveal = [
            e
            for e in other.all_lines[session_id].heard
            if isinstance(e, fx.RevealQuestion)
        ]
        assert [effect.answered for effect in reveal] == [1]


@in_virtual_time
async def test_a_newer_line_elsewhere_closes_the_elder() -> None:
    """A player has one line in the whole cluster."""
    async with Cluster(3) as cluster:
        session_id = await cluster.open()
        owner, others = cluster.owner_of(session_id), cluster.others(session_id)
        runner = owner.runner(session_id)
        first, second = [await other.follower(session_id) for other in others]
        await settle()
        await soon(runner.submit(join("Ann")))
        first.came(0)
        await settle()
        second.came(0)
        await settle()
        assert others[0].all_lines[session_id].replaced == [0]
        first.went(0)
        await settle()
        assert runner.presence.place_of(0) == others[1].name
        runner.came(0)
        await settle()
        assert others[1].all_lines[session_id].replaced == [0]
        assert runner.connected == 1


@in_virtual_time
async def test_who_is_in_is_known_when_the_records_say_so() -> None:
    """Whoever comes here before them waits; who is in nowhere is told so soon."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        follower = await other.follower(session_id)
        waits, nobody = follower.expect(0), follower.expect(7)
        await pass_ms(500)
        assert not waits.done()
        await soon(owner.runner(session_id).submit(join("Ann")))
        await settle()
        assert waits.done()
        assert follower.expect(0).done()
        await pass_ms(1000)
        assert not nobody.done()
        await asyncio.wait_for(nobody, 1.0)
        assert follower.expect(7).done()
        assert not follower.expect(7).done()


@in_virtual_time
async def test_nobody_is_nobody_while_the_owner_is_silent() -> None:
    """Its records may be late: then it is not known who is in."""
    async with Cluster() as cluster:
        session_id = await cluster.open()
        owner, (other,) = cluster.owner_of(session_id), cluster.others(session_id)
        follower = await other.follower(session_id)
        await settle()
        cluster.hub.cut()
        waits = follower.expect(0)
        await pass_ms(5000)
        assert not waits.done()
        await soon(owner.runner(session_id).submit(join("Ann")))
        cluster.hub.mend()
        await pass_ms(500)
        assert waits.done()
        assert follower.expect(0).done()


Seen = list[tuple[int, int]]


def looking(follower: Follower, place: tuple[int, int]) -> Seen:
    """Come to a shard after *place* was seen; return what is shown, once it is."""
    seen: Seen = []
    follower.look_from(place, lambda state: seen.append((state.epoch, state.seq)))
    return seen


async def ahead(cluster: Cluster) -> tuple[Follower, tuple[int, int]]:
    """Start a quiz that a follower hears nothing of; return it, and the place."""
    session_id = await cluster.open()
    runner = cluster.owner_of(session_id).runner(session_id)
    follower = await cluster.others(session_id)[0].follower(session_id)
    await soon(runner.submit(join("Ann")))
    await settle()
    cluster.hub.cut()
    await soon(runner.submit(ev.HostStarted()))
    assert runner.state.seq > follower.state.seq
    return follower, (runner.state.epoch, runner.state.seq)


@in_virtual_time
async def test_who_has_seen_more_is_not_shown_the_past() -> None:
    """It waits until what it was told elsewhere is here."""
    async with Cluster() as cluster:
        follower, place = await ahead(cluster)
        seen, also = looking(follower, place), looking(follower, (place[0], 0))
        assert also == [(place[0], 0)]
        assert not seen
        cluster.hub.mend()
        await pass_ms(500)
        assert seen == [place]
        assert looking(follower, place) == [place]


@in_virtual_time
async def test_a_place_that_there_is_not_is_not_waited_for() -> None:
    """As soon as the owner has said that it has no more, or after a while."""
    async with Cluster() as cluster:
        follower, (epoch, seq) = await ahead(cluster)
        seen = looking(follower, (epoch, seq + 5))
        await pass_ms(LATE_MS - 500)
        assert not seen
        await pass_ms(1000)
        assert seen == [(epoch, seq)]
        cluster.hub.mend()
        await pass_ms(500)
        seen = looking(follower, (epoch, seq + 5))
        await pass_ms(1000)
        assert seen == [(epoch, seq)]


@in_virtual_time
async def test_who_has_seen_more_is_shown_it_by_the_next_owner() -> None:
    """The owner died before it could tell; what it told is in the journal."""
    async with Cluster() as cluster:
        follower, place = await ahead(cluster)
        seen = looking(follower, place)
        dead = cluster.owner_of(follower.session_id)
        cluster.hub.mend()
        await cluster.bury(dead)
        await pass_ms(500)
        assert seen == [place]


@in_virtual_time
async def test_what_is_open_anywhere_is_known_everywhere() -> None:
    """A shard that doesn't answer is left out, and holds nobody up for long."""
    async with Cluster(3) as cluster:
        ids = {await cluster.open(f"quiz{number}") for number in range(6)}
        assert len(ids) == 6
        for shard in cluster.shards:
            found = await shard.sessions.open_now()
            assert sorted(line.quiz_id for line in found) == [
                f"quiz{number}" for number in range(6)
            ]
            assert all(line.joinable is not None for line in found)
        cluster.hub.cut()
        own = await cluster.shards[0].sessions.open_now()
        assert len(own) == len(cluster.shards[0].owner)

"""Coming back: when, how often, with what, and when not."""

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from quizd.client import (
    Backoff,
    Dismissed,
    Gap,
    Garbled,
    GaveUp,
    QuizClient,
    Unreachable,
)
from quizd.codes import CLOSE_ADVICE, Close
from tests.client.fake import (
    FakeServer,
    Line,
    Watch,
    close_after_welcome,
    finale,
    play,
    player,
    question,
)
from tests.support.samples import T0, message, welcome

RECONNECT = [code for code in Close if CLOSE_ADVICE[code].reconnect]
FOR_GOOD = [
    code
    for code in Close
    if not CLOSE_ADVICE[code].reconnect and code is not Close.NORMAL
]


async def test_it_resumes_from_the_last_broadcast() -> None:
    """The first address asks for nothing, the next for what came after."""

    async def scene(line: Line) -> None:
        await line.say(welcome(epoch=3, seq=4), question(5))
        await line.abort()

    async with FakeServer(scene, finale(5)) as server:
        watch = Watch()
        await play(player(server, watch))
        first, second = (line.query for line in server.lines)
    assert "after" not in first
    assert (second["epoch"], second["after"]) == ("3", "5")
    assert watch.time.slept_s == [0, 0.2]


@pytest.mark.parametrize("code", RECONNECT)
async def test_codes_that_advise_so_bring_it_back(code: Close) -> None:
    """Also the server's own: restart, too slow, too many messages."""
    async with FakeServer(close_after_welcome(code), finale(0)) as server:
        await play(player(server, Watch()))
        assert len(server.lines) == 2


@pytest.mark.parametrize("code", FOR_GOOD)
async def test_codes_that_advise_so_keep_it_away(code: Close) -> None:
    """Removed, replaced, unauthorized … end the play with the reason."""
    async with FakeServer(close_after_welcome(code)) as server:
        with pytest.raises(Dismissed, match=CLOSE_ADVICE[code].meaning) as dismissed:
            await play(player(server, Watch()))
        assert dismissed.value.code == code
        assert len(server.lines) == 1


@pytest.mark.parametrize("code", [4999, 3000])
async def test_unknown_codes_may_pass(code: int) -> None:
    """A code of a later version is no reason to stay away."""
    async with FakeServer(close_after_welcome(code), finale(0)) as server:
        await play(player(server, Watch()))
        assert len(server.lines) == 2


async def test_it_gives_up_after_five_tries_each_told() -> None:
    """The delays double; the failure says how often and why."""
    async with FakeServer() as server:
        server.refusals += [503] * 5
        watch = Watch()
        with pytest.raises(GaveUp, match=r"connect failed 5 times.*503") as gave_up:
            await play(player(server, watch))
        assert server.refusals == []
    assert isinstance(gave_up.value.cause, Unreachable)
    assert isinstance(gave_up.value.cause.__cause__, InvalidStatus)
    told = [(p.kind, p.attempt, p.of, p.delay_s) for p in watch.progress]
    delays_s = [0, 0.2, 0.4, 0.8, 1.6]
    assert told == [("connect", n, 5, delay) for n, delay in enumerate(delays_s, 1)]
    assert watch.progress[0].error is None
    assert all(isinstance(p.error, Unreachable) for p in watch.progress[1:])
    assert watch.time.slept_s == delays_s


async def test_no_server_at_all_is_tried_as_well() -> None:
    """A refused connection counts like any other failure."""
    async with FakeServer() as server:
        ticket = server.ticket()
    watch = Watch()
    client = QuizClient(watch.habits(backoff=Backoff(tries=2)), ticket=ticket)
    with pytest.raises(GaveUp, match="2 times") as gave_up:
        await play(client)
    assert gave_up.value.cause is not None
    assert isinstance(gave_up.value.cause.__cause__, ConnectionRefusedError)


async def test_only_a_welcome_starts_the_tries_afresh() -> None:
    """A server that accepts and closes at once is not hammered, welcome or not."""

    async def slam(line: Line) -> None:
        await line.close(1012)

    async with FakeServer(
        slam, slam, close_after_welcome(1012), slam, finale(0)
    ) as server:
        watch = Watch()
        await play(player(server, watch))
    assert [p.attempt for p in watch.progress] == [1, 2, 3, 1, 2]
    assert watch.time.slept_s == [0, 0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize(("lasted_ms", "delay_s"), [(4_000, 0.4), (6_000, 0.2)])
async def test_only_a_line_that_lasted_starts_the_delays_afresh(
    lasted_ms: int, delay_s: float
) -> None:
    """It counts from the welcome, not from the handshake."""
    watch = Watch()

    async def scene(line: Line) -> None:
        watch.time.clock.advance(3_000)
        await line.say(welcome())
        await line.hear_heartbeat()
        watch.time.clock.advance(lasted_ms)
        await line.close(1012)

    slam = close_after_welcome(1012)
    async with FakeServer(slam, scene, finale(0)) as server:
        await play(player(server, watch))
    assert watch.time.slept_s == [0, 0.2, delay_s]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_handshake_is_final(status: int) -> None:
    """The same token would be refused again."""
    async with FakeServer() as server:
        server.refusals.append(status)
        with pytest.raises(Dismissed) as dismissed:
            await play(player(server, Watch()))
    assert dismissed.value.code == status


@pytest.mark.parametrize("seq", [5, 4, 7])
async def test_a_gap_brings_it_back_with_the_last_good_number(seq: int) -> None:
    """What is out of turn is not believed, and not handed over."""

    async def scene(line: Line) -> None:
        await line.say(welcome(seq=4), question(5))
        await line.say(message("quiz_paused", {"at": T0}, seq=seq))
        assert await line.gone() == 1000

    async with FakeServer(scene, finale(6)) as server:
        watch = Watch()
        messages = await play(player(server, watch))
        assert server.lines[1].query["after"] == "5"
    assert "quiz_paused" not in [one.type for one in messages]
    assert isinstance(watch.progress[1].error, Gap)


@pytest.mark.parametrize(
    "raw",
    ["nonsense", '{"type":"welcome","payload":{}}', b"\x00",
     '{"type":"leaderboard_changed","payload":{"leaderboard":7}}',
     '{"type":"answer_result","payload":{}}',
     '{"type":"heartbeat","payload":{"serverTime":"now","sentAt":"then"}}'],
)  # fmt: skip
async def test_garbage_brings_it_back(raw: str | bytes) -> None:
    """A broken message breaks one connection, nothing else."""

    async def scene(line: Line) -> None:
        await line.say(welcome())
        await line.socket.send(raw)
        await line.gone()

    async with FakeServer(scene, finale(0)) as server:
        watch = Watch()
        await play(player(server, watch))
    assert isinstance(watch.progress[1].error, Garbled)


async def test_being_called_back_waits_as_told_and_plays_meanwhile() -> None:
    """The connection is left after the delay, and the next one is not delayed."""

    async def scene(line: Line) -> None:
        await line.say(welcome())
        await line.say(message("reconnect", {"afterMs": 1500, "reason": "drain"}))
        assert await line.gone() == 1000

    async with FakeServer(scene, finale(0)) as server:
        watch = Watch()
        await play(player(server, watch))
    assert watch.time.slept_s[:2] == [0, 1.5]
    assert watch.progress[1].delay_s == 0


@pytest.mark.parametrize("code", [1001, 1000])
async def test_a_server_that_leaves_first_is_given_its_time(code: int) -> None:
    """Whatever the close code, we come back when we were told to."""
    held = asyncio.Event()
    watch = Watch()

    async def sleep(delay_s: float) -> None:
        if delay_s == 2.0 and not held.is_set():
            held.set()
            await asyncio.Event().wait()  # the connection is closed in the meantime
        await watch.time.sleep(delay_s)

    async def scene(line: Line) -> None:
        await line.say(welcome())
        await line.say(message("reconnect", {"afterMs": 2000, "reason": "drain"}))
        await held.wait()
        watch.time.clock.advance(500)
        await line.close(code)

    async with FakeServer(scene, finale(0)) as server:
        await play(player(server, watch, sleep=sleep))
    assert watch.time.slept_s == [0, 1.5, 0]

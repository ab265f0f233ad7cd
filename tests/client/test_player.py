"""Playing: every message in its turn, the server's time, and leaving."""

import asyncio
from contextlib import aclosing

import pytest

from quizd.client import (
    NotConnected,
    QuizClient,
    Ticket,
)
from quizd.clock import iso
from tests.client.fake import (
    TOKEN,
    FakeServer,
    Line,
    Watch,
    close_after_welcome,
    ended,
    finale,
    play,
    player,
    question,
)
from tests.support import samples
from tests.support.samples import PLACE, T0, Sample, message, welcome


async def test_heartbeats_tell_the_servers_time() -> None:
    """The offset is the server's time against the middle of the round trip."""
    watch = Watch()
    start_ms = watch.time.clock.now_ms()

    async def scene(line: Line) -> None:
        await line.say(welcome())
        for _ in range(2):
            sent = await line.hear("heartbeat")
            assert sent["sentAt"] == iso(watch.time.clock.now_ms())
            watch.time.clock.advance(100)
            now = iso(watch.time.clock.now_ms() - 50 + 7000)
            await line.say(message("heartbeat", {"serverTime": now, **sent}))
            watch.time.beat.set()
        await line.hear("heartbeat")
        await line.close(1000)

    async with FakeServer(scene) as server:
        client = player(server, watch)
        messages = await play(client)
    assert [one.type for one in messages] == ["welcome", "heartbeat", "heartbeat"]
    assert client.server_now_ms() == start_ms + 200 + 7000


async def test_other_messages_go_out_while_there_is_a_connection() -> None:
    """Before and after it, the caller is told."""

    async def scene(line: Line) -> None:
        await line.say(welcome())
        assert await line.hear("get_leaderboard") == {}
        await line.say(samples.SERVER["leaderboard_data"])
        await line.close(1000)

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        with pytest.raises(NotConnected):
            await client.send("get_leaderboard")
        async with aclosing(client.play()) as messages:
            async for one in messages:
                if one.type == "welcome":
                    await client.send("get_leaderboard")
    assert client.picture.leaderboard[0].name == "Ann"
    with pytest.raises(NotConnected):
        await client.send("get_leaderboard")


async def test_leaving_early_closes_the_connection() -> None:
    """No task and no socket is left behind."""
    goodbyes = []

    async def scene(line: Line) -> None:
        await line.say(welcome())
        goodbyes.append(await line.gone())

    async with FakeServer(scene) as server:
        async with aclosing(player(server, Watch()).play()) as messages:
            async for _ in messages:
                break
        await server.lines[0].gone()
    assert goodbyes == [1000]
    assert len(asyncio.all_tasks()) == 1


async def test_play_can_be_taken_up_again() -> None:
    """Who left comes back to where they were."""
    async with FakeServer(close_after_welcome(1000, seq=3), finale(3)) as server:
        client = player(server, Watch())
        await play(client)
        await play(client)
        assert server.lines[1].query["after"] == "3"


async def test_a_slow_reader_bounds_what_is_kept() -> None:
    """A full inbox stops the reading; nothing is lost, and the end is still seen."""

    async def scene(line: Line) -> None:
        await line.say(welcome())
        for seq in range(1, 30):
            await line.say(message("quiz_paused", {"at": T0}, seq=seq))
        await line.say(ended(30))
        await line.gone()

    async with FakeServer(scene) as server:
        client = player(server, Watch(), inbox_size=2)
        seen = []
        async with aclosing(client.play()) as messages:
            async for one in messages:
                seen.append(one.seq)
                await asyncio.sleep(0)
                assert client.seq is not None
                assert client.seq - (one.seq or 0) <= 2 + 1
    assert seen == [None, *range(1, 31)]


async def test_a_faulty_callback_is_not_swallowed() -> None:
    """What the caller's own code raises reaches the caller, and ends the play."""

    def on_question(_: object) -> None:
        raise BrokenPipeError

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.gone()

    async with FakeServer(scene) as server:
        with pytest.raises(BrokenPipeError):
            await play(player(server, Watch(), on_question=on_question))


async def test_a_ticket_is_needed() -> None:
    """Without one there is nowhere to connect to."""
    with pytest.raises(RuntimeError, match="join"):
        await play(QuizClient())


async def test_joining_gives_the_ticket_to_play_with() -> None:
    """From the join by REST to the end of the quiz."""
    async with FakeServer(finale(0)) as server:
        client = QuizClient(Watch().habits())
        ticket: Ticket = await client.join(server.base_url, "demo", "Ann")
        assert server.joins == [{"participantName": "Ann"}]
        assert [one.type for one in await play(client)] == ["welcome", "quiz_ended"]
    assert ticket.participant_id == "p1"


async def test_the_token_travels_beside_the_address() -> None:
    """Address logs never show it, and the server's choice is the plain protocol."""
    async with FakeServer(finale(0)) as server:
        await play(player(server, Watch()))
        request = server.lines[0].socket.request
        assert request is not None
        assert TOKEN not in request.path
        offered = request.headers["Sec-WebSocket-Protocol"]
        assert [part.strip() for part in offered.split(",")] == [
            "quizd.v1",
            f"bearer.{TOKEN}",
        ]
        assert server.lines[0].query == {"quizId": "demo", "participantId": "p2"}


async def test_every_message_is_handed_over_until_the_quiz_ends() -> None:
    """Nothing is left out, play ends by itself, and the client says goodbye."""
    goodbyes = []

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1), samples.SERVER["leaderboard_changed"])
        await line.say(ended(2))
        goodbyes.append(await line.gone())

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        messages = await play(client)
    kinds = ["welcome", "new_question", "leaderboard_changed", "quiz_ended"]
    assert [one.type for one in messages] == kinds
    assert (client.seq, client.epoch, client.picture.over) == (2, 1, True)
    assert goodbyes == [1000]


async def test_stale_values_are_not_handed_over() -> None:
    """An older leaderboard is dropped."""

    def board(version: int, score: int) -> Sample:
        you = {**PLACE, "score": score}
        payload = {"leaderboard": [], "you": you}
        return message("leaderboard_changed", payload, version=version)

    async def scene(line: Line) -> None:
        await line.say(welcome(), board(5, 50), board(4, 40))
        await line.close(1000)

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        messages = await play(client)
    assert [one.version for one in messages] == [None, 5]
    assert client.score == 50


async def test_a_normal_close_ends_play() -> None:
    """The server is done with us, without a fault."""
    async with FakeServer(close_after_welcome(1000)) as server:
        assert len(await play(player(server, Watch()))) == 1

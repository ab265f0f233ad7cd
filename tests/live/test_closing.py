"""The ends of a connection, as RFC 6455 section 7 has them, and the ends it has not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from tests.live.bad_messages import answer, said
from tests.live.quizzes import quiz
from tests.support import frames as ws
from tests.support.raw import Raw, target, upgrade
from tests.support.server import Server
from tests.support.socket_player import Player

pytestmark = pytest.mark.asyncio(loop_scope="module")

Ticket = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Start a server with its defaults, once for this file."""
    async with Server(tmp_path_factory.mktemp("server")) as one:
        yield one


class Scene:
    """A raw player, and a host who sees how many are connected."""

    def __init__(self, host: Player, raw: Raw, ticket: Ticket) -> None:
        self.host = host
        self.raw = raw
        self.ticket = ticket

    async def until_connected(self, count: int) -> None:
        """Wait until the host has seen that *count* players are connected."""
        while (await self.host.next("host_state"))["connected"] != count:
            pass


@asynccontextmanager
async def scene(server: Server) -> AsyncIterator[Scene]:
    """Open a quiz with one raw player in it."""
    opened = await server.open_quiz(quiz())
    ticket = await server.join(opened["quizId"], "Ann")
    async with Player.of(opened) as host, Raw.to(server.port) as raw:
        await raw.upgraded(upgrade(target(ticket)))
        await raw.message("welcome")
        one = Scene(host, raw, ticket)
        await one.until_connected(1)
        yield one


async def test_close_is_answered_and_the_line_ends(server: Server) -> None:
    """The server closes TCP first (section 7.1.1), and says nothing after its close."""
    async with scene(server) as one:
        one.raw.send(ws.close(1000, b"bye"))
        frame = await one.raw.close_frame()
        assert frame.payload[:2] == b"\x03\xe8"
        with pytest.raises(EOFError):
            await one.raw.frame()
        await one.until_connected(0)


async def test_nothing_counts_after_a_close(server: Server) -> None:
    """What stands behind a close frame is not looked at."""
    async with scene(server) as one:
        await one.host.say("host_start")
        await one.raw.message("new_question")
        behind = ws.text(answer()) + ws.text("x") + ws.frame(ws.PING, b"x")
        one.raw.send(ws.close(1001) + behind)
        assert (await one.raw.close_frame()).code == 1001
        with pytest.raises(EOFError):
            await one.raw.frame()
        await one.host.say("host_next")
        closed = await one.host.next("question_closed")
        assert closed["answered"] == 0


async def test_message_before_a_close_counts(server: Server) -> None:
    """Also where both come in one packet."""
    async with scene(server) as one:
        await one.host.say("host_start")
        await one.raw.message("new_question")
        one.raw.send(ws.text(answer()) + ws.close(1000))
        await one.raw.close_frame()
        while (await one.host.next("host_state"))["answered"] != 1:
            pass


async def test_close_in_the_middle_of_a_message(server: Server) -> None:
    """Control frames may come between the parts; the message is then never whole."""
    async with scene(server) as one:
        one.raw.send(ws.text(b'{"type":', fin=False) + ws.close(1000))
        assert (await one.raw.close_frame()).code == 1000
        await one.until_connected(0)


@pytest.mark.parametrize(
    "half", [b"", ws.text(said("heartbeat"))[:5]], ids=["idle", "cut"]
)
async def test_fin_without_a_close_frame(server: Server, half: bytes) -> None:
    """A peer that stops sending is gone, also in the middle of a frame."""
    async with scene(server) as one:
        one.raw.send(half)
        one.raw.half_close()
        await one.raw.ended()
        await one.until_connected(0)


async def test_reset(server: Server) -> None:
    """A peer that is torn away is gone, and comes back by the same token."""
    async with scene(server) as one:
        one.raw.reset()
        await one.until_connected(0)
        async with Player.of(one.ticket) as again:
            await again.next("welcome")
            await one.until_connected(1)


async def test_reset_during_a_fan_out(server: Server) -> None:
    """Those who are torn away while something is sent cost the others nothing."""
    opened = await server.open_quiz(quiz())
    tickets = [await server.join(opened["quizId"], f"P{n}") for n in range(20)]
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(Player.of(opened))
        player = await stack.enter_async_context(Player.of(tickets[0]))
        raws = []
        for ticket in tickets[1:]:
            raws.append(await stack.enter_async_context(Raw.to(server.port)))
            await raws[-1].upgraded(upgrade(target(ticket)))
            await raws[-1].message("welcome")
        await host.say("host_start")
        for number, raw in enumerate(raws):
            if number % 2:
                raw.send(ws.text(answer(selectedOption="run")))
            raw.reset()
        await player.next("new_question")
        await host.say("host_next")
        await player.next("question_closed")
        assert player.seqs == [1, 2, 3]


async def test_peer_that_does_not_answer_a_close_is_not_waited_for(
    server: Server,
) -> None:
    """The server has said why; soon after it drops the line by itself."""
    async with scene(server) as one:
        kick = {"participantId": one.ticket["participantId"]}
        await one.host.say("host_kick", **kick)
        await one.raw.message("removed")
        assert (await one.raw.close_frame()).code == 4010
        async with asyncio.timeout(5):
            await one.raw.ended()


async def test_close_that_crosses_the_servers(server: Server) -> None:
    """Both said it at once: one close frame each, and the end."""
    async with scene(server) as one:
        kick = {"participantId": one.ticket["participantId"]}
        await one.host.say("host_kick", **kick)
        one.raw.send(ws.close(1000))
        assert (await one.raw.close_frame()).code in (1000, 4010)
        with pytest.raises(EOFError):
            await one.raw.frame()


async def test_server_is_well(server: Server) -> None:
    """None of this was an error of the server's."""
    assert [event for event in server.log if event["level"] == "error"] == []

"""Requests that are served without the application, and those that only look so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from quizd.edge.direct import Exchange
from tests.edge.test_listener import UPGRADE, Peer, peer, port

BODY = b'{"a": 1}'
LINES = b"content-length: 2\r\nx-direct: yes\r\n"


def post(
    path: bytes = b"/some/join", *, lines: bytes = b"", body: bytes = BODY
) -> bytes:
    """Return a whole request."""
    size = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n%b" % (path, size, lines, body)


class Desk:
    """Serves requests as *how* says: at once, later (None), or not at all."""

    suffix = b"/join"

    def __init__(self, how: Callable[[Exchange], bool] | None = None) -> None:
        self.how = how
        self.seen: list[Exchange] = []
        self._new: asyncio.Queue[Exchange] = asyncio.Queue()

    def serve(self, exchange: Exchange) -> bool:
        """Note it and do so."""
        self.seen.append(exchange)
        self._new.put_nowait(exchange)
        return True if self.how is None else self.how(exchange)

    async def next(self) -> Exchange:
        """Wait for the next one."""
        return await self._new.get()


def at_once(exchange: Exchange) -> bool:
    """Answer at once."""
    exchange.reply(201, LINES, b"ok")
    return True


def declining(_: Exchange) -> bool:
    """Take nothing."""
    return False


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[Peer]:
    """Connect to a port with *desk* on it, and an application behind."""
    async with peer(replace(port(), direct=desk)) as one:
        yield one


async def whole(one: Peer) -> tuple[bytes, bytes]:
    """Return the head of the next answer, which has two bytes, and those."""
    return await one.head(), await one.reader.readexactly(2)


HEAD = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx-direct: yes"


async def test_request_that_is_whole_is_served_directly() -> None:
    """Again and again on one connection, with REST in between."""
    desk = Desk(at_once)
    async with served(desk) as one:
        for _ in range(2):
            one.send(post())
            assert await whole(one) == (HEAD, b"ok")
            one.send(post(b"/other"))
            assert await one.answer() == (200, b"POST /other " + BODY)
    exchange = desk.seen[0]
    assert (exchange.url, exchange.body) == (b"/some/join", BODY)
    assert exchange.scope["headers"][0] == (b"host", b"x")
    assert exchange.scope["scheme"] == "http"


async def test_what_is_declined_is_the_applications() -> None:
    """As if nobody had looked at it, with and without a body."""
    desk = Desk(declining)
    async with served(desk) as one:
        for body in (BODY, b"", b"x" * 2000):
            one.send(post(body=body))
            assert await one.answer() == (200, b"POST /some/join " + body)
    assert len(desk.seen) == 3


@pytest.mark.parametrize("step", [1, 7, 60])
async def test_request_in_parts_is_the_applications(step: int) -> None:
    """It has bounds and deadlines for what is slow."""
    desk = Desk(at_once)
    async with served(desk) as one:
        data = post()
        for at in range(0, len(data) - step, step):
            one.send(data[at : at + step])
            for _ in range(3):
                await asyncio.sleep(0)
        one.send(data[at + step :])
        assert await one.answer() == (200, b"POST /some/join " + BODY)
    assert desk.seen == []


@pytest.mark.parametrize(
    "request_",
    [
        post(b"/some/join?a=1"),
        post(b"/some/joint"),
        post().replace(b"POST", b"PUT"),
        post().replace(b"HTTP/1.1", b"HTTP/1.0"),
        post(lines=b"Connection: close\r\n"),
        post(lines=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    ],
    ids=["query", "other", "method", "version", "last", "upgrade"],
)
async def test_request_out_of_the_ordinary_is_the_applications(request_: bytes) -> None:
    """Only one kind of request is looked for."""
    desk = Desk(at_once)
    async with served(desk) as one:
        one.send(request_)
        assert (await one.answer())[0] == 200
    assert desk.seen == []


async def test_client_that_waits_for_a_go_ahead_gets_it() -> None:
    """``Expect: 100-continue`` is the application's to answer."""
    desk = Desk(at_once)
    async with served(desk) as one:
        head, _, body = post(lines=b"Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        one.send(head + b"\r\n\r\n")
        assert (await one.head()).startswith(b"HTTP/1.1 100 ")
        one.send(body)
        assert await one.answer() == (200, b"POST /some/join " + BODY)
    assert desk.seen == []


async def test_body_in_chunks_is_whole_as_well() -> None:
    """What counts is that it is here."""
    desk = Desk(at_once)
    chunked = post().replace(b"Content-Length: 8", b"Transfer-Encoding: chunked")
    async with served(desk) as one:
        one.send(chunked.replace(BODY, b'3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n'))
        assert await whole(one) == (HEAD, b"ok")
    assert desk.seen[0].body == BODY


async def test_answers_keep_the_order_of_requests() -> None:
    """What follows in the pipeline waits for the one that is served directly."""
    desk = Desk()
    async with served(desk) as one:
        one.send(post() + post(b"/two") + post(b"/three/join"))
        (await desk.next()).reply(201, LINES, b"ok")
        assert await whole(one) == (HEAD, b"ok")
        assert await one.answer() == (200, b"POST /two " + BODY)
        assert await one.answer() == (200, b"POST /three/join " + BODY)
        one.send(post())
        (await desk.next()).reply(201, LINES, b"ok")
        assert await whole(one) == (HEAD, b"ok")


async def test_what_is_declined_later_is_the_applications() -> None:
    """Also when others wait behind it."""
    desk = Desk()
    async with served(desk) as one:
        one.send(post() + post(b"/two"))
        (await desk.next()).decline()
        assert await one.answer() == (200, b"POST /some/join " + BODY)
        assert await one.answer() == (200, b"POST /two " + BODY)
        one.send(post())
        (await desk.next()).decline()
        assert await one.answer() == (200, b"POST /some/join " + BODY)


async def test_one_answer_is_enough() -> None:
    """What comes after it is nobody's."""
    desk = Desk()
    async with served(desk) as one:
        one.send(post())
        exchange = await desk.next()
        exchange.reply(201, LINES, b"ok")
        exchange.reply(201, LINES, b"no")
        assert await whole(one) == (HEAD, b"ok")
        one.send(post(b"/two"))
        assert await one.answer() == (200, b"POST /two " + BODY)


async def test_who_has_left_is_not_answered() -> None:
    """Neither directly nor by the application."""
    desk = Desk()
    async with served(desk) as one:
        one.send(post())
        exchange = await desk.next()
        one.writer.transport.abort()
        while not exchange.disconnected:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        exchange.reply(201, LINES, b"ok")
        assert not exchange.response_complete
        exchange.decline()


async def test_server_that_leaves_says_so() -> None:
    """The answer under way is the connection's last, and tells it."""
    desk = Desk()
    own = replace(port(), direct=desk)
    async with peer(own) as one:
        one.send(post())
        exchange = await desk.next()
        for connection in own.http_state.connections:
            connection.shutdown()
        exchange.reply(201, LINES, b"ok")
        assert await one.end() == HEAD + b"\r\nconnection: close\r\n\r\nok"


async def test_upgrade_behind_a_direct_answer() -> None:
    """The connection goes back to the door as after any other request."""
    async with served(Desk(at_once)) as one:
        one.send(post())
        assert await whole(one) == (HEAD, b"ok")
        one.send(UPGRADE)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")

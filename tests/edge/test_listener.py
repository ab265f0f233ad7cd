"""The port: heads in any pieces, who serves what, and who is not waited for."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import uvloop
from picows import WSFrame, WSListener, WSTransport
from uvicorn.server import ServerState

from quizd._fast.entrance import Ask, feed
from quizd.codes import Close
from quizd.edge import listener
from quizd.edge.admission import Admitted, Turned
from quizd.edge.ceilings import retry_after_s
from quizd.edge.edge import http_config
from quizd.edge.listener import HEAD_MAX_BYTES, LOOK_S, Door, Port, normalised
from tests.support import virtual_time
from tests.support.frames import TEXT, Frame, close, split, text

HANDSHAKE_S = 5.0
REQUEST_S = 10.0
LIMIT_S = 30.0

UPGRADE = (
    b"GET /ws?token=t HTTP/1.1\r\n"
    b"Host: localhost\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of that key (RFC 6455 section 1.3)
GET = b"GET /some/page HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /some/page HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"


class Echo(WSListener):
    """Says back what it hears."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Say it back."""
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def pages(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
    """Answer any request with its method, path and body."""
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    page = f"{scope['method']} {scope['path']} ".encode() + body
    size = str(len(page)).encode()
    headers = [(b"content-length", size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})


def admit_all(_: object) -> Admitted:
    """Let everybody in."""
    return cast("Admitted", None)


def port(
    *,
    admit: Callable[[Any], Admitted] = admit_all,
    sockets_max: int = 100,
    request_s: float = REQUEST_S,
) -> Port:
    """Return a port with an echo behind its WebSockets."""
    return Port(
        missing=lambda _: None,
        admit=admit,
        connect=lambda _: Echo(),
        http=http_config(pages),
        http_state=ServerState(),
        message_bytes=4096,
        sockets=lambda: 0,
        sockets_max=sockets_max,
        handshake_s=HANDSHAKE_S,
        request_s=request_s,
    )


class FakeTransport:
    """Notes what a door does with it."""

    def __init__(self) -> None:
        self.written = b""
        self.ended: list[str] = []
        self.protocol: object = None

    def get_extra_info(self, _: str) -> None:
        """Know of no socket."""

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written += data

    def close(self) -> None:
        """Note it."""
        self.ended.append("closed")

    def abort(self) -> None:
        """Note it."""
        self.ended.append("aborted")


def door_of(own: Port) -> tuple[Door, FakeTransport]:
    """Return a door at which somebody stands."""
    door, transport = own.door(), FakeTransport()
    door.connection_made(cast("asyncio.Transport", transport))
    return door, transport


class Peer:
    """A client of a port in this process."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self.writer.write(data)

    async def drip(self, data: bytes) -> None:
        """Send *data* byte by byte, each in a turn of the server's own."""
        for byte in data:
            self.writer.write(bytes([byte]))
            for _ in range(3):
                await asyncio.sleep(0)

    async def head(self) -> bytes:
        """Return the next answer's head, without the empty line."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head.removesuffix(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        """Return the next answer's status and body."""
        head = await self.head()
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(size)

    async def frame(self) -> Frame:
        """Return the next frame."""
        while not (found := split(self._rest))[0]:
            data = await self.reader.read(4096)
            assert data, "the connection ended"
            self._rest += data
        (first, *others), self._rest = found
        assert not others
        return first

    async def ended(self) -> bool:
        """Wait for the end of the connection; tell whether nothing came before it."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def end(self) -> bytes:
        """Wait for the end of the connection; return what came before it."""
        return await self.reader.read()


@asynccontextmanager
async def peer(own: Port) -> AsyncIterator[Peer]:
    """Connect to *own*, listening on loopback."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(own.door, "127.0.0.1", 0)
    host, number = server.sockets[0].getsockname()
    async with asyncio.timeout(LIMIT_S), server:
        one = Peer(*await asyncio.open_connection(host, number))
        try:
            yield one
        finally:
            one.writer.close()
            await one.writer.wait_closed()


# -- one head ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        (b"Connection: keep-alive, Upgrade", b"Connection: Upgrade"),
        (b"connection:Upgrade,keep-alive", b"connection: Upgrade"),
        (b"CONNECTION: UPGRADE", b"CONNECTION: Upgrade"),
        (b"Connection:  keep-alive ,\tupgrade ", b"Connection: Upgrade"),
    ],
)
def test_upgrade_among_other_tokens_is_found(sent: bytes, known: bytes) -> None:
    """Firefox sends a list; what picows sees is the one token that it knows."""
    head = b"GET /ws HTTP/1.1\r\nHost: x\r\n%s\r\nUpgrade: websocket"
    assert normalised(head % sent) == head % known


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ws HTTP/1.1\r\nHost: x",
        b"GET /ws HTTP/1.1\r\nConnection: keep-alive",
        b"GET /ws HTTP/1.1\r\nConnection: upgrades",
        b"GET /ws HTTP/1.1\r\nX-Connection: upgrade",
        b"GET /ws?connection:upgrade HTTP/1.1\r\nHost: x",
        b"",
    ],
)
def test_other_heads_stay_as_they_are(head: bytes) -> None:
    """Nothing is made an upgrade that was none."""
    assert normalised(head) == head


class SmallRoom:
    """A buffered protocol with room for a few bytes at a time."""

    def __init__(self, room: int) -> None:
        self.got = b""
        self._buffer = bytearray(room)

    def get_buffer(self, _: int) -> memoryview:
        """Return the room there is."""
        return memoryview(self._buffer)

    def buffer_updated(self, size: int) -> None:
        """Take *size* bytes."""
        self.got += self._buffer[:size]


@pytest.mark.parametrize("room", [1, 2, 7, 1000])
def test_feed_gives_everything_in_pieces(room: int) -> None:
    """However little room there is, nothing is lost, doubled or turned round."""
    data = bytes(range(256)) * 2
    protocol = SmallRoom(room)
    feed(cast("asyncio.BufferedProtocol", protocol), data)
    assert protocol.got == data


# -- deadlines and bounds ----------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET /ws HT", b"\x16\x03\x01\x02\x00\x01\x00"])
def test_door_does_not_wait_for_ever(sent: bytes) -> None:
    """Without a whole head in time the line is cut, however much of it is there."""

    async def main() -> None:
        own = port()
        door, transport = door_of(own)
        for byte in sent:
            await asyncio.sleep(0.1)
            door.data_received(bytes([byte]))
        await asyncio.sleep(HANDSHAKE_S - 0.1 * len(sent) - 0.1)
        assert transport.ended == []
        assert own.at_door == {door}
        await asyncio.sleep(0.2)
        assert transport.ended == ["aborted"]
        door.connection_lost(None)
        assert own.at_door == set()

    virtual_time.run(main)


def test_head_in_time_stops_the_deadline() -> None:
    """Who was let through the door is not thrown out by it."""

    async def main() -> None:
        own = port()
        door, transport = door_of(own)
        door.data_received(b"X" * (HEAD_MAX_BYTES + 1))  # an end of its own
        transport.ended.clear()
        await asyncio.sleep(2 * HANDSHAKE_S)
        assert transport.ended == []

    virtual_time.run(main)


@pytest.mark.parametrize("pieces", [1, 100])
async def test_head_over_the_bound_gets_431(pieces: int) -> None:
    """At 16 KiB there is an end, whether it comes at once or bit by bit."""
    door, transport = door_of(port())
    data = UPGRADE[:-2] + b"X-Filler: " + b"x" * HEAD_MAX_BYTES
    step = len(data) // pieces
    for at in range(0, len(data), step):
        if not transport.ended:
            door.data_received(data[at : at + step])
    assert transport.written.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert transport.ended == ["closed"]


async def test_whole_head_over_the_bound_gets_431() -> None:
    """Also one that is complete."""
    door, transport = door_of(port())
    door.data_received(UPGRADE[:-2] + b"X: " + b"x" * HEAD_MAX_BYTES + b"\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 431 ")


async def test_crowded_port_says_when_to_come_back() -> None:
    """At the ceiling of all sockets nobody else is listened to."""
    own = port(sockets_max=2)
    guests = [door_of(own) for _ in range(2)]
    assert [transport.written for _, transport in guests] == [b"", b""]
    _, transport = door_of(own)
    assert transport.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    after_s = re.search(rb"\r\nretry-after: (\d+)\r\n", transport.written)
    assert after_s is not None
    assert 2 <= int(after_s[1]) <= 8
    assert transport.ended == ["closed"]
    for door, _ in guests:
        door.connection_lost(None)


def test_not_all_are_asked_back_at_once() -> None:
    """Of many who are refused in one moment some come sooner than others."""
    after_s = {retry_after_s() for _ in range(200)}
    assert after_s == set(range(2, 9))


# -- who serves what ---------------------------------------------------------------


@pytest.mark.parametrize("dripping", [False, True], ids=["whole", "byte-by-byte"])
async def test_upgrade_in_any_pieces(dripping: bool) -> None:
    """The head may come as it likes, and so may the first frame behind it."""
    async with peer(port()) as one:
        data = UPGRADE + text("first") + text("second")
        if dripping:
            await one.drip(data)
        else:
            one.send(data)
        head = await one.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: " + ACCEPT in head
        received = b""
        while len(split(received)[0]) < 2:
            received += await one.reader.read(100)
        assert split(received)[0] == [Frame(TEXT, b"first"), Frame(TEXT, b"second")]


def asks() -> int:
    """Return how many requests for a WebSocket are in memory."""
    return sum(type(each) is Ask for each in gc.get_objects())


def test_nothing_of_the_request_is_kept() -> None:
    """A connection that is up takes no memory for what it was asked with.

    On uvloop, whose transports keep more of their past than asyncio's.
    """
    gc.collect()
    before, seen = asks(), 0

    def admit(_: object) -> Admitted:
        nonlocal seen
        seen = asks()
        return cast("Admitted", None)

    async def come() -> None:
        async with peer(port(admit=admit)) as one:
            one.send(UPGRADE + text("hello"))
            assert (await one.head()).startswith(b"HTTP/1.1 101 ")
            assert (await one.frame()).payload == b"hello"
            assert (seen, asks()) == (before + 1, before)

    uvloop.run(come())


@pytest.mark.parametrize("dripping", [False, True], ids=["whole", "byte-by-byte"])
async def test_rest_in_any_pieces(dripping: bool) -> None:
    """Requests of the same connection, with and without a body, one by one."""
    async with peer(port()) as one:
        for request, page in (
            (GET, b"GET /some/page "),
            (POST, b"POST /some/page hello"),
            (GET, b"GET /some/page "),
        ):
            if dripping:
                await one.drip(request)
            else:
                one.send(request)
            assert await one.answer() == (200, page)


async def test_requests_in_one_piece_are_answered_in_order() -> None:
    """HTTP/1.1 pipelining."""
    async with peer(port()) as one:
        one.send(GET + POST + GET)
        assert [await one.answer() for _ in range(3)] == [
            (200, b"GET /some/page "),
            (200, b"POST /some/page hello"),
            (200, b"GET /some/page "),
        ]


@pytest.mark.parametrize("dripping", [False, True], ids=["whole", "byte-by-byte"])
async def test_upgrade_on_a_connection_that_has_served_rest(dripping: bool) -> None:
    """A proxy that keeps its connections may send it there, in any pieces."""
    async with peer(port()) as one:
        one.send(GET + POST)
        assert [(await one.answer())[0] for _ in range(2)] == [200, 200]
        if dripping:
            await one.drip(UPGRADE)
        else:
            one.send(UPGRADE)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")
        one.send(text("hello"))
        assert await one.frame() == Frame(TEXT, b"hello")


@pytest.mark.parametrize(
    "line", [b"GET /wsx HTTP/1.1", b"GET /ws/ HTTP/1.1", b"POST /ws HTTP/1.1"]
)
async def test_only_the_sockets_own_paths_are_upgraded(line: bytes) -> None:
    """Anything else is REST's, whatever its headers ask for."""
    async with peer(port()) as one:
        one.send(line + UPGRADE[UPGRADE.index(b"\r\n") :])
        assert (await one.answer())[0] == 200


def turn_away(turned: Turned) -> Callable[[Any], Admitted]:
    """Return an admission that turns everybody away."""

    def admit(_: object) -> Admitted:
        raise turned

    return admit


@pytest.mark.parametrize(
    ("status", "retry"), [(403, b""), (503, b"Retry-After: ")], ids=["403", "503"]
)
async def test_refused_by_a_status(status: int, retry: bytes) -> None:
    """The reason is the body, and the connection ends."""
    admit = turn_away(Turned("not today", status=status))
    async with peer(port(admit=admit)) as one:
        one.send(UPGRADE)
        answer = await one.end()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.endswith(b"\r\n\r\nnot today")
        assert retry in answer


async def test_a_bug_of_ours_is_not_shown() -> None:
    """What an exception says, an id perhaps, is the log's."""

    def connect(_: Admitted) -> WSListener:
        raise KeyError("0123abcd")

    async with peer(replace(port(), connect=connect)) as one:
        one.send(UPGRADE)
        answer = await one.end()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert answer.endswith(b"\r\n\r\ninternal error")


async def test_refused_by_a_close_code() -> None:
    """The upgrade is done, the code said, and the line ends with the peer's answer."""
    admit = turn_away(Turned("token has expired", code=Close.UNAUTHORIZED))
    async with peer(port(admit=admit)) as one:
        one.send(UPGRADE)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")
        frame = await one.frame()
        assert (frame.code, frame.payload[2:]) == (4001, b"token has expired")
        one.send(close(4001))
        assert await one.end() == b""


async def test_slow_body_is_given_up() -> None:
    """A request that does not arrive in time ends its connection."""
    async with peer(port(request_s=0.05)) as one:
        one.send(GET)
        assert (await one.answer())[0] == 200
        one.send(POST[:-1])
        assert await one.ended()


async def test_connections_are_counted_once() -> None:
    """Whoever serves it, a socket is in exactly one place, and in the end in none."""
    own = port()
    async with peer(own) as one:
        for _ in range(2):
            one.send(GET)
            assert (await one.answer())[0] == 200
            assert (len(own.at_door), len(own.http_state.connections)) == (0, 1)
        one.send(UPGRADE)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")
        assert (len(own.at_door), len(own.http_state.connections)) == (0, 0)
    assert not own.crowded()


@pytest.mark.parametrize("begun", [b"", GET[:9], POST[:-1]])
async def test_port_is_finished_when_all_is_answered(begun: bytes) -> None:
    """Who has connected, and whoever has begun to ask, is waited for."""
    own, request = port(), POST if POST.startswith(begun) and begun else GET
    async with peer(own) as one:
        one.send(begun)
        while not own.at_door and not own.http_state.connections:  # noqa: ASYNC110 - sockets
            await asyncio.sleep(0)
        finishing = asyncio.create_task(own.finish())
        await asyncio.sleep(3 * LOOK_S)
        assert not finishing.done()
        one.send(request.removeprefix(begun))
        assert (await one.answer())[0] == 200
        await finishing


async def test_port_waits_a_moment_for_the_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who connects and says nothing holds nobody up for long."""
    monkeypatch.setattr(listener, "FIRST_WORD_S", 0.02)
    own = port()
    door_of(own)
    await own.finish()
    assert own.at_door


@pytest.mark.parametrize("dripping", [False, True], ids=["whole", "byte-by-byte"])
async def test_upgrade_waits_for_what_is_missing(dripping: bool) -> None:
    """Nothing is answered, lost or admitted before it is there."""
    asked: list[Ask] = []
    here: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def missing(ask: Ask) -> asyncio.Future[None]:
        asked.append(ask)
        return here

    own = replace(port(), missing=missing)
    async with peer(own) as one:
        data = UPGRADE + text("first")
        if dripping:
            await one.drip(data)
        else:
            one.send(data)
        while not asked:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        one.send(text("second"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.reader.read(1), 0.05)
        here.set_result(None)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")
        received = b""
        while len(split(received)[0]) < 2:
            received += await one.reader.read(100)
        assert split(received)[0] == [Frame(TEXT, b"first"), Frame(TEXT, b"second")]
    assert [(ask.quiz_id, ask.token) for ask in asked] == [("", "t")]


async def test_who_waits_for_what_is_missing_is_counted() -> None:
    """A socket is a socket: the ceiling holds for those who wait, and until they go."""
    here: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked: list[Ask] = []

    def missing(ask: Ask) -> asyncio.Future[None]:
        asked.append(ask)
        return here

    own = replace(port(sockets_max=2), missing=missing)
    async with peer(own) as one, peer(own) as other:
        for waiting in (one, other):
            waiting.send(UPGRADE)
        while len(asked) < 2:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)
        async with peer(own) as third:
            assert (await third.head()).startswith(b"HTTP/1.1 503 ")
        here.set_result(None)
        for waiting in (one, other):
            assert (await waiting.head()).startswith(b"HTTP/1.1 101 ")
        assert own.at_door == set()


async def test_what_is_known_is_not_waited_for() -> None:
    """The way to other shards is not even asked."""

    def missing(_: Ask) -> asyncio.Future[None]:
        raise AssertionError("it was asked")

    own = replace(port(), missing=missing, knows=lambda ask: ask.token == "t")
    async with peer(own) as one:
        one.send(UPGRADE)
        assert (await one.head()).startswith(b"HTTP/1.1 101 ")

"""The door, picows and a connection's first words, on one end of a socket pair."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from picows import WSListener
from uvicorn.server import ServerState

from quizd._fast.entrance import Guest
from quizd._fast.wire import frame, read_counters
from quizd.codes import Close
from quizd.edge.admission import Admitted
from quizd.edge.edge import http_config
from quizd.edge.listener import Door, Port
from tests.support.frames import TEXT, Frame, split, text
from tests.support.wires import Kept, policy

HEAD = (
    b"GET /ws?token=t HTTP/1.1\r\n"
    b"Host: localhost\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
OFFER = b"Sec-WebSocket-Protocol: chat, quizd.v1\r\n"
ODD = b"X-Odd(: 1\r\n"
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of that key (RFC 6455 section 1.3)


class Talker(Guest):
    """Says *words* when its connection is up, and closes with *code*, 0: stays."""

    def __init__(self, *words: bytes, code: int = 0) -> None:
        super().__init__(policy(), None)
        self.words = words
        self.code = code
        self.calls: list[str] = []

    def on_open(self) -> None:
        """Say them."""
        self.calls.append("open")
        for word in self.words:
            self.send(frame(word))
        if self.code:
            self.close(self.code, "no")

    def on_text(self, said: bytes) -> None:
        """Say it back."""
        self.send(frame(said))

    def on_gone(self) -> None:
        """Note it."""
        self.calls.append("gone")


class Failing(Talker):
    """Fails as soon as it is up."""

    def on_open(self) -> None:
        """Fail."""
        raise ValueError("nothing to say")


class Line(Kept):
    """A transport on packets: what one system call has sent is read by one."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        self.far.setblocking(False)
        self.near = near
        self.protocol: Any = None
        super().__init__(near)

    def set_protocol(self, protocol: object) -> None:
        """Note it."""
        self.protocol = protocol

    def is_closing(self) -> bool:
        """Tell whether it has ended."""
        return bool(self.ended)

    def packets(self) -> list[bytes]:
        """Return what was sent, call by call."""
        found = []
        while True:
            try:
                found.append(self.far.recv(65_536))
            except BlockingIOError:
                return found


def port(listener: WSListener) -> Port:
    """Return a port behind which *listener* is."""
    return Port(
        missing=lambda _: None,
        knows=lambda _: True,
        admit=lambda _: cast("Admitted", None),
        connect=lambda _: listener,
        http=http_config(cast("Any", None)),
        http_state=ServerState(),
        message_bytes=4096,
        sockets=lambda: 0,
        sockets_max=10,
        handshake_s=5,
        request_s=5,
    )


@asynccontextmanager
async def came(
    listener: WSListener, said: bytes = HEAD + b"\r\n", *, later: bytes = b""
) -> AsyncIterator[Line]:
    """Let somebody come who has *said* this early and says the rest *later*."""
    own, line = port(listener), Line()
    with line.near, line.far:
        if said:
            line.far.send(said)
        door: Door = own.door()
        door.connection_made(cast("asyncio.Transport", line))
        if later:
            assert line.packets() == []
            assert own.at_door == {door}
            door.data_received(later)
        await asyncio.sleep(0)  # what picows has to read waits for the loop
        assert own.at_door == set()
        yield line


def cut(packet: bytes) -> tuple[bytes, list[Frame]]:
    """Return the head of the answer and the frames behind it."""
    head, _, rest = packet.partition(b"\r\n\r\n")
    frames, left = split(rest)
    assert left == b""
    return head, frames


@pytest.mark.parametrize(
    "early", [len(HEAD) + 2, 10, 0], ids=["early", "in parts", "later"]
)
async def test_welcome_travels_with_the_answer(early: int) -> None:
    """One call to the kernel for both, however the head has come."""
    whole = HEAD + b"\r\n"
    before = read_counters()
    async with came(Talker(b"hello"), whole[:early], later=whole[early:]) as line:
        (packet,) = line.packets()
        head, frames = cut(packet)
        assert head.split(b"\r\n")[0] == b"HTTP/1.1 101 Switching Protocols"
        assert b"\r\nSec-WebSocket-Accept: " + ACCEPT in head
        assert b"Sec-WebSocket-Protocol" not in head
        assert frames == [Frame(TEXT, b"hello")]
    after = read_counters()
    assert after["frames_out"] == before["frames_out"] + 1
    assert after["bytes_out"] == before["bytes_out"] + len(frame(b"hello"))


@pytest.mark.parametrize("odd", [b"", ODD], ids=["read here", "read by picows"])
async def test_both_ways_of_reading_give_one_answer(odd: bytes) -> None:
    """Our subprotocol is chosen where it was offered."""
    said = HEAD + OFFER + odd.replace(b"(", b"!") + b"\r\n"
    async with came(Talker(b"hello"), said) as line:
        head, frames = cut(line.packets()[0])
        assert head.endswith(
            b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\nSec-WebSocket-Protocol: quizd.v1"
        )
        assert frames == [Frame(TEXT, b"hello")]


async def test_head_that_is_wrong_is_told_by_picows() -> None:
    """As ever: 400 with its words, and the end of the line."""
    async with came(Talker(), HEAD + ODD + b"\r\n") as line:
        assert line.packets() == []
        assert line.kept.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Invalid HTTP header name" in line.kept


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Version: 13", b"Version: 9"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"keep-alive, Upgrade", b"keep-alive"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        (b"Sec-WebSocket-Key", b"X-Key"),
    ],
)
async def test_handshake_is_still_checked(old: bytes, new: bytes) -> None:
    """A head that is read here is no less checked for what a handshake needs."""
    talker = Talker(b"hello")
    async with came(talker, HEAD.replace(old, new) + b"\r\n") as line:
        assert line.packets() == []
        assert line.kept.startswith(b"HTTP/1.1 400 ")
        assert talker.calls == []


async def test_silence_does_not_hold_the_answer_back() -> None:
    """A session that has to think first, as while it commits, is heard of later."""
    talker = Talker()
    async with came(talker) as line:
        head, frames = cut(line.packets()[0])
        assert (head[:13], frames) == (b"HTTP/1.1 101 ", [])
        talker.send(frame(b"now"))
        assert line.packets() == [frame(b"now")]


async def test_failure_does_not_hold_the_answer_back() -> None:
    """The peer is told that the upgrade is done before it is told the end."""
    async with came(Failing()) as line:
        assert cut(line.packets()[0])[0].startswith(b"HTTP/1.1 101 ")


async def test_words_follow_each_other() -> None:
    """The first goes with the answer, and none is lost or turned round."""
    async with came(Talker(b"one", b"two", b"three")) as line:
        packets = line.packets()
        frames = [*cut(packets[0])[1], *split(b"".join(packets[1:]))[0]]
        assert [each.payload for each in frames] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("words", [(), (b"one",)])
async def test_close_comes_behind_the_answer(words: tuple[bytes, ...]) -> None:
    """Who is turned away at once learns why."""
    async with came(Talker(*words, code=Close.REMOVED)) as line:
        head, frames = cut(b"".join(line.packets()))
        assert head.startswith(b"HTTP/1.1 101 ")
        assert [each.payload for each in frames[:-1]] == list(words)
        assert (frames[-1].code, frames[-1].payload[2:]) == (4010, b"no")


async def test_first_frame_behind_the_head_is_heard() -> None:
    """It was early as well."""
    async with came(Talker(b"hello"), HEAD + b"\r\n" + text("mine")) as line:
        first, second = line.packets()
        assert cut(first)[1] == [Frame(TEXT, b"hello")]
        assert second == frame(b"mine")


async def test_full_socket_loses_nothing() -> None:
    """What the kernel does not take the transport keeps."""
    near, far = socket.socketpair()
    near.setblocking(False)
    line = Kept(near)
    line.set_protocol = lambda _: None  # type: ignore[attr-defined] # not a whole one
    with near, far:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with suppress(BlockingIOError):
            while True:
                near.send(b"#")
        far.send(HEAD + b"\r\n")
        door = port(Talker(b"x" * 1000)).door()
        door.connection_made(cast("asyncio.Transport", line))
        assert cut(line.kept)[1] == [Frame(TEXT, b"x" * 1000)]


async def test_connection_that_is_gone_holds_nothing() -> None:
    """A wire that is still looked after has let go of picows and the loop."""
    talker = Talker(b"hello")
    async with came(talker) as line:
        line.protocol.connection_lost(None)
        assert talker.calls == ["open", "gone"]
        assert talker.closed
        talker.send(frame(b"late"))
        talker.close(Close.NORMAL)
        talker.abort()
        assert len(line.packets()) == 1

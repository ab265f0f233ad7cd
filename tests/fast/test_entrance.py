"""The way in: heads that are read, heads that are not, and the first words."""

import asyncio
import socket
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast.entrance import Ask, Quiet, Stand, read_head
from tests.support.wires import Line

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEAD = (
    b"GET /ws?token=t HTTP/1.1\r\n"
    b"Host: localhost:8080\r\n"
    b"User-Agent: somebody's own\r\n"
    b"UPGRADE: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"Origin:\thttp://localhost:8080 \r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: quizd.v1, bearer.x\r\n"
    b"Sec-WebSocket-Key: " + KEY.encode()
)


# -- heads ---------------------------------------------------------------------------


def test_head_is_read() -> None:
    """What matters for a WebSocket is there, by small names; the rest is not kept."""
    assert read_head(HEAD + b"\r\n\r\nbehind it", len(HEAD)) == (
        "/ws?token=t",
        {
            "host": "localhost:8080",
            "upgrade": "websocket",
            "connection": "Upgrade",
            "origin": "http://localhost:8080",
            "sec-websocket-version": "13",
            "sec-websocket-protocol": "quizd.v1, bearer.x",
            "sec-websocket-key": KEY,
        },
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET ", b"POST "),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/1.1 "),
        (b"/ws?token=t", b""),
        (b"/ws?token=t", b"/ws? token=t"),
        (b"/ws?token=t", b"/ws?token=\xc3\xb6"),
        (b"Host:", b"Host :"),
        (b"Host:", b" Host:"),
        (b"Host:", b":"),
        (b"Host:", b"H(st:"),
        (b"Host: localhost:8080", b"Host"),
        (b"somebody", b"some\x00body"),
        (b"somebody", b"some\rbody"),
        (b"somebody", b"some\nbody"),
        (b"somebody", b"some\xf6body"),
        (b"somebody", b"some\x7fbody"),
        (b"\r\nUser-Agent", b"\r\n\r\nUser-Agent"),
        (b"User-Agent", b"Content-Length"),
        (b"User-Agent", b"transfer-encoding"),
        (b"User-Agent", b"Origin"),
        (b"User-Agent", b"Sec-WebSocket-Key"),
        (b"User-Agent: ", b"X: y\r\n" * 128 + b"User-Agent: "),
    ],
)
def test_head_out_of_the_ordinary_is_left_to_picows(old: bytes, new: bytes) -> None:
    """Malformed, ambiguous, or with a body: nothing is guessed here."""
    head = HEAD.replace(old, new, 1)
    assert head != HEAD
    assert read_head(head, len(head)) is None


@pytest.mark.parametrize("size", range(len(HEAD)))
def test_no_part_of_a_head_is_misread(size: int) -> None:
    """What is cut off is missing or makes the head odd; nothing beyond is read."""
    read = read_head(HEAD, size)
    whole = read_head(HEAD, len(HEAD))
    assert whole is not None
    if read is not None:
        assert set(read[1]) <= set(whole[1])


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_do_any_harm(data: bytes, end: int) -> None:
    """Whatever comes is read, or it is not."""
    for head in (data, b"GET " + data, HEAD[:60] + data):
        read = read_head(head, min(end, len(head)))
        assert read is None or read[0]


def test_end_has_to_be_within() -> None:
    """Memory behind the data is nobody's."""
    for end in (-1, len(HEAD) + 1):
        with pytest.raises(ValueError, match="within"):
            read_head(HEAD, end)


# -- what is asked for ---------------------------------------------------------------


@pytest.mark.parametrize("escaped", [False, True])
def test_ask_tells_who_asks_for_what(escaped: bool) -> None:
    """The last of a name counts, empty values and strange names don't."""
    quiz = "quiz%31" if escaped else "quiz1"
    query = f"quizId=x&quizId={quiz}&participantId=p&epoch=3&after=&more=1&token=t&&="
    ask = Ask(f"/ws?{query}", {"sec-websocket-protocol": "bearer.other"})
    assert (ask.quiz_id, ask.participant_id, ask.token) == ("quiz1", "p", "t")
    assert (ask.epoch, ask.after) == (3, None)


@pytest.mark.parametrize(
    ("offered", "token"),
    [
        ("quizd.v1, bearer.abc", "abc"),
        ("bearer.abc,bearer.def", "abc"),
        ("Bearer.abc", ""),
        ("quizd.v1", ""),
        ("", ""),
    ],
)
def test_token_may_be_a_subprotocol(offered: str, token: str) -> None:
    """The first one that is a bearer."""
    assert Ask("/ws", {"sec-websocket-protocol": offered}).token == token


def test_nothing_asked_is_nothing_said() -> None:
    """Then all of it is empty."""
    ask = Ask("/ws", {})
    assert (ask.quiz_id, ask.participant_id, ask.token) == ("", "", "")
    assert (ask.epoch, ask.after) == (None, None)


# -- the stand-in --------------------------------------------------------------------


def test_stand_hands_on_what_it_does_not_know() -> None:
    """Only what picows asks of the socket is answered by itself."""
    line = Line()
    stand = Stand(cast("asyncio.Transport", line.transport))
    assert stand.is_plain
    assert stand.get_extra_info("socket").fileno() == line.near.fileno()
    assert stand.get_extra_info("peername", "unknown") == "unknown"
    stand.write(b"kept")
    assert line.transport.kept == b"kept"
    with pytest.raises(AttributeError):
        _ = stand.nothing_of_the_kind


def test_stand_sees_what_came_early() -> None:
    """At once and only once; nothing, and an end, are nothing."""
    near, far = socket.socketpair()
    near.setblocking(False)
    line = Line()
    line.transport._socket = near
    stand = Stand(cast("asyncio.Transport", line.transport))
    with near, far:
        assert stand.early() == b""
        far.send(b"first")
        assert (stand.early(), stand.early()) == (b"first", b"")
        far.shutdown(socket.SHUT_WR)
        assert stand.early() == b""
        assert near.recv(1) == b""


class Secure:
    """A transport with TLS: its socket holds what nobody here can read."""

    def get_extra_info(self, name: str) -> object:
        """Return something for everything."""
        return name


def test_stand_keeps_off_tls() -> None:
    """Bytes of the socket are not the peer's words."""
    stand = Stand(cast("asyncio.Transport", Secure()))
    assert not stand.is_plain
    assert stand.early() == b""


def test_quiet_logger_takes_anything() -> None:
    """And writes nothing."""
    quiet = cast("Any", Quiet())
    assert not quiet.isEnabledFor(50)
    for name in ("log", "debug", "info", "warning", "error", "exception"):
        assert getattr(quiet, name)("%s", 1, exc_info=True) is None

"""The one port: a first look at each request decides who serves it.

``GET /ws`` goes straight to picows, everything else to uvicorn's HTTP protocol and
from there to the REST application. A request for ``/ws`` on a connection that has
served REST before, as a proxy that keeps its connections may send it, comes back to
the same door. So there is one way in, and one deadline for a whole request head.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
)
from picows.common import WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stub
from uvicorn.config import Config
from uvicorn.server import ServerState

from quizd._fast.entrance import (
    Accepted,
    Ask,
    Guest,
    Quiet,
    Stand,
    feed,
    read_head,
)
from quizd.edge.admission import UPGRADE, Admitted, Turned, subprotocol
from quizd.edge.ceilings import SOCKETS_FULL, retry_after_s
from quizd.edge.direct import Direct, DirectHttp
from quizd.log import get_logger

HEAD_MAX_BYTES = 16_384
HEAD_END = b"\r\n\r\n"
WS_PATHS = (b"GET /ws?", b"GET /ws ", b"GET /ws/quiz?", b"GET /ws/quiz ")
READ_BUFFER_BYTES = 2048
ANSWER_WITHIN_S = 1.0
FIRST_WORD_S = 1.0
"""A request may be this far behind its connection when the port closes."""

LOOK_S = 0.01

BARE = b"GET / HTTP/1.1\r\n\r\n"
"""The head that picows is fed in place of one that has been read."""

CONNECTION = re.compile(rb"\r\nconnection:([^\r\n]*)", re.IGNORECASE)

log = get_logger(__name__)

Answer = Callable[[WSUpgradeRequest], WSUpgradeResponseWithListener]


@dataclass(frozen=True, slots=True)
class Port:
    """What all connections of the port have in common.

    ``missing`` says what an upgrade has to wait for, and is not asked where ``knows``
    tells that it is nothing. ``admit`` decides on it and raises :class:`Turned`;
    ``connect`` makes the listener of one that is admitted. ``sockets`` counts those who
    were let in; at ``sockets_max`` of all kinds nobody else is listened to. ``direct``
    serves what can do without the application. Times are seconds.
    """

    missing: Callable[[Ask], Awaitable[None] | None]
    admit: Callable[[Ask | WSUpgradeRequest], Admitted]
    connect: Callable[[Admitted], WSListener]
    http: Config
    http_state: ServerState
    message_bytes: int
    sockets: Callable[[], int]
    sockets_max: int
    handshake_s: float
    request_s: float
    knows: Callable[[Ask], bool] = lambda _: False
    direct: Direct | None = None
    at_door: set["Door"] = field(default_factory=set)

    def crowded(self) -> bool:
        """Tell whether there is no room for one more socket."""
        taken = self.sockets() + len(self.at_door) + len(self.http_state.connections)
        return taken >= self.sockets_max

    async def finish(self) -> None:
        """Wait until everything that was asked over HTTP is answered.

        Who has connected and says nothing is given :data:`FIRST_WORD_S`.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + FIRST_WORD_S
        # Looked at only while leaving; an event would cost something at each request.
        while self._is_asked() or (  # noqa: ASYNC110
            self.at_door and loop.time() < until_s
        ):
            await asyncio.sleep(LOOK_S)

    def _is_asked(self) -> bool:
        open_now = cast("set[HttpConnection]", self.http_state.connections)
        return any(each.busy() or each.is_arriving for each in open_now)

    def door(self) -> "Door":
        """Make the protocol of a new connection."""
        return Door(self)


class Door(asyncio.Protocol):
    """Waits for a whole request head, then hands the connection on."""

    __slots__ = (
        "_ask",
        "_coming",
        "_deadline",
        "_head",
        "_is_through",
        "_port",
        "_stand",
        "_transport",
    )

    def __init__(self, port: Port) -> None:
        self._port = port
        self._head = b""
        self._is_through = False
        self._ask: Ask | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._stand: Stand

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let in who has sent a whole head already; wait for the others.

        Nobody reads the socket yet. To look there first saves the loop a turn, and to
        be told twice who reads. What can't be answered at once has to wait until it
        does: before, it can't be paused.
        """
        if not self._has_room(cast("asyncio.Transport", transport)):
            return
        self._head = self._stand.early()
        end = self._head.find(HEAD_END)
        if end >= 0 and self._head.startswith(WS_PATHS) and self._is_known(end):
            self._is_through = True
            self._upgrade(end)
            return
        self._wait()
        if end >= 0:
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def take_back(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take a connection that has served REST, and now says *data*."""
        if self._has_room(transport):
            self._wait()
            self.data_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Stop the deadline."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Look at the head as far as it has come."""
        if self._is_through:
            return
        self._head += data
        end = self._head.find(HEAD_END)
        if end < 0 and len(self._head) <= HEAD_MAX_BYTES:
            return
        self._leave()
        if end < 0 or end > HEAD_MAX_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._head.startswith(WS_PATHS):
            self._to_websocket(end)
        else:
            self._to_http()

    def _has_room(self, transport: asyncio.Transport) -> bool:
        """Take *transport*; refuse it where the port is crowded."""
        self._transport = transport
        self._stand = Stand(transport)
        if not self._port.crowded():
            return True
        self._port.at_door.add(self)
        SOCKETS_FULL.inc()
        self._refuse(b"503 Service Unavailable\r\nretry-after: %d" % retry_after_s())
        return False

    def _wait(self) -> None:
        self._port.at_door.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._port.handshake_s, self._transport.abort)

    def _leave(self) -> None:
        self._is_through = True
        self._port.at_door.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 "
            + status
            + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self._transport.close()

    def _to_http(self) -> None:
        protocol = HttpConnection(self._port)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        protocol.data_received(self._head)

    def _to_websocket(self, end: int) -> None:
        known, ask = self._is_known(end), self._ask
        missing = None if known or ask is None else self._port.missing(ask)
        if missing is None:
            self._upgrade(end)
            return
        self._transport.pause_reading()
        self._port.at_door.add(self)  # it takes up a socket all the same
        self._coming = asyncio.ensure_future(missing)
        self._coming.add_done_callback(lambda _: self._arrived(end))

    def _arrived(self, end: int) -> None:
        del self._coming
        self._port.at_door.discard(self)
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._upgrade(end)

    def _is_known(self, end: int) -> bool:
        """Read the head; tell whether all is here that its request asks for."""
        if self._ask is None:
            read = read_head(self._head, end)
            self._ask = None if read is None else Ask(*read)
        return self._ask is not None and self._port.knows(self._ask)

    def _upgrade(self, end: int) -> None:
        if self._ask is None:
            head = normalised(self._head[:end]) + self._head[end:]
            answer = partial(_answer_to, self._port)
        else:
            head = BARE + self._head[end + len(HEAD_END) :]
            answer = partial(_answer_to_ask, self._port, self._ask)
        protocol = websocket_protocol(self._port, answer)
        stand, transport = self._stand, self._transport
        seen = cast("asyncio.Transport", stand) if stand.is_plain else transport
        protocol.connection_made(seen)
        transport.set_protocol(protocol)
        feed(protocol, head)
        self._let_go()

    def _let_go(self) -> None:
        """Keep nothing of the request: uvloop keeps the door as long as the transport.

        (``set_protocol`` with a buffered protocol leaves ``data_received`` of the one
        before in its place.)
        """
        self._head, self._ask = b"", None
        del self._stand, self._transport


class HttpConnection(DirectHttp):
    """uvicorn's HTTP protocol, with a deadline for each request to arrive."""

    def __init__(self, port: Port) -> None:
        super().__init__(port.http, port.http_state, port.direct)
        self._port = port
        self._arriving: asyncio.TimerHandle | None = None
        self._has_arrived = False

    @property
    def is_arriving(self) -> bool:
        """Whether a request has begun to come in and is not all here."""
        return self._arriving is not None

    def data_received(self, data: bytes) -> None:
        """Serve REST; give a request for a WebSocket back to the door."""
        idle = self._arriving is None and not self.busy()
        if idle and begins_upgrade(data):
            self._leave(data)
            return
        self._has_arrived = False
        super().data_received(data)
        if idle and not self._has_arrived:
            # The application answers for a body that is late; who does not even read
            # that is cut a little later.
            late_s = self._port.request_s + ANSWER_WITHIN_S
            self._arriving = self.loop.call_later(late_s, self.transport.abort)

    def _unsupported_upgrade_warning(self) -> None:
        """Pass over an ``Upgrade`` to something else (RFC 9110 section 7.8)."""

    def _leave(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        door = Door(self._port)
        self.transport.set_protocol(door)
        door.take_back(self.transport, data)

    def on_message_complete(self) -> None:
        """Note that the request is here."""
        self._has_arrived = True
        self._stop_arriving()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline too."""
        self._stop_arriving()
        super().connection_lost(exc)

    def _stop_arriving(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None


class TurnedAway(WSListener):
    """Says why, and closes."""

    def __init__(self, turned: Turned) -> None:
        self._turned = turned

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Close with the code; the line goes when the peer has answered, or soon."""
        code = cast("WSCloseCode", int(self._turned.code))
        transport.send_close(code, self._turned.why)
        loop = asyncio.get_running_loop()
        loop.call_later(ANSWER_WITHIN_S, transport.disconnect)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take the peer's close frame as the end."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def begins_upgrade(data: bytes) -> bool:
    """Tell whether a request that begins with *data* is for a WebSocket, or may be."""
    return data.startswith(WS_PATHS) or any(path.startswith(data) for path in WS_PATHS)


def normalised(head: bytes) -> bytes:
    """Return *head* with ``Connection: Upgrade`` where upgrade is one of its tokens.

    Firefox sends ``keep-alive, Upgrade`` (RFC 9110 section 7.6.1 allows a list);
    picows knows the single token.
    """
    found = CONNECTION.search(head)
    if found is None:
        return head
    tokens = [token.strip().lower() for token in found[1].split(b",")]
    if b"upgrade" not in tokens:
        return head
    return head[: found.start(1)] + b" Upgrade" + head[found.end(1) :]


def websocket_protocol(port: Port, answer: Answer) -> asyncio.BufferedProtocol:
    """Make picows' protocol for one connection; the arguments are by position."""
    protocol: asyncio.BufferedProtocol = WSProtocol(
        None,  # host and port: a client's
        None,  # path: a client's
        False,  # not a client
        answer,
        QUIET,
        True,  # disconnect on an exception
        None,  # the handshake's deadline was the door's
        False,  # pings are the wheel's
        0,
        0,
        0,
        False,  # pongs are the wire's, within its budget
        port.message_bytes,
        None,  # extra headers: a client's
        READ_BUFFER_BYTES,
    )
    return protocol


QUIET = Quiet()


def _answer_to(port: Port, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
    """Return the response to an upgrade request, and who listens."""
    return _answer(port, request, request.headers)


def _answer_to_ask(
    port: Port, ask: Ask, request: WSUpgradeRequest
) -> WSUpgradeResponseWithListener:
    """Answer *ask*, whose head picows has not seen; it checks what it needs of it."""
    request.headers = cast("Any", ask.headers)
    return _answer(port, ask, ask.headers)


def _answer(
    port: Port, request: Ask | WSUpgradeRequest, headers: Mapping[str, str]
) -> WSUpgradeResponseWithListener:
    try:
        listener = port.connect(port.admit(request))
    except Turned as turned:
        if turned.status != UPGRADE:
            return WSUpgradeResponseWithListener(_refusal(turned), None)
        listener = TurnedAway(turned)
    except Exception:
        log.exception("admission_crashed")  # picows would show the peer what it says
        crashed = Turned("internal error", status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return WSUpgradeResponseWithListener(_refusal(crashed), None)
    chosen = subprotocol(headers)
    if isinstance(listener, Guest):
        accepted = cast("WSUpgradeResponse", Accepted(chosen or ""))
        return WSUpgradeResponseWithListener(accepted, listener)
    offered = {} if chosen is None else {"Sec-WebSocket-Protocol": chosen}
    response = WSUpgradeResponse.create_101_response(offered)
    return WSUpgradeResponseWithListener(response, listener)


def _refusal(turned: Turned) -> WSUpgradeResponse:
    headers = {}
    if turned.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(retry_after_s())
    response: WSUpgradeResponse = WSUpgradeResponse.create_error_response(
        turned.status, turned.why.encode(), headers
    )
    return response

"""The one port: a first look at each request decides who serves it.

``GET /ws`` goes straight to picows, everything else to uvicorn's HTTP protocol and
from there to the REST application. A request for ``/ws`` on a connection that has
served REST before, as a proxy that keeps its connections may send it, comes back to
the same door. So there is one way in, and one deadline for a whole request head.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

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
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from quizd.edge.admission import (
    RETRY_AFTER_S,
    UPGRADE,
    Admitted,
    Turned,
    subprotocol,
)

HEAD_MAX_BYTES = 16_384
WS_PATHS = (b"GET /ws?", b"GET /ws ", b"GET /ws/quiz?", b"GET /ws/quiz ")
READ_BUFFER_BYTES = 2048
ANSWER_WITHIN_S = 1.0

CONNECTION = re.compile(rb"\r\nconnection:([^\r\n]*)", re.IGNORECASE)


class QuietLogger:
    """picows' logger: what it says about broken peers is counted, not written."""

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802 - logging's name
        """Nothing is enabled."""
        return False

    def _nothing(self, *_args: object, **_kwargs: object) -> None:
        pass

    log = debug = info = warning = error = exception = _nothing


@dataclass(frozen=True, slots=True)
class Port:
    """What all connections of the port have in common.

    ``admit`` decides on an upgrade and raises :class:`Turned`; ``connect`` makes the
    listener of one that is admitted. ``sockets`` counts those who were let in; at
    ``sockets_max`` of all kinds nobody else is listened to. Times are seconds.
    """

    admit: Callable[[WSUpgradeRequest], Admitted]
    connect: Callable[[Admitted], WSListener]
    http: Config
    http_state: ServerState
    message_bytes: int
    sockets: Callable[[], int]
    sockets_max: int
    handshake_s: float
    request_s: float
    at_door: set["Door"] = field(default_factory=set)

    def crowded(self) -> bool:
        """Tell whether there is no room for one more socket."""
        taken = self.sockets() + len(self.at_door) + len(self.http_state.connections)
        return taken > self.sockets_max

    def door(self) -> "Door":
        """Make the protocol of a new connection."""
        return Door(self)


class Door(asyncio.Protocol):
    """Waits for a whole request head, then hands the connection on."""

    __slots__ = ("_deadline", "_head", "_port", "_transport")

    def __init__(self, port: Port) -> None:
        self._port = port
        self._head = b""
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline."""
        self._transport = cast("asyncio.Transport", transport)
        self._port.at_door.add(self)
        if self._port.crowded():
            self._refuse(b"503 Service Unavailable\r\nretry-after: %d" % RETRY_AFTER_S)
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._port.handshake_s, self._transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        """Stop the deadline."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Look at the head as far as it has come."""
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= HEAD_MAX_BYTES:
            return
        self._leave()
        if end < 0 or end > HEAD_MAX_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._head.startswith(WS_PATHS):
            self._to_websocket(end)
        else:
            self._to_http()

    def _leave(self) -> None:
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
        head = normalised(self._head[:end]) + self._head[end:]
        protocol = websocket_protocol(self._port)
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        feed(protocol, head)


class HttpConnection(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with a deadline for each request to arrive."""

    def __init__(self, port: Port) -> None:
        super().__init__(port.http, port.http_state, {})
        self._port = port
        self._arriving: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Serve REST; give a request for a WebSocket back to the door."""
        idle = self._arriving is None and not self._busy()
        if idle and begins_upgrade(data):
            self._leave(data)
            return
        if idle:
            # The application answers for a body that is late; who does not even read
            # that is cut a little later.
            late_s = self._port.request_s + ANSWER_WITHIN_S
            self._arriving = self.loop.call_later(late_s, self.transport.abort)
        super().data_received(data)

    def _unsupported_upgrade_warning(self) -> None:
        """Pass over an ``Upgrade`` to something else (RFC 9110 section 7.8)."""

    def _busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first one
        return cycle is not None and not cycle.response_complete

    def _leave(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        door = Door(self._port)
        door.connection_made(self.transport)
        self.transport.set_protocol(door)
        door.data_received(data)

    def on_message_complete(self) -> None:
        """Note that the request is here."""
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


def feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give *data* to a buffered protocol as if it had come from the socket."""
    at = 0
    while at < len(data):
        room = cast("memoryview", protocol.get_buffer(-1))
        part = data[at : at + len(room)]
        room[: len(part)] = part
        at += len(part)
        protocol.buffer_updated(len(part))


def websocket_protocol(port: Port) -> asyncio.BufferedProtocol:
    """Make picows' protocol for one connection; the arguments are by position."""
    protocol: asyncio.BufferedProtocol = WSProtocol(
        None,  # host and port: a client's
        None,  # path: a client's
        False,  # not a client
        lambda request: _answer_to(port, request),
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


QUIET = QuietLogger()


def _answer_to(port: Port, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
    """Return the response to an upgrade request, and who listens."""
    try:
        listener = port.connect(port.admit(request))
    except Turned as turned:
        if turned.status != UPGRADE:
            return WSUpgradeResponseWithListener(_refusal(turned), None)
        listener = TurnedAway(turned)
    chosen = subprotocol(request.headers)
    headers = {} if chosen is None else {"Sec-WebSocket-Protocol": chosen}
    response = WSUpgradeResponse.create_101_response(headers)
    return WSUpgradeResponseWithListener(response, listener)


def _refusal(turned: Turned) -> WSUpgradeResponse:
    headers = {}
    if turned.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    response: WSUpgradeResponse = WSUpgradeResponse.create_error_response(
        turned.status, turned.why.encode(), headers
    )
    return response

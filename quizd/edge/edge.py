"""The edge of a shard: its hubs, its connections, its port."""

import asyncio
import random
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from picows import WSUpgradeRequest
from uvicorn.config import Config
from uvicorn.server import ServerState

from quizd import sockets
from quizd._fast.entrance import Ask
from quizd._fast.wire import Policy
from quizd.accounts.tokens import Tokens
from quizd.clock import SystemClock
from quizd.cluster.region import Regions
from quizd.codes import Close
from quizd.edge.admission import Admitted, Gate, Turned
from quizd.edge.arriving import Arrivals
from quizd.edge.connection import Connection
from quizd.edge.direct import Direct
from quizd.edge.hub import Hub
from quizd.edge.listener import Port
from quizd.edge.wheel import Wheel
from quizd.owner.handle import Handle
from quizd.owner.sessions import Sessions
from quizd.settings import Settings

KEEP_ALIVE_S = 30
ASGI = Callable[..., Any]
REST_SOCKETS = 1000


class Edge:
    """Accepts players and hosts, and serves the REST application *http*."""

    def __init__(self, settings: Settings, tokens: Tokens, clock: SystemClock) -> None:
        self._settings = settings
        self._tokens = tokens
        self._clock = clock
        cluster = settings.cluster
        self._regions = Regions(cluster.region, cluster.region_urls)
        self._hubs: dict[str, Hub] = {}
        self._server: asyncio.Server | None = None
        self._port: Port | None = None
        timeouts = settings.timeouts
        self.wheel = Wheel(timeouts.ping_interval_s, timeouts.pong_timeout_s)
        self.connections = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def lines(self, session_id: str, handle: Handle) -> Hub:
        """Make the hub of a session; a reloaded session gets a new one.

        Who came while it was being reloaded waits at the old one for a picture.
        """
        hub, elder = Hub(handle, self._settings), self._hubs.get(session_id)
        if elder is not None:
            elder.close_all(Close.SERVICE_RESTART)
        self._hubs[session_id] = hub
        return hub

    def forget(self, session_id: str) -> None:
        """Drop the hub of a session; its connections are closed by then."""
        self._hubs.pop(session_id, None)

    # -- the port ----------------------------------------------------------------

    async def listen(
        self, http: ASGI, sessions: Sessions, direct: Direct | None = None
    ) -> list[str]:
        """Open the port; return the addresses it listens on.

        *direct* is offered the requests for *http* that can do without it.

        Raises ``OSError`` where the port is taken or the certificate unreadable.
        """
        server, limits = self._settings.server, self._settings.limits
        gate = Gate(
            sessions=sessions,
            tokens=self._tokens,
            clock=self._clock,
            origins=server.allowed_origins,
            tokenless=self._settings.compat.tokenless,
            connections=lambda: self.connections,
            connections_max=limits.connections,
            elsewhere=self._regions.elsewhere,
        )
        port = self._port = Port(
            missing=Arrivals(sessions, self._tokens, self._clock).missing,
            knows=gate.knows,
            admit=partial(_admit, gate),
            connect=self._connector(),
            http=http_config(http),
            http_state=ServerState(),
            message_bytes=limits.message_bytes,
            sockets=lambda: self.connections,
            sockets_max=limits.connections + REST_SOCKETS,
            handshake_s=self._settings.timeouts.handshake_s,
            request_s=self._settings.timeouts.request_s,
            direct=direct,
        )
        context = tls_context(server.tls_certificate, server.tls_key)
        self._server = await asyncio.get_running_loop().create_server(
            port.door,
            **sockets.place(
                server.host, server.port, share=bool(self._settings.redis.url)
            ),
            backlog=server.backlog,
            ssl=context,
            ssl_handshake_timeout=self._settings.timeouts.handshake_s
            if context
            else None,
        )
        self.wheel.start()
        return [_address(each) for each in self._server.sockets]

    def _connector(self) -> Callable[[Admitted], Connection]:
        limits = self._settings.limits
        policy = Policy(
            message_bytes=limits.message_bytes,
            output_bytes=limits.output_bytes,
            messages_per_s=limits.messages_per_s,
            message_burst=limits.message_burst,
            offset_ms=self._clock.offset_ms(),
        )

        def connect(admitted: Admitted) -> Connection:
            hub = self._hubs.get(admitted.runner.state.session_id)
            if hub is None:
                raise Turned("session is not here", code=Close.TRY_AGAIN_LATER)
            return Connection(hub, admitted.visit, policy, self._clock, self)

        return connect

    def opened(self, connection: Connection) -> None:
        """Count a connection, and look after it."""
        self.connections += 1
        self._empty.clear()
        self.wheel.add(connection)

    def gone(self, _: Connection) -> None:
        """Count a connection off."""
        self.connections -= 1
        if not self.connections:
            self._empty.set()

    # -- leaving -----------------------------------------------------------------

    async def close(self, drain_s: float) -> None:
        """Accept nobody more, answer what is asked, and ask everybody to come back.

        After *drain_s*, in seconds, the rest is cut off.
        """
        if self._server is not None:
            self._server.close()
        spread_ms = round(drain_s * 1000)
        for hub in self._hubs.values():
            hub.say_reconnect(lambda: random.randint(0, spread_ms), "restart")  # noqa: S311 - spreads load
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                if self._port is not None:
                    await self._port.finish()
                await self._empty.wait()
        for hub in self._hubs.values():
            hub.close_all(Close.GOING_AWAY)
        self.wheel.stop()


def _admit(gate: Gate, request: Ask | WSUpgradeRequest) -> Admitted:
    if isinstance(request, Ask):
        return gate.let_in(request)
    return gate.admit(request.path.decode("latin-1"), request.headers)


def http_config(app: ASGI) -> Config:
    """Return uvicorn's settings for our own server, loaded."""
    config = Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    return config


def tls_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """Return the context of a PEM chain and its key, ``None`` without them."""
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"{host}:{port}" if sock.family is socket.AF_INET else f"[{host}]:{port}"

"""Handles of the peers that play whole quizzes; each has a Redis of its own."""

import sys
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from bench.floors import control
from bench.floors.child import Child, ChildFailed
from bench.floors.processes import children
from bench.floors.redis_server import RedisServer
from bench.floors.redis_server import unavailable as lacks_redis
from bench.load.tickets import Dialect
from bench.peers import base

START_S = 15.0
POLL_S = 0.02
REST_S = 30.0


class PlayingPeer(base.ChildPeer):
    """A peer that plays; one session of one quiz at a time.

    The calls are those of quizd's REST interface under ``/api/v1``: definitions are
    stored, sessions opened and led in the same way, by whoever knows :attr:`url`.
    """

    can_play: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._redis: RedisServer | None = None
        self.opened: dict[str, Any] = {}

    @property
    def redis(self) -> RedisServer:
        """The peer's Redis, while it runs."""
        if self._redis is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._redis

    @property
    def helper_pids(self) -> list[int]:
        """The Redis server."""
        return [self.redis.pid]

    def start(self) -> None:
        """Start Redis, then the server; wait until it answers."""
        self.opened = {}
        self._redis = RedisServer(appends=True)
        try:
            super().start()
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, then Redis."""
        super().stop()
        if self._redis is not None:
            self._redis.stop()
            self._redis = None

    def _wait(self) -> None:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            try:
                httpx.get(f"{self.url}/livez", timeout=START_S).raise_for_status()
            except httpx.TransportError:
                time.sleep(POLL_S)
            else:
                return
        raise ChildFailed(f"{self.name} does not answer")

    def open(self, quiz: Mapping[str, Any]) -> dict[str, Any]:
        """Store *quiz* and open a session of it.

        Return ``quizId``, ``sessionId``, ``pin``, ``hostToken`` and ``wsUrl``.
        Raises ``httpx.HTTPStatusError`` where it is refused.
        """
        quiz_id = self._post("", quiz)["quizId"]
        self.opened = {"quizId": quiz_id, **self._post(f"/{quiz_id}/open")}
        return self.opened

    def command(self, name: str) -> dict[str, Any]:
        """Lead the session: ``start``, ``next`` or ``end``; return where it stands."""
        return self._post(f"/{self.opened['pin']}/{name}")

    def join(self, name: str) -> dict[str, Any]:
        """Let somebody join; return what joining gives."""
        return self._post(f"/{self.opened['pin']}/join", {"participantName": name})

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        token = self.opened.get("hostToken")
        answer = httpx.post(
            f"{self.url}/api/v1/quizzes{path}",
            json=body,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=REST_S,
        )
        answer.raise_for_status()
        answered: dict[str, Any] = answer.json()
        return answered

    @property
    def ws_path(self) -> str:
        """Path and query for connections that only listen to the opened session.

        Joins it, as one participant who may have as many connections as they like.
        """
        ticket = self.join("Listener")
        url = httpx.URL(ticket["wsUrl"]).copy_merge_params({"token": ticket["token"]})
        return url.raw_path.decode()

    @abstractmethod
    def _launch(self) -> Child:
        """Start the server."""


class FastApiRedis(PlayingPeer):
    """FastAPI, uvicorn and Redis; *workers* processes."""

    name: ClassVar[str] = "fastapi_redis"

    def __init__(self, workers: int = 1) -> None:
        super().__init__()
        self._workers = workers
        self._seq = 0

    def available(self) -> str:
        """Tell what is missing; only Redis can be."""
        return lacks_redis()

    def _launch(self) -> Child:
        arguments = ["--redis", self.redis.url, "--workers", str(self._workers)]
        return Child([sys.executable, "-m", "bench.peers.fastapi_redis", *arguments])

    @property
    def pids(self) -> list[int]:
        """The workers and, where there are several, who watches them."""
        return [self.child.pid, *children(self.child.pid)]

    def broadcast(
        self, size_bytes: int, times: int = 1, pause_ms: float = 0
    ) -> dict[str, Any]:
        """Publish to the session's channel, from where everybody is sent it."""
        channel = f"{{{self.opened['sessionId']}}}:events"
        rounds = []
        with self.redis.client() as redis:
            for _ in range(times):
                self._seq += 1
                text = control.message(self._seq, size_bytes)
                started_ns = time.monotonic_ns()
                redis.publish(channel, b"\n" + text)
                rounds.append({"seq": self._seq, "started_ns": started_ns})
                time.sleep(pause_ms / 1000)
        return {"rounds": rounds}


class SocketIoRedis(PlayingPeer):
    """Node, socket.io and its Redis adapter; one process."""

    name: ClassVar[str] = "socketio_redis"
    dialect: ClassVar[Dialect] = "socket.io"
    greeting: ClassVar[bytes] = b"40"
    ping: ClassVar[bytes] = b"2"
    pong: ClassVar[bytes] = b"3"

    def available(self) -> str:
        """Tell what is missing: Redis, Node or its packages."""
        return lacks_redis() or base.lacks_node(self.name)

    def _launch(self) -> Child:
        script = str(base.HERE / self.name / "server.js")
        return Child(["node", script, "--redis", self.redis.url])

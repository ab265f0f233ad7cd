"""REST and sockets, by quizd's protocol."""

import asyncio
import contextlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus
from uuid import uuid4

import orjson
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from bench.floors.control import prepare_process
from bench.peers.fastapi_redis import player
from bench.peers.fastapi_redis.game import Game
from bench.peers.fastapi_redis.quiz import Quiz, Session
from bench.peers.fastapi_redis.room import Room
from bench.peers.fastapi_redis.store import Store
from quizd.clock import SystemClock

PREFIX = "/api/v1/quizzes"
REDIS = "PEER_REDIS"
SECRET = "PEER_SECRET"  # noqa: S105 - the name of a variable
UNAUTHORIZED = 4001
NO_SESSION = 4004


class Joining(BaseModel):
    """The body of a join."""

    participantName: str  # noqa: N815 - the protocol's name


class Worker:
    """What one process has: its Redis connections, rooms and games."""

    def __init__(self) -> None:
        self.store = Store(os.environ[REDIS])
        self.secret = os.environ[SECRET].encode()
        self.clock = SystemClock()
        self.rooms: dict[str, asyncio.Task[Room]] = {}
        self.games: set[asyncio.Task[None]] = set()

    async def session(self, address: str) -> Session:
        """Return the session at *address*; raise 404 where there is none."""
        session = await self.store.session(address)
        if session is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "session_not_found")
        return session

    async def room(self, session: Session) -> Room:
        """Return the session's room of this worker, made by whoever comes first."""
        entering = self.rooms.get(session.session_id)
        if entering is None:
            entering = asyncio.create_task(Room.enter(self.store, session))
            self.rooms[session.session_id] = entering
        return await asyncio.shield(entering)

    async def lead(self, session: Session) -> None:
        """Begin to lead *session*."""
        commands = await self.store.listen(session, "commands")
        game = Game(self.store, session, self.clock, commands)
        task = asyncio.create_task(game.lead())
        self.games.add(task)
        task.add_done_callback(self.games.discard)

    def token(self, session: Session, who: str) -> str:
        """Return the token of a participant's id, or of ``host``."""
        text = f"{session.session_id} {who}".encode()
        return hmac.digest(self.secret, text, "sha256").hex()[:32]

    def knows(self, token: str, session: Session, who: str) -> bool:
        """Tell whether *token* is the one of *who*."""
        return hmac.compare_digest(token, self.token(session, who))

    async def close(self) -> None:
        """End games and rooms."""
        for game in self.games:
            game.cancel()
        for entering in self.rooms.values():
            if entering.done() and not entering.exception():
                entering.result().leave()
        await self.store.close()


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the worker for as long as the process serves."""
    app.state.worker = Worker()
    prepare_process()
    yield
    await app.state.worker.close()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


def reply(content: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return *content* as JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def worker_of(connection: Request | WebSocket) -> Worker:
    """Return the process's worker."""
    worker: Worker = connection.app.state.worker
    return worker


@app.get("/livez")
async def livez() -> Response:
    """Tell that the process serves."""
    return reply({"status": "ok"})


@app.post(PREFIX)
async def create_quiz(request: Request, quiz: Quiz) -> Response:
    """Keep a definition."""
    quiz_id = uuid4().hex
    await worker_of(request).store.put_quiz(quiz_id, quiz)
    return reply({"quizId": quiz_id}, HTTPStatus.CREATED)


@app.post(PREFIX + "/{quiz_id}/open")
async def open_session(request: Request, quiz_id: str) -> Response:
    """Open a session and lead it."""
    worker = worker_of(request)
    quiz = await worker.store.quiz(quiz_id)
    if quiz is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "quiz_not_found")
    pin = f"{secrets.randbelow(10**8):08d}"
    session = Session(uuid4().hex, quiz_id, pin, worker.clock.now_ms(), quiz)
    await worker.store.open(session)
    await worker.lead(session)
    opened = {
        "sessionId": session.session_id,
        "pin": pin,
        "hostToken": worker.token(session, "host"),
        "wsUrl": ws_url(request, session),
    }
    return reply(opened, HTTPStatus.CREATED)


@app.post(PREFIX + "/{address}/join")
async def join(request: Request, address: str, joining: Joining) -> Response:
    """Take part."""
    worker = worker_of(request)
    session = await worker.session(address)
    participant_id = str(uuid4())
    joined = await worker.store.join(
        session, participant_id, joining.participantName, worker.clock.now_ms()
    )
    settings = session.quiz.settings
    if settings.start == "auto" and joined == settings.min_participants:
        await worker.store.command(session, "start")
    ticket = {
        "quizId": session.quiz_id,
        "participantId": participant_id,
        "sessionId": session.session_id,
        "token": worker.token(session, participant_id),
        "wsUrl": ws_url(request, session, f"&participantId={participant_id}"),
        "participantName": joining.participantName,
    }
    return reply(ticket)


def ws_url(request: Request, session: Session, rest: str = "") -> str:
    """Return where the socket is."""
    return f"ws://{request.headers['host']}/ws?quizId={session.quiz_id}{rest}"


@app.post(PREFIX + "/{address}/{command}")
async def lead(request: Request, address: str, command: str) -> Response:
    """Do what the host says: ``start``, ``next`` or ``end``."""
    worker = worker_of(request)
    session = await worker.session(address)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not worker.knows(token, session, "host"):
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "unauthorized")
    if command not in {"start", "next", "end"}:
        raise HTTPException(HTTPStatus.NOT_FOUND, "unknown_command")
    await worker.store.command(session, command)
    state = await worker.store.state(session)
    return reply({"phase": state.phase, "seq": state.seq})


@app.websocket("/ws")
async def play(socket: WebSocket) -> None:
    """Let a participant play."""
    worker = worker_of(socket)
    query, offered = socket.query_params, socket.scope["subprotocols"]
    bearer = [name for name in offered if name.startswith("bearer.")]
    token = bearer[0].removeprefix("bearer.") if bearer else query.get("token", "")
    session = await worker.store.session(query.get("quizId", ""))
    if session is None:
        await socket.close(NO_SESSION)
        return
    participant_id = query.get("participantId", "")
    if not worker.knows(token, session, participant_id):
        await socket.close(UNAUTHORIZED)
        return
    room = await worker.room(session)
    await socket.accept("quizd.v1" if bearer else None)
    with contextlib.suppress(WebSocketDisconnect):
        await player.play(room, socket, participant_id, worker.clock)

"""A player who survives what happens to servers, and holds them to their word.

It speaks through ``websockets``, comes back through any shard after every break, sends
an answer until it has heard what that came to, and notes everything that was said.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.support.contract import check_server_message
from tests.support.server import Server

Payload = dict[str, Any]

PASSING = (1001, 1006, 1011, 1012, 1013, 4008)
"""Close codes after which a client comes back; any other one is a failure."""

FINAL = ("too_late", "question_not_open")
"""Reasons for which an answer is given up; any but these and `RETRY` is a failure."""

RETRY = "shard_unavailable"
RETRY_S = 0.15
TOLD = ("receivedAt", "points", "correct")


@dataclass(frozen=True, slots=True)
class Temper:
    """How a player behaves; times in seconds, shares of 1.

    ``strict``: holds each message to the published schemas. ``by_rest``: share of
    answers that go by REST. ``ping_s``: between pings of the client, which give a
    silent server up; ``None``: it waits for ever.
    """

    think_s: tuple[float, float] = (0.0, 1.2)
    silent: float = 0.05
    by_rest: float = 0.1
    strict: bool = False
    ping_s: float | None = None
    back_s: tuple[float, float] = (0.02, 0.2)


@dataclass(slots=True)
class Survivor:
    """One player; *doors* are the shards through which it may come in.

    ``heard_s`` are the loop's instants of broadcasts and results, ``breaks_s`` for how
    long it was away each time, ``anew`` how often history went back to an elder place.
    One that *forgives* is not surprised when what it was told is no longer so.
    """

    name: str
    rng: random.Random
    doors: Sequence[Server]
    temper: Temper = field(default_factory=Temper)
    ticket: Payload = field(default_factory=dict)
    acknowledged: dict[str, Payload] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    retries: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    heard_s: list[float] = field(default_factory=list)
    breaks_s: list[float] = field(default_factory=list)
    reveals: dict[str, Payload] = field(default_factory=dict)
    forgives: bool = False
    anew: int = 0
    welcomes: int = 0
    place: tuple[int, int] = (0, -1)
    final: Payload | None = None
    socket: ClientConnection | None = None
    door: Server | None = None
    shown_s: dict[str, float] = field(default_factory=dict)
    gave_s: dict[str, float] = field(default_factory=dict)
    _decided: set[str] = field(default_factory=set)
    _pending: dict[str, Payload] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _lost_s: float | None = None

    # -- coming and going ----------------------------------------------------------

    async def join(self, pin: str) -> None:
        """Join through any door, again and again with one key until that succeeds."""
        key = {"idempotency-key": f"{self.rng.getrandbits(64):x}"}
        body = {"participantName": self.name}
        while not self.ticket:
            path = f"/quizzes/{pin}/join"
            answer = await self._post(path, body, key)
            if answer is not None and answer.status_code == httpx.codes.OK:
                self.ticket = answer.json()
            else:
                if answer is not None:
                    self.retries[f"join {answer.status_code}"] += 1
                await asyncio.sleep(RETRY_S)

    async def play(self) -> None:
        """Play to the end, whatever happens to the servers."""
        try:
            while self.final is None:
                await self._visit()
                if self.final is None:
                    await asyncio.sleep(self.rng.uniform(*self.temper.back_s))
        finally:
            for task in tuple(self._tasks):
                task.cancel()

    async def _visit(self) -> None:
        self.door = self.rng.choice(self.doors)
        try:
            async with connect(
                self._address(self.door),
                subprotocols=[
                    Subprotocol("quizd.v1"),
                    Subprotocol(f"bearer.{self.ticket['token']}"),
                ],
                compression=None,
                ping_interval=self.temper.ping_s,
                ping_timeout=self.temper.ping_s,
                close_timeout=0.5,
                open_timeout=5,
                proxy=None,
            ) as socket:
                await self._listen(socket)
        except (OSError, InvalidHandshake, TimeoutError) as error:
            self.retries[type(error).__name__] += 1

    def _address(self, door: Server) -> str:
        ticket, (epoch, seq) = self.ticket, self.place
        who = f"quizId={ticket['quizId']}&participantId={ticket['participantId']}"
        again = f"&epoch={epoch}&after={seq}" if epoch else ""
        return f"{door.ws_url}?{who}{again}"

    async def _listen(self, socket: ClientConnection) -> None:
        here = Here(self)
        try:
            while self.final is None:
                raw = await socket.recv()
                if self.temper.strict:
                    check_server_message(raw)
                here.take(orjson.loads(raw))
                if here.welcomed and self.socket is not socket:
                    self.socket = socket
                    self._spawn(self._send_pending())
        except ConnectionClosed as closed:
            self._was_closed(closed.rcvd.code if closed.rcvd else 1006)
        finally:
            self.socket = None
            if self._lost_s is None:
                self._lost_s = asyncio.get_running_loop().time()

    def _was_closed(self, code: int) -> None:
        self.closes[code] += 1
        assert code in PASSING, f"{self.name} was closed with {code}"

    def is_back(self) -> None:
        """Note how long it has been away."""
        self.welcomes += 1
        if self._lost_s is not None:
            now_s = asyncio.get_running_loop().time()
            self.breaks_s.append(now_s - self._lost_s)
            self._lost_s = None

    # -- answering -----------------------------------------------------------------

    def consider(self, question: Payload) -> None:
        """Think about a question that was not seen before."""
        name = question["questionId"]
        if name not in self._decided:
            self._decided.add(name)
            self.shown_s[name] = asyncio.get_running_loop().time()
            if self.rng.random() >= self.temper.silent:
                self._spawn(self._think(question))

    async def _think(self, question: Payload) -> None:
        await asyncio.sleep(self.rng.uniform(*self.temper.think_s))
        several = question["questionType"] == "multiple_choice"
        chosen = self.rng.sample(question["options"], 2 if several else 1)
        answer: Payload = {"questionId": question["questionId"]}
        if several:
            answer["selectedOptions"] = chosen
        else:
            answer["selectedOption"] = chosen[0]
        self.gave_s[question["questionId"]] = asyncio.get_running_loop().time()
        self._pending[question["questionId"]] = answer
        if self.rng.random() < self.temper.by_rest:
            await self._answer_by_rest(answer)
        else:
            await self._send(answer)

    async def _send(self, answer: Payload) -> None:
        socket = self.socket
        if socket is not None:
            text = {"type": "answer_submission", "payload": answer}
            with suppress(ConnectionClosed):
                await socket.send(orjson.dumps(text).decode())

    async def _send_pending(self) -> None:
        for answer in list(self._pending.values()):
            await self._send(answer)

    async def _answer_by_rest(self, answer: Payload) -> None:
        """Answer through any door until there is an outcome."""
        name = answer["questionId"]
        while name in self._pending:
            path = f"/quizzes/{self.ticket['quizId']}/answers"
            token = {"authorization": f"Bearer {self.ticket['token']}"}
            reply = await self._post(path, answer, token)
            if reply is None:
                pass
            elif reply.status_code == httpx.codes.OK:
                self.keep(reply.json())
            else:
                problem = reply.json()
                self.retries[f"answer {reply.status_code} {problem.get('code')}"] += 1
                assert reply.status_code != httpx.codes.INTERNAL_SERVER_ERROR, problem
                self.give_up(name, problem["code"])
            await asyncio.sleep(RETRY_S)

    def keep(self, result: Payload) -> None:
        """Hold a second acknowledgement of an answer to the first."""
        name = result["questionId"]
        told = {key: result[key] for key in TOLD}
        before = self.acknowledged.setdefault(name, told)
        if self.forgives:
            self.acknowledged[name] = before = told
        assert before == told, f"{self.name}: {before}, then {told}"
        assert name not in self.refused, f"{self.name}: {name} was refused before"
        self._pending.pop(name, None)

    def give_up(self, name: str, reason: str) -> None:
        """Take a refusal for what it is."""
        if reason == RETRY:
            self.retries[reason] += 1
            self._spawn(self._once_more())
            return
        assert reason in FINAL, f"{self.name}: {name} is refused: {reason}"
        if name in self._pending:
            del self._pending[name]
            self.refused[name] = reason

    async def _once_more(self) -> None:
        await asyncio.sleep(RETRY_S)
        await self._send_pending()

    # -- small things --------------------------------------------------------------

    async def _post(
        self, path: str, body: Payload, headers: dict[str, str]
    ) -> httpx.Response | None:
        door = self.rng.choice(self.doors)
        try:
            async with door.api() as api:
                return await api.post(path, json=body, headers=headers, timeout=8)
        except httpx.TransportError as error:
            self.retries[f"REST {type(error).__name__}"] += 1
            return None

    def _spawn(self, job: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or AssertionError


class Here:
    """One connection of a player: what comes has to be numbered without a gap."""

    def __init__(self, player: Survivor) -> None:
        self.player = player
        self.welcomed = False
        self.seq = -1

    def take(self, message: Payload) -> None:
        """Hold *message* to the order, then do what it asks for."""
        player, payload = self.player, message["payload"]
        kind = message["type"]
        if "seq" in message:
            self._in_order(message)
        take = TAKE.get(kind)
        if take is not None:
            take(self, player, payload)

    def _in_order(self, message: Payload) -> None:
        player, seq = self.player, message["seq"]
        assert self.welcomed, f"{player.name}: {message['type']} before welcome"
        expected = f"{player.name}: {message['type']} has {seq} after {self.seq}"
        assert seq == self.seq + 1, expected
        self.seq = seq
        player.place = (player.place[0], seq)
        player.heard_s.append(asyncio.get_running_loop().time())

    def welcome(self, player: Survivor, payload: Payload) -> None:
        """Begin from the picture."""
        place = (payload["epoch"], payload["seq"])
        if place < player.place:
            player.anew += 1
        assert payload["resumed"] == (place == player.place and not self.welcomed)
        player.place, self.seq = place, payload["seq"]
        self.welcomed = True
        player.is_back()
        if payload["phase"] == "ended":  # it was, before this one was back
            board = payload.get("leaderboard", [])
            player.final = {"you": payload["you"], "finalLeaderboard": board}
        question = payload.get("question")
        if question is not None and payload["phase"] == "question":
            player.consider(question)

    def question(self, player: Survivor, payload: Payload) -> None:
        """Think about it."""
        player.consider(payload)

    def result(self, player: Survivor, payload: Payload) -> None:
        """Keep it."""
        player.heard_s.append(asyncio.get_running_loop().time())
        player.keep(payload)

    def closed(self, player: Survivor, payload: Payload) -> None:
        """Keep the outcome."""
        player.reveals[payload["questionId"]] = payload["you"]

    def ended(self, player: Survivor, payload: Payload) -> None:
        """Be done."""
        player.final = payload

    def error(self, player: Survivor, payload: Payload) -> None:
        """Take it as about the answer that it names."""
        name = payload["details"].get("questionId", "")
        player.give_up(name, payload["reason"])


TAKE = {
    "welcome": Here.welcome,
    "new_question": Here.question,
    "answer_result": Here.result,
    "question_closed": Here.closed,
    "quiz_ended": Here.ended,
    "error": Here.error,
}

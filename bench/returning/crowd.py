"""A process full of players that come back; obeys as ``bench.floors`` says.

Commands: ``come`` lets those in who have the tickets, ``drop`` cuts all lines at once,
``counters`` tells how many are in and how far they are, ``played`` what they saw.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import orjson
import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench.floors import control
from bench.floors.picows_echo import READ_BUFFER_BYTES, Quiet
from bench.load.tickets import Ticket
from bench.returning.player import Player
from bench.scenarios.base import Data

SHAKING = 128
HANDSHAKE_S = 10.0
BACK_S = (0.0, 0.3)
AGAIN_S = 0.2
SOURCES = 100
FAULTS_SHOWN = 20


class Line(WSListener):
    """One connection of a player."""

    def __init__(self, crowd: "Crowd", player: Player) -> None:
        self.crowd = crowd
        self.player = player
        self.transport: WSTransport | None = None
        self.welcomed = False
        self.closed = crowd.loop.create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Be there; what may be said is said after the welcome."""
        self.transport = transport
        self.crowd.lines[self.player.number] = self

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a message; answer a close."""
        if frame.msg_type == WSMsgType.TEXT:
            self._take(orjson.loads(frame.get_payload_as_memoryview()))
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), b"")
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - as it is called
        """Come back soon, unless it is over."""
        self.transport = None
        self.crowd.lines.pop(self.player.number, None)
        if self.player.final is None:
            self.player.is_lost(self.crowd.loop.time())
        if not self.closed.done():
            self.closed.set_result(None)

    def say(self, answer: Data) -> None:
        """Send an answer, if that is possible now; else it is said when back."""
        if self.transport is not None and self.welcomed:
            text = {"type": "answer_submission", "payload": answer}
            self.transport.send(WSMsgType.TEXT, orjson.dumps(text))

    def say_again(self) -> None:
        """Send all that has not been acknowledged."""
        for answer in self.player.pending:
            self.say(answer)

    def leave(self) -> None:
        """Cut the line."""
        if self.transport is not None:
            self.transport.disconnect(False)

    def _take(self, message: Data) -> None:
        if "seq" in message:
            self.player.take_number(message["type"], message["seq"])
        take = TAKE.get(message["type"])
        if take is not None:
            take(self, message["payload"])

    def _welcome(self, payload: Data) -> None:
        now_s = self.crowd.loop.time()
        self.player.is_welcome(payload, now_s, again=self.welcomed)
        self.welcomed = True
        self.say_again()
        question = payload.get("question")
        if question is not None and payload["phase"] == "question":
            self._question(question)

    def _question(self, question: Data) -> None:
        self.crowd.consider(self.player, question)

    def _error(self, payload: Data) -> None:
        if self.player.is_refused(payload):
            self.crowd.loop.call_later(AGAIN_S, self.say_again)

    def _reconnect(self, payload: Data) -> None:
        self.crowd.loop.call_later(payload["afterMs"] / 1000, self.leave)


TAKE: dict[str, Callable[[Line, Data], None]] = {
    "welcome": Line._welcome,
    "new_question": Line._question,
    "answer_result": lambda line, payload: line.player.keep(payload),
    "error": Line._error,
    "reconnect": Line._reconnect,
    "quiz_ended": lambda line, payload: line.player.has_ended(payload),
}


class Crowd:
    """All players of this process."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.players: list[Player] = []
        self.lines: dict[int, Line] = {}
        self._seen: set[tuple[int, str]] = set()
        self._think_s = 1.0
        self._base = ""
        self._failures = 0
        self._shaking = asyncio.Semaphore(SHAKING)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- commands ------------------------------------------------------------------

    async def come(self, order: Data) -> control.Reply:
        """Begin to let everybody in."""
        self._base, self._think_s = order["url"], order["thinkS"]
        for number, ticket in enumerate(order["tickets"], order["first"]):
            rng = random.Random(f"{order['seed']} {number}")
            player = Player(number, Ticket(*ticket), rng)
            player.silent = number == 0
            self.players.append(player)
            self._spawn(self._live(player))
        control.prepare_process()
        return {}

    async def drop(self, _: object) -> control.Reply:
        """Cut all lines, without a word."""
        for line in list(self.lines.values()):
            line.leave()
        return {}

    async def counters(self, _: object) -> control.Reply:
        """Tell how many are in, have had an end, owe an answer."""
        inside = [line for line in self.lines.values() if line.welcomed]
        return {
            "inside": len(inside),
            "ended": sum(player.final is not None for player in self.players),
            "given": sum(len(player.given) for player in self.players),
            "owed": sum(len(player.pending) for player in self.players),
        }

    async def played(self, _: object) -> control.Reply:
        """Tell what was seen."""
        faults = [fault for player in self.players for fault in player.faults]
        finals = [player.final or {} for player in self.players]
        return {
            "faults": len(faults),
            "texts": faults[:FAULTS_SHOWN],
            "breaks_s": [each for player in self.players for each in player.breaks_s],
            "welcomes": sum(player.welcomes for player in self.players),
            "acknowledged": sum(len(player.results) for player in self.players),
            "said_again": sum(player.said_again for player in self.players),
            "failures": self._failures,
            "scores": [you.get("score", -1) for you in finals],
            "ranks": [you.get("rank", 0) for you in finals],
        }

    # -- play ----------------------------------------------------------------------

    def consider(self, player: Player, question: Data) -> None:
        """Answer a question that was not seen before, after some thought."""
        seen = (player.number, question["questionId"])
        if player.silent or seen in self._seen:
            return
        self._seen.add(seen)
        delay_s = player.rng.uniform(0, self._think_s)
        self.loop.call_later(delay_s, self._answer, player, question)

    def _answer(self, player: Player, question: Data) -> None:
        answer = player.choose(question)
        line = self.lines.get(player.number)
        if line is not None:
            line.say(answer)

    async def _live(self, player: Player) -> None:
        while player.final is None:
            line = await self._enter(player)
            if line is not None:
                await line.closed
            if player.final is None:
                await asyncio.sleep(player.rng.uniform(*BACK_S))

    async def _enter(self, player: Player) -> Line | None:
        line = Line(self, player)
        protocols = f"quizd.v1, bearer.{player.ticket.token}"
        async with self._shaking:
            try:
                await picows.ws_connect(
                    lambda: line,
                    f"{self._base}?{player.url_tail}",
                    extra_headers={"Sec-WebSocket-Protocol": protocols},
                    websocket_handshake_timeout=HANDSHAKE_S,
                    read_buffer_init_size=READ_BUFFER_BYTES,
                    logger_name=Quiet(),  # type: ignore[arg-type] # its documentation allows it
                    use_aiofastnet=False,
                    local_addr=(f"127.0.0.{2 + player.number % SOURCES}", 0),
                )
            except (OSError, picows.WSError, TimeoutError):
                self._failures += 1
                return None
        return line

    def _spawn(self, job: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve() -> None:
    """Obey until the end of input."""
    crowd = Crowd()
    control.prepare_process()
    commands = {
        "come": crowd.come,
        "drop": crowd.drop,
        "counters": crowd.counters,
        "played": crowd.played,
    }
    await control.obey(0, commands)


if __name__ == "__main__":
    uvloop.run(serve())

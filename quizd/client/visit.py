"""One connection, from the handshake until it breaks."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from quizd.client.answers import AnswerBook
from quizd.client.faults import Dismissed, Gap, Garbled, Unreachable
from quizd.client.join import TRANSIENT, Sleep, Ticket
from quizd.client.messages import Message, decode, encode, instant_ms
from quizd.client.picture import Picture
from quizd.client.server_clock import ServerClock
from quizd.clock import Clock, iso
from quizd.codes import CLOSE_ADVICE, Advice, Close

BREAKS = (Unreachable, ConnectionClosed, Gap, Garbled)
"""What ends a connection that may be opened again."""

NO_CLOSE_FRAME = 1006
_ADVICE: dict[int, Advice] = {
    int(code): advice for code, advice in CLOSE_ADVICE.items()
}


@dataclass(frozen=True, slots=True)
class Game:
    """What lasts from one connection to the next."""

    ticket: Ticket
    picture: Picture
    answers: AnswerBook
    server_clock: ServerClock
    clock: Clock
    sleep: Sleep
    heartbeat_s: float
    deliver: Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Visit:
    """A connection of *game*; ``run`` is called once."""

    game: Game
    welcomed_ms: int | None = None
    """When the server first said welcome."""
    back_at_ms: int | None = None
    """When the server wants to see us again, if it has sent us away."""
    _socket: ClientConnection = field(init=False)
    _helpers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def welcomed(self) -> bool:
        """Whether the server has let us in."""
        return self.welcomed_ms is not None

    def lasted_s(self) -> float:
        """Return the seconds since the welcome, 0 where there was none."""
        if self.welcomed_ms is None:
            return 0.0
        return (self.game.clock.now_ms() - self.welcomed_ms) / 1000

    async def run(self) -> None:
        """Play until the quiz is over.

        Raises one of ``BREAKS`` where another connection should follow, and
        :class:`Dismissed` where none should.
        """
        self._socket = socket = await self._open()
        try:
            while not self.game.picture.over:
                await self._take(await socket.recv())
        except ConnectionClosed as closed:
            if self._worth_another(closed):
                raise
        finally:
            for helper in self._helpers:
                helper.cancel()
            await socket.close()

    async def send(self, kind: str, payload: dict[str, object]) -> None:
        """Send a message, once there was a welcome; raise ``ConnectionClosed``."""
        await self._socket.send(encode(kind, payload))

    async def _open(self) -> ClientConnection:
        """Connect with the token beside the address, so that no log shows it."""
        ticket, picture = self.game.ticket, self.game.picture
        address = ticket.address(picture.epoch, picture.seq)
        try:
            return await connect(
                address,
                subprotocols=[
                    Subprotocol("quizd.v1"),
                    Subprotocol(f"bearer.{ticket.token}"),
                ],
                compression=None,
                close_timeout=1,
            )
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in TRANSIENT:
                raise Unreachable(str(refusal)) from refusal
            raise Dismissed(status, "the server refuses us") from refusal
        except (OSError, InvalidHandshake) as error:
            raise Unreachable(str(error)) from error

    async def _take(self, raw: str | bytes) -> None:
        message = decode(raw)
        try:
            if not self.game.picture.apply(message):
                return
            self.game.answers.settle(message)
            self._react(message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{message.type} is not as it should be: {message.payload}"
            raise Garbled(msg) from error
        await self.game.deliver(message)

    def _react(self, message: Message) -> None:
        payload = message.payload
        if message.type == "welcome":
            self._settle_in(instant_ms(payload["serverTime"]))
        elif message.type == "heartbeat":
            self._learn_time(payload["serverTime"], payload.get("sentAt"))
        elif message.type == "reconnect":
            self.back_at_ms = self.game.clock.now_ms() + payload["afterMs"]
            self._start(self._leave_then)

    def _settle_in(self, server_ms: int) -> None:
        """Begin to talk; a later welcome on one connection tells of a repair."""
        self.game.server_clock.hint(server_ms)
        if self.welcomed:
            self.game.answers.send_again()
        else:
            self.welcomed_ms = self.game.clock.now_ms()
            self._start(self._send_answers)
            self._start(self._keep_alive)

    def _learn_time(self, server_time: str, sent_at: object) -> None:
        if isinstance(sent_at, str):
            sent_ms = instant_ms(sent_at)
            self.game.server_clock.heard(instant_ms(server_time), sent_ms)

    def _start(self, helper: Callable[[], Awaitable[None]]) -> None:
        """Run *helper* beside the reading; the end of the connection ends it."""
        self._helpers.append(asyncio.create_task(_until_closed(helper)))

    async def _send_answers(self) -> None:
        """Send what is not acknowledged, also what an earlier connection has sent."""
        while True:
            await self._socket.send(await self.game.answers.next_for(self))

    async def _keep_alive(self) -> None:
        while True:
            await self.send("heartbeat", {"sentAt": iso(self.game.clock.now_ms())})
            await self.game.sleep(self.game.heartbeat_s)

    async def _leave_then(self) -> None:
        """Go on playing until we are to come back, so that little is missed."""
        await self.pause_until_then()
        await self._socket.close()

    async def pause_until_then(self) -> None:
        """Sleep until the server wants to see us again."""
        left_ms = (self.back_at_ms or 0) - self.game.clock.now_ms()
        await self.game.sleep(max(0, left_ms) / 1000)

    def _worth_another(self, closed: ConnectionClosed) -> bool:
        """Follow the advice on the close code; codes without one may pass."""
        code = closed.rcvd.code if closed.rcvd else NO_CLOSE_FRAME
        advice = _ADVICE.get(code)
        if self.back_at_ms is not None or advice is None or advice.reconnect:
            return True
        if code == Close.NORMAL:
            return False
        raise Dismissed(code, advice.meaning) from closed


async def _until_closed(helper: Callable[[], Awaitable[None]]) -> None:
    """Run *helper* until it is done or the connection is, which the reader tells."""
    with suppress(ConnectionClosed):
        await helper()

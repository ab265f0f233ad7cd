"""One connection of a player or a host: what each of its messages means.

Answers by an option's text never come here: the compiled half, the wire, puts them
into the session's inbox.
"""

import asyncio
from typing import NamedTuple, Protocol

from quizd._fast.entrance import Guest
from quizd._fast.wire import Policy, frame
from quizd.clock import Clock
from quizd.codes import Reason, Refused
from quizd.owner.handle import Handle
from quizd.protocol import decode, encode
from quizd.session.state import State


class Visit(NamedTuple):
    """What a connection was admitted as.

    ``participant``: the index in the session, ``None`` for a host. ``epoch`` and
    ``after``: the picture that the client says it has.
    """

    participant: int | None
    participant_id: str = ""
    epoch: int | None = None
    after: int | None = None


class Desk(Protocol):
    """What a connection needs of the hub."""

    runner: Handle

    def attach(self, connection: "Connection", visit: Visit) -> None:
        """Take the connection in."""
        ...

    def detach(self, connection: "Connection") -> None:
        """Forget the connection."""
        ...

    def send_board_to(self, connection: "Connection") -> None:
        """Answer ``get_leaderboard``."""
        ...

    def send_host_state_to(self, connection: "Connection") -> None:
        """Show a host where the session stands."""
        ...


class Life(Protocol):
    """Who counts connections."""

    def opened(self, connection: "Connection") -> None:
        """Note that the connection is up."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Note that the connection is down."""
        ...


class Connection(Guest):
    """A player's or a host's connection to one session."""

    __slots__ = ("_clock", "_desk", "_life", "_visit", "place")

    def __init__(
        self,
        desk: Desk,
        visit: Visit,
        policy: Policy,
        clock: Clock,
        life: Life,
    ) -> None:
        player = visit.participant is not None
        super().__init__(
            policy,
            desk.runner.inbox if player else None,
            visit.participant or 0,
            visit.participant_id.encode(),
        )
        self.place = 0
        self._desk = desk
        self._visit = visit
        self._clock = clock
        self._life = life

    @property
    def is_host(self) -> bool:
        """Whether this is a host's."""
        return self._visit.participant is None

    def is_in(self, state: State) -> bool:
        """Tell whether *state* knows who this is; it may have lost a joining."""
        index, ids = self._visit.participant, state.participant_ids
        return index is None or (
            index < len(ids) and ids[index] == self._visit.participant_id
        )

    def now_ms(self) -> int:
        """Return session time."""
        return self._clock.now_ms()

    # -- what the wire calls -------------------------------------------------------

    def on_open(self) -> None:
        """Ask for the picture."""
        self._life.opened(self)
        self._desk.attach(self, self._visit)

    def on_gone(self) -> None:
        """Leave."""
        self._desk.detach(self)
        self._life.gone(self)

    def on_text(self, text: bytes) -> None:
        """Do what the message asks for, or say why not."""
        try:
            self._take(decode.decode(text))
        except Refused as refused:
            self.refuse(refused)

    def on_full(self) -> None:
        """Say that the session has too much to do."""
        self.refuse(Refused(Reason.SHARD_UNAVAILABLE))

    def on_over_budget(self) -> None:
        """Say it once; the rest of the flood is dropped in silence."""
        self.refuse(Refused(Reason.RATE_LIMITED))

    def refuse(self, refused: Refused) -> None:
        """Send an ``error``."""
        self.send(frame(encode.error(refused)))

    # -- messages ------------------------------------------------------------------

    def _take(self, message: decode.Message) -> None:
        if message.type == "heartbeat":
            self._heartbeat(message)
        elif message.type == "get_leaderboard":
            self._desk.send_board_to(self)
        elif message.type == "answer_submission":
            self._answer(message)
        else:
            self._command(message)

    def _heartbeat(self, message: decode.Message) -> None:
        echo = decode.heartbeat_echo(message)
        self.send(frame(encode.heartbeat(self._clock.now_ms(), echo)))

    def _answer(self, message: decode.Message) -> None:
        if self._visit.participant is None:
            raise Refused(Reason.FORBIDDEN, type=message.type)
        answer = decode.answer(
            message,
            self._visit.participant,
            self._visit.participant_id,
            self._clock.now_ms(),
        )
        self._desk.runner.post(answer)

    def _command(self, message: decode.Message) -> None:
        runner = self._desk.runner
        command = decode.host_command(message, runner.lead_ms())
        if not self.is_host:
            raise Refused(Reason.FORBIDDEN, type=message.type)
        runner.submit(command).add_done_callback(self._commanded)

    def _commanded(self, reply: asyncio.Future[int | None]) -> None:
        """Show the host what came of a command: the state, or why not."""
        error = None if reply.cancelled() else reply.exception()
        if isinstance(error, Refused):
            self.refuse(error)
        else:
            self._desk.send_host_state_to(self)

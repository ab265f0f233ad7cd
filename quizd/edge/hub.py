"""The connections of one session, and what its effects mean for them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import orjson

from quizd._fast.fanout import Personal, send_results
from quizd._fast.inbox import Inbox
from quizd._fast.wire import frame
from quizd.codes import Close, Refused
from quizd.edge.connection import Connection, Visit
from quizd.edge.fanout import FanOut, Job
from quizd.edge.merge import Merged
from quizd.edge.pictures import Pictures
from quizd.metrics import FAN_OUT_SECONDS
from quizd.owner.handle import Handle
from quizd.protocol import encode
from quizd.session import effects as fx
from quizd.session import picture as pic
from quizd.session.state import State
from quizd.settings import Settings

BOARD_KEY = 1
PARTICIPANTS_KEY = 2
HOST_KEY = 3
HOST_STATES_PER_S = 4
LINGER_S = 60.0
WELCOMES_A_STEP = 50
HELD = 2**62
"""Above all numbers: no broadcast goes out before the picture that it follows."""

NOBODY = "participant is unknown"


class Hub:
    """A session's way out: the owner's effects become frames."""

    def __init__(self, runner: Handle, settings: Settings) -> None:
        self.runner = runner
        self._settings = settings
        self._players: list[Connection] = []
        self._hosts: list[Connection] = []
        self._arriving: set[Connection] = set()
        self._wire_of: list[Connection | None] = []
        self._fan_out = FanOut(lambda: self.close_all(Close.TRY_AGAIN_LATER))
        self._fan_out_ms = 0.0
        self._last_board: list[fx.Standing] = []
        boards = settings.leaderboard
        self._pictures = Pictures(boards.size, boards.final_size)
        self._joined: deque[int] = deque(maxlen=settings.participants.joined_names)
        self._left = 0
        self._board = self._merged(
            self._send_board, settings.leaderboard.max_per_second
        )
        self._crowd = self._merged(
            self._send_crowd, settings.participants.changed_per_second
        )
        self._host = self._merged(self._send_host_state, HOST_STATES_PER_S)

    def _touch_hosts(self) -> None:
        if self._hosts:
            self._host.touch()

    def _merged(self, send: Callable[[State], None], per_second: float) -> Merged:
        """Merge calls; *send* gets a state that is durable."""
        return Merged(lambda: self._ask(send), per_second)

    def _ask(self, look: Callable[[State], None]) -> None:
        self.runner.look(look)

    # -- connections -------------------------------------------------------------

    def attach(self, connection: Connection, visit: Visit) -> None:
        """Take *connection* in as soon as there is a durable picture for it."""
        self._arriving.add(connection)
        place = (visit.epoch or 0, visit.after or 0)
        self.runner.look_from(
            place, lambda state: self._attached(state, connection, visit)
        )

    def _attached(self, state: State, connection: Connection, visit: Visit) -> None:
        self._arriving.discard(connection)
        if connection.closed:
            return
        if visit.participant in state.removed:
            connection.close(Close.REMOVED, "removed by the host")
            return
        if not connection.is_in(state):
            connection.close(Close.UNAUTHORIZED, NOBODY)
            return
        self._enter(connection, visit)
        resumed = (visit.epoch, visit.after) == (state.epoch, state.seq)
        self._show(state, connection, resumed=resumed)
        self._touch_hosts()

    def _show(self, state: State, connection: Connection, *, resumed: bool) -> None:
        """Send the picture; what follows on *connection* is numbered from there."""
        connection.seq = state.seq
        participant = None if connection.is_host else connection.participant
        now_ms = self.runner.now_ms()
        connection.send(
            self._pictures.frame(state, participant, now_ms, resumed=resumed)
        )

    def _enter(self, connection: Connection, visit: Visit) -> None:
        if visit.participant is None:
            self._hosts.append(connection)
            return
        missing = visit.participant + 1 - len(self._wire_of)
        self._wire_of.extend([None] * missing)
        elder = self._wire_of[visit.participant]
        if elder is not None:
            elder.close(Close.REPLACED, "a newer connection took over")
            self._drop(elder)
        self._wire_of[visit.participant] = connection
        connection.place = len(self._players)
        self._players.append(connection)
        self.runner.came(visit.participant)

    def detach(self, connection: Connection) -> None:
        """Forget *connection*: it is down."""
        self._arriving.discard(connection)
        if connection.is_host:
            if connection in self._hosts:
                self._hosts.remove(connection)
            return
        index = connection.participant
        if index < len(self._wire_of) and self._wire_of[index] is connection:
            self._wire_of[index] = None
            self._drop(connection)
            self.runner.went(index)
            self._touch_hosts()

    def _drop(self, connection: Connection) -> None:
        """Take a player's wire off the list, the last one taking its place."""
        last = self._players.pop()
        if last is not connection:
            self._players[connection.place] = last
            last.place = connection.place

    # -- effects -----------------------------------------------------------------

    def release(self, effects: Iterable[fx.Effect]) -> None:
        """Do *effects*: what caused them is durable."""
        for effect in effects:
            RELEASE[type(effect)](self, effect)

    def repeat(self, participant: int, index: int) -> None:
        """Send the result of an answer to question *index* again."""
        self._results(fx.SendResults(index, (participant,)))

    def refuse(self, participant: int, refused: Refused) -> None:
        """Send *participant* an ``error``."""
        wire = self._wire(participant)
        if wire is not None:
            wire.send(frame(encode.error(refused)))

    def replace(self, participant: int, place: str) -> None:  # noqa: ARG002 - see Subscriber
        """Close the line of *participant*: there is a newer one elsewhere."""
        wire = self._wire(participant)
        if wire is not None:
            wire.close(Close.REPLACED, "a newer connection took over")

    def close_all(self, code: Close) -> None:
        """Close every connection of the session, those that wait for a picture too."""
        for merged in (self._board, self._crowd, self._host):
            merged.stop()
        for wire in [*self._players, *self._hosts, *self._arriving]:
            wire.close(code, "")

    def fan_out_ms(self) -> float:
        """Return how long the last fan-out of a question took, in milliseconds."""
        return self._fan_out_ms

    @property
    def in_flight(self) -> int:
        """How many deliveries of this shard are still to be made."""
        return self._fan_out.in_flight

    def show_anew(self) -> None:
        """Give every connection the picture: what it knew is no longer so."""
        self._fan_out.clear()
        self._last_board = []
        for wire in self._everybody():
            wire.seq = HELD
        self._showing = asyncio.ensure_future(self._show_all())

    async def _show_all(self) -> None:
        wires = self._everybody()
        for at in range(0, len(wires), WELCOMES_A_STEP):
            self._ask(partial(self._show_some, wires[at : at + WELCOMES_A_STEP]))
            await asyncio.sleep(0)

    def _show_some(self, wires: list[Connection], state: State) -> None:
        for wire in wires:
            if wire.closed:
                continue
            if wire.is_in(state):
                self._show(state, wire, resumed=False)
            else:
                wire.close(Close.UNAUTHORIZED, NOBODY)

    @property
    def inbox(self) -> Inbox:
        """Where connections put their answers, whoever owns the session."""
        return self.runner.inbox

    def adopt(self, handle: Handle) -> None:
        """Go on with another handle of the same session, on the same inbox."""
        self.runner = handle

    def say_reconnect(self, after_ms: Callable[[], int], reason: str) -> None:
        """Tell everybody to come back after a delay, each by its own."""
        for wire in [*self._players, *self._hosts]:
            wire.send(frame(encode.reconnect(after_ms(), reason)))

    def _wire(self, participant: int) -> Connection | None:
        known = participant < len(self._wire_of)
        return self._wire_of[participant] if known else None

    @property
    def is_watched(self) -> bool:
        """Whether anybody is here: players, hosts, or who waits for a picture."""
        return self._is_seen or bool(self._arriving)

    @property
    def _is_seen(self) -> bool:
        """Whether anybody is in; who comes later has all of it in the picture."""
        return bool(self._players or self._hosts)

    def _everybody(self) -> list[Connection]:
        return self._players + self._hosts

    def _broadcast(self, text: bytes, seq: int) -> None:
        self._fan_out.put(Job(self._everybody, frame(text), seq, done=self._measure))

    def _measure(self, seconds: float) -> None:
        self._fan_out_ms = seconds * 1000
        FAN_OUT_SECONDS.observe(seconds)

    def _announce_start(self, effect: fx.AnnounceStart) -> None:
        self._broadcast(encode.announce_start(effect), effect.seq)

    def _show_question(self, effect: fx.ShowQuestion) -> None:
        self._broadcast(encode.show_question(effect), effect.seq)
        self._touch_hosts()

    def _announce_pause(self, effect: fx.AnnouncePause) -> None:
        self._broadcast(encode.announce_pause(effect), effect.seq)

    def _announce_resume(self, effect: fx.AnnounceResume) -> None:
        self._broadcast(encode.announce_resume(effect), effect.seq)

    def _reveal(self, effect: fx.RevealQuestion) -> None:
        payload = encode.reveal_question(effect)
        self._personal(
            "question_closed",
            payload,
            lambda front: Personal(front, effect.ranking, effect.sheet),
            effect.seq,
        )
        self._touch_hosts()

    def _end(self, effect: fx.AnnounceEnd) -> None:
        # Nothing follows the end, so the state is still the one that it left.
        standings = pic.top(self.runner.state, self._settings.leaderboard.final_size)
        self._personal(
            "quiz_ended",
            {"finalLeaderboard": encode.board(standings)},
            lambda front: Personal(front, effect.ranking, None),
            effect.seq,
        )
        self.runner.loop.call_later(LINGER_S, self.close_all, Close.NORMAL)

    def _personal(
        self,
        kind: str,
        payload: dict[str, Any],
        make: Callable[[bytes], Personal],
        seq: int,
    ) -> None:
        """Send players the message with their own part, hosts without."""
        front = encode.front(kind, payload, seq=seq)
        self._fan_out.put(
            Job(lambda: self._players, make(front), seq, done=self._measure)
        )
        text = frame(encode.message(kind, payload, seq=seq))
        self._fan_out.put(Job(lambda: self._hosts, text, seq))

    def _results(self, effect: fx.SendResults) -> None:
        state = self.runner.state
        question = orjson.dumps(state.quiz.question(effect.index).id)
        board = state.board if state.immediate else None
        sheet = state.sheets[effect.index]
        send_results(self._wire_of, effect.participants, question, sheet, board)

    def _welcome(self, effect: fx.WelcomeParticipant) -> None:
        if self._is_seen:
            self._joined.append(effect.participant)
            self._crowd.touch()

    def _remove(self, effect: fx.RemoveParticipant) -> None:
        if self._is_seen:
            self._left += 1
            self._crowd.touch()
        wire = self._wire(effect.participant)
        if wire is not None:
            wire.send(frame(encode.removed(banned=effect.banned)))
            wire.close(Close.REMOVED, "removed by the host")

    def _refresh_board(self, _: fx.RefreshBoard) -> None:
        if self._is_seen:
            self._board.touch()

    def _refresh_host(self, _: fx.RefreshHost) -> None:
        self._touch_hosts()

    # -- latest values -----------------------------------------------------------

    def _send_board(self, state: State) -> None:
        top = state.board.top(self._settings.leaderboard.size)
        if top == self._last_board:
            self._board.skipped()
            return
        self._last_board = top
        payload = {"leaderboard": encode.board(pic.lines(state, top))}
        front = encode.front("leaderboard_changed", payload, version=state.version)
        personal = Personal(front, state.board.freeze(), None)
        self._fan_out.put(
            Job(lambda: self._players, personal, key=BOARD_KEY, done=self._board.took)
        )
        text = encode.message("leaderboard_changed", payload, version=state.version)
        self._to_hosts(text, BOARD_KEY)

    def _send_crowd(self, state: State) -> None:
        text = encode.participants_changed(state, self._joined, self._left)
        self._joined.clear()
        self._left = 0
        self._fan_out.put(
            Job(
                self._everybody,
                frame(text),
                key=PARTICIPANTS_KEY,
                done=self._crowd.took,
            )
        )
        self._touch_hosts()

    def _send_host_state(self, state: State) -> None:
        if self._hosts:
            self._to_hosts(self._host_state(state), HOST_KEY)

    def _host_state(self, state: State) -> bytes:
        return encode.host_state(state, self.runner.connected, self.in_flight)

    def _to_hosts(self, text: bytes, key: int) -> None:
        framed = frame(text)
        for wire in self._hosts:
            wire.send(framed, key)

    def send_host_state_to(self, connection: Connection) -> None:
        """Show a host where the session stands."""
        self._ask(lambda state: connection.send(frame(self._host_state(state))))

    def send_board_to(self, connection: Connection) -> None:
        """Answer ``get_leaderboard``."""
        self._ask(lambda state: self._board_data(state, connection))

    def _board_data(self, state: State, connection: Connection) -> None:
        standings = pic.top(state, self._settings.leaderboard.size)
        payload: dict[str, Any] = {"leaderboard": encode.board(standings)}
        if not connection.is_host:
            payload["you"] = encode.place(pic.own(state, connection.participant))
        text = encode.message("leaderboard_data", payload, version=state.version)
        connection.send(frame(text))


RELEASE: dict[type[fx.Effect], Callable[[Hub, Any], None]] = {
    fx.AnnounceStart: Hub._announce_start,
    fx.ShowQuestion: Hub._show_question,
    fx.RevealQuestion: Hub._reveal,
    fx.AnnouncePause: Hub._announce_pause,
    fx.AnnounceResume: Hub._announce_resume,
    fx.AnnounceEnd: Hub._end,
    fx.SendResults: Hub._results,
    fx.WelcomeParticipant: Hub._welcome,
    fx.RemoveParticipant: Hub._remove,
    fx.RefreshBoard: Hub._refresh_board,
    fx.RefreshHost: Hub._refresh_host,
    fx.ShowAnew: lambda hub, _: hub.show_anew(),
}

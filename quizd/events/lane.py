"""One session on its way into the streams."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from quizd.clock import Turns
from quizd.codes import Refused
from quizd.events import frame
from quizd.events.frame import Event, Span
from quizd.events.options import EventOptions
from quizd.events.queue import Batches
from quizd.events.stream import Move
from quizd.events.translate import Row, Subject, Told
from quizd.journal.base import Journal, Trimmed, Unknown
from quizd.session import records as rec
from quizd.session.phases import Phase
from quizd.session.state import State

T = TypeVar("T")

Scores = list[tuple[str, int]]
"""Ids of participants, and what they have."""

UNSURE = -1
"""The number of a doubt before the first one: nothing is known yet."""

LARGE_BYTES = 64 * 1024
"""A batch that is translated in a thread: it could take longer than a turn."""

SCORES_AT_ONCE = 4096
LOBBY = (Phase.LOBBY, Phase.STARTING)


class Lost(Exception):  # noqa: N818 - names the state
    """Another owner has the session and tells of it, or the journal is behind.

    The latter is one that was lost and is being given back, before the next commit.
    """


class Played(Protocol):
    """What is needed of a session: a runner has it."""

    @property
    def index(self) -> int:
        """The number of the latest batch that is durable."""
        ...

    @property
    def state(self) -> State:
        """What never changes of it may be read at any time."""
        ...

    def read(self, look: Callable[[State], T]) -> asyncio.Future[T]:
        """Call *look* with a state that is durable; fail with ``Refused``."""
        ...


@dataclass(slots=True)
class Parcel:
    """Events, and which batches of which sessions are told with them."""

    events: list[Event] = field(default_factory=list)
    cursors: dict[str, Move] = field(default_factory=dict)

    def add(self, other: "Parcel") -> None:
        """Add all that *other* has."""
        self.events += other.events
        self.cursors |= other.cursors


class Lane:
    """A session, as long as *played* has it.

    ``heard`` is the last batch that it has heard of, ``told`` the last that it has
    told, as long as ``sure`` is the number of the latest doubt; else that has to be
    read again. ``board_due_s`` is when a board may be told, if ``board_moved``.
    """

    def __init__(self, played: Played, options: EventOptions) -> None:
        self._played = played
        self._options = options
        state = played.state
        self.session_id = state.session_id
        self._quiz_id = state.quiz_id
        self._subject = Subject(
            state.quiz,
            state.participant_ids,
            answers="answers" in options.streams,
            scores="scores" in options.streams,
        )
        self._board: list[Row] = []
        self._at_ms = state.opened_ms
        self._loop = asyncio.get_running_loop()
        self._turns = Turns()
        self.heard = 0
        self.told = 0
        self.sure = UNSURE
        self.board_moved = True
        self.board_due_s = 0.0

    def forget(self) -> None:
        """Be sure of nothing any more: neither of what was told nor of the board."""
        self.sure = UNSURE
        self._board = []
        self.board_moved = True

    async def collect(
        self, batches: Batches, journal: Journal, limit_bytes: int
    ) -> Told:
        """Return what *batches* say, and those before them that are not told yet.

        Takes what it has told of off *batches*, no more than about *limit_bytes*.
        Raises what the journal raises, and `Lost`.
        """
        what = Told()
        while batches and what.size_bytes < limit_bytes:
            index, batch = batches[0]
            if batch is not None and index == self.told + 1:
                await self._add(what, index, batch)
            else:
                await self._read(what, index, journal, limit_bytes)
            if index <= self.told:
                batches.popleft()
        self._at_ms = max(self._at_ms, what.at_ms)
        self.board_moved |= what.moves_board
        return what

    async def parcel(self, what: Told) -> Parcel:
        """Return the events of *what*, and a board where one is due.

        Raises `Lost`.
        """
        options, parcel = self._options, Parcel()
        span = self._span(what.first, what.through)
        for event in frame.told(span, what, self._subject.quiz, options.streams):
            parcel.events.append(event)
            await self._turns.give()
        try:
            await self._add_scores(parcel, what)
            await self._add_board(parcel)
            if what.ended or what.gaps:
                await self._add_results(parcel)
        except Refused as refused:
            raise Lost from refused
        if what.through:
            parcel.cursors[self.session_id] = (what.first - 1, what.through)
        return parcel

    # -- from batches --------------------------------------------------------------

    async def _read(
        self, what: Told, through: int, journal: Journal, limit_bytes: int
    ) -> None:
        """Add what the journal has up to *through*; note what it has no longer."""
        while self.told < through:
            try:
                async for index, batch in journal.read(self.session_id, self.told):
                    await self._add(what, index, batch)
                    if index >= through or what.size_bytes >= limit_bytes:
                        return
            except Trimmed as trimmed:
                self._miss(what, min(trimmed.first_index - 1, through))
            except Unknown as unknown:
                raise Lost from unknown
            else:
                raise Lost

    async def _add(self, what: Told, index: int, batch: bytes) -> None:
        try:
            if len(batch) < LARGE_BYTES:
                what.add(index, batch, self._subject)
            else:
                await asyncio.to_thread(what.add, index, batch, self._subject)
        except rec.BadRecord:
            self._miss(what, index)
        self.told = index
        await self._turns.give()

    def _miss(self, what: Told, through: int) -> None:
        what.miss(self.told + 1, through)
        self.told = through

    # -- from the state ------------------------------------------------------------

    async def _add_scores(self, parcel: Parcel, what: Told) -> None:
        if "scores" not in self._options.streams:
            return
        changed, everybody = list(what.changed), range(len(self._subject.ids))
        number = await self._add_scores_of(parcel, what, changed, None, 0)
        for index in what.closed:
            number = await self._add_scores_of(parcel, what, everybody, index, number)
        if what.gaps:
            await self._add_scores_of(parcel, what, everybody, None, number)

    async def _add_scores_of(
        self,
        parcel: Parcel,
        what: Told,
        participants: Sequence[int],
        answered: int | None,
        number: int,
    ) -> int:
        """Add their scores, or only those of who *answered* this question.

        Events are numbered from *number* on; returns the next number.
        """
        for at in range(0, len(participants), SCORES_AT_ONCE):
            piece = participants[at : at + SCORES_AT_ONCE]
            through, rows = await self._seen(partial(_scores, piece, answered))
            for event in frame.scores(self._span(what.first, through), rows, number):
                parcel.events.append(event)
                number += 1
                await self._turns.give()
        return number

    async def _add_board(self, parcel: Parcel) -> None:
        self.board_moved &= "leaderboard" in self._options.streams
        if not self.board_moved:
            return
        now_s = self._loop.time()
        if now_s < self.board_due_s:
            return
        size = self._options.board_size
        through, board = await self._seen(partial(_board, size))
        self.board_moved = False
        if not board:
            return
        self.board_due_s = now_s + 1 / self._options.boards_per_s
        if board != self._board:
            span = self._span(through, through)
            parcel.events.append(span.event("leaderboard", 0, {"leaderboard": board}))
            self._board = board

    async def _add_results(self, parcel: Parcel) -> None:
        if "results" not in self._options.streams:
            return
        size = self._options.final_size
        through, row = await self._seen(partial(_results, size))
        if row is not None:
            parcel.events.append(self._span(through, through).event("results", 0, row))

    async def _seen(self, look: Callable[[State], T]) -> tuple[int, T]:
        """Return what *look* sees in a durable state, and the batch it is as of."""
        played = self._played
        return await played.read(lambda state: (played.index, look(state)))

    def _span(self, first: int, through: int) -> Span:
        return Span(self.session_id, self._quiz_id, first, through, self._at_ms)


def _scores(participants: Sequence[int], answered: int | None, state: State) -> Scores:
    """Return who of *participants* has how many points, the removed left out."""
    ids, board, removed = state.participant_ids, state.board, state.removed
    if answered is not None:
        sheet = state.sheets[answered]
        participants = [who for who in participants if who in sheet]
    return [(ids[who], board.score(who)) for who in participants if who not in removed]


def _board(size: int, state: State) -> list[Row]:
    return [] if state.active_phase in LOBBY else frame.board(state, size)


def _results(size: int, state: State) -> Row | None:
    return frame.results(state, size) if state.phase is Phase.ENDED else None

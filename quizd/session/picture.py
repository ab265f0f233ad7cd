"""Reading a session: the picture that one connection is given, and leaderboards.

Plain values only, so that a picture can travel. ``seq`` says which broadcasts it
already contains: the next one its reader gets is ``seq + 1``.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from quizd.session.phases import Phase
from quizd.session.questions.base import Question
from quizd.session.state import State


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of a leaderboard."""

    participant_id: str
    name: str
    score: int
    rank: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a closed question came to for one participant.

    ``gap`` is in points, to the next better score; ``percentile`` is the share of the
    others with fewer points, in whole percent.
    """

    answered: bool
    correct: bool
    points: int
    gap: int
    percentile: int


@dataclass(frozen=True, slots=True)
class Own:
    """Where one participant stands: ``rank`` among ``of``, 0 when removed.

    ``outcome`` is that of the question that was closed last, while it is revealed.
    """

    participant_id: str
    name: str
    score: int
    rank: int
    of: int
    streak: int
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """The question that takes answers, and what is left of it at ``now_ms``."""

    question: Question
    index: int
    total: int
    start_ms: int
    end_ms: int
    remaining_ms: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Reveal:
    """The question that was closed last, and what is told of it to everybody.

    ``distribution`` counts answers by the question's labels.
    """

    question: Question
    index: int
    total: int
    start_ms: int
    end_ms: int
    distribution: tuple[int, ...]
    answered: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole session as one reader may see it; no board before the first question.

    ``question`` is the open one; ``reveal`` is there from its close to the next one.
    """

    session_id: str
    quiz_id: str
    pin: str
    title: str
    epoch: int
    seq: int
    phase: Phase
    now_ms: int
    participants: int
    locked: bool
    starts_ms: int | None
    own: Own | None
    question: OpenQuestion | None
    reveal: Reveal | None
    leaderboard: tuple[Standing, ...]


def picture(
    state: State, participant: int | None, now_ms: int, board_size: int
) -> Picture:
    """Return what *participant* (``None``: a host) sees at *now_ms*."""
    starting = state.phase is Phase.STARTING
    before = state.active_phase in (Phase.LOBBY, Phase.STARTING)
    return Picture(
        session_id=state.session_id,
        quiz_id=state.quiz_id,
        pin=state.pin,
        title=state.quiz.title,
        epoch=state.epoch,
        seq=state.seq,
        phase=state.phase,
        now_ms=now_ms,
        participants=state.participants,
        locked=state.locked,
        starts_ms=state.deadline_ms if starting else None,
        own=None if participant is None else own(state, participant),
        question=open_question(state, participant, now_ms),
        reveal=reveal(state),
        leaderboard=() if before else top(state, board_size),
    )


def own(state: State, participant: int) -> Own:
    """Return where *participant*, an index, stands."""
    return Own(
        participant_id=state.participant_ids[participant],
        name=state.names[participant],
        score=state.board.score(participant),
        rank=state.board.rank(participant),
        of=state.participants,
        streak=streak(state, participant),
        outcome=outcome(state, participant),
    )


def outcome(state: State, participant: int) -> Outcome | None:
    """Return what the question that is revealed came to for *participant*.

    Who came or was removed since counts as on the board of now.
    """
    sheet = state.sheet
    if state.active_phase is not Phase.REVEAL or sheet is None:
        return None
    _, points, correct, _ = sheet.result(participant)
    gap, percentile = _distances(state, participant)
    return Outcome(participant in sheet, correct, points, gap, percentile)


def _distances(state: State, participant: int) -> tuple[int, int]:
    """Return points to the next better score, and the percentile.

    The board knows ranks, so those with fewer points begin behind the last place of
    this rank.
    """
    board, of = state.board, state.participants
    rank = board.rank(participant)
    if rank == 0:
        return 0, 0

    def rank_at(place: int) -> int:
        return board.page(place, 1)[0][2]

    below = of - bisect_right(range(of), rank, lo=rank - 1, key=rank_at)
    percentile = 100 * below // (of - 1) if of > 1 else 100
    if rank == 1:
        return 0, percentile
    return board.page(rank - 2, 1)[0][1] - board.score(participant), percentile


def streak(state: State, participant: int) -> int:
    """Return the correct answers in a row of *participant*, as far as shown.

    With ``feedback: on_close`` an open question must not tell by it what is right.
    """
    still_open = state.active_phase is Phase.QUESTION
    if still_open and not state.immediate:
        closed = state.sheets[:-1]
        return closed[-1].streak(participant, False) if closed else 0
    return state.sheet.streak(participant, still_open) if state.sheet else 0


def open_question(
    state: State, participant: int | None, now_ms: int
) -> OpenQuestion | None:
    """Return the open question, also while it is paused; ``None`` without one."""
    question, sheet = state.question, state.sheet
    if state.active_phase is not Phase.QUESTION or question is None or sheet is None:
        return None
    clock_ms = state.paused_ms if state.phase is Phase.PAUSED else now_ms
    return OpenQuestion(
        question=question,
        index=state.current,
        total=len(state.quiz.questions),
        start_ms=sheet.start_ms,
        end_ms=sheet.end_ms,
        remaining_ms=max(sheet.end_ms - max(clock_ms, sheet.start_ms), 0),
        answered=participant is not None and participant in sheet,
    )


def reveal(state: State) -> Reveal | None:
    """Return the closed question until the next one, also while that is paused."""
    question, sheet = state.question, state.sheet
    if state.active_phase is not Phase.REVEAL or question is None or sheet is None:
        return None
    return Reveal(
        question=question,
        index=state.current,
        total=len(state.quiz.questions),
        start_ms=sheet.start_ms,
        end_ms=sheet.end_ms,
        distribution=tuple(sheet.distribution(len(question.distribution_labels))),
        answered=sheet.answered,
    )


def top(state: State, size: int) -> tuple[Standing, ...]:
    """Return the first *size* lines of the leaderboard."""
    return lines(state, state.board.top(size))


def page(state: State, offset: int, limit: int) -> tuple[Standing, ...]:
    """Return *limit* lines of the leaderboard from line *offset*, counted from 0."""
    return lines(state, state.board.page(offset, limit))


def lines(state: State, rows: Iterable[tuple[int, int, int]]) -> tuple[Standing, ...]:
    """Return *rows* of index, score and rank with ids and names."""
    return tuple(
        Standing(state.participant_ids[index], state.names[index], score, rank)
        for index, score, rank in rows
    )


@dataclass(frozen=True, slots=True)
class Joinable:
    """A session, or a quiz that is always open, as a list of what can be joined has it.

    Plain values, so that it can travel.
    """

    quiz_id: str
    title: str
    phase: str
    participants: int
    level: str
    language: str


def joinable(state: State) -> Joinable | None:
    """Return the line of a session that takes players now, else ``None``."""
    settings = state.quiz.settings
    begun = state.active_phase not in (Phase.LOBBY, Phase.STARTING)
    most = min(settings.max_participants or state.capacity, state.capacity)
    if (
        state.phase is Phase.ENDED
        or state.locked
        or (begun and not settings.late_join)
        or state.participants >= most
    ):
        return None
    quiz = state.quiz
    return Joinable(
        state.quiz_id,
        quiz.title,
        state.phase,
        state.participants,
        quiz.level,
        quiz.language,
    )

"""The state of a live session, and how records change it. Nothing is decided here.

``apply`` is all that replay runs: the same records give the same state, the same
numbered broadcasts, scores and ranks, however they were grouped. It therefore reads
nothing but the record and the state.
"""

import re
from collections.abc import Callable
from typing import Any

from quizd._fast import scoring
from quizd._fast.ranking import Board
from quizd._fast.scoring import Key, Sheet
from quizd.session import effects as fx
from quizd.session import records as rec
from quizd.session.phases import Phase
from quizd.session.questions.base import Question
from quizd.session.quiz import Quiz

Effects = tuple[fx.Effect, ...]

NUMBERS = re.compile(r"( \([0-9]+\))+\Z")


class State:
    """What has come of a session's records. Times are milliseconds since the epoch.

    ``seq`` counts broadcasts, ``version`` records; latest-value messages carry the
    latter. Participants are addressed by their index in the order of joining.
    """

    def __init__(self, opened: rec.SessionOpened) -> None:
        self.session_id = opened.session_id
        self.quiz_id = opened.quiz_id
        self.pin = opened.pin
        self.epoch = opened.epoch
        self.capacity = opened.capacity
        self.quiz = Quiz.model_validate_json(opened.quiz)
        self.phase = Phase.LOBBY
        self.seq = 0
        self.version = 0
        self.locked = False
        self.board = Board()
        self.participant_ids: list[str] = []
        self.names: list[str] = []
        self.index_of: dict[str, int] = {}
        self.by_key: dict[str, int] = {}
        self.taken_names: set[str] = set()
        self.free_numbers: dict[str, int] = {}
        self.removed: set[int] = set()
        self.banned: set[str] = set()
        self.sheets: list[Sheet] = []
        self.key: Key | None = None
        self.deadline_ms: int | None = None
        self.paused_ms = 0
        self.paused_phase = Phase.LOBBY
        self.last_ms = opened.at_ms
        self.opened_ms = opened.at_ms

    # -- reading ---------------------------------------------------------------

    @property
    def participants(self) -> int:
        """How many are in, the removed ones not counted."""
        return len(self.participant_ids) - len(self.removed)

    @property
    def current(self) -> int:
        """The index of the question asked last, -1 before the first."""
        return len(self.sheets) - 1

    @property
    def question(self) -> Question | None:
        """The question asked last."""
        return self.quiz.question(self.current) if self.sheets else None

    @property
    def sheet(self) -> Sheet | None:
        """The answers to the question asked last."""
        return self.sheets[-1] if self.sheets else None

    @property
    def active_phase(self) -> Phase:
        """The phase, that which a pause interrupted while there is one."""
        return self.paused_phase if self.phase is Phase.PAUSED else self.phase

    @property
    def immediate(self) -> bool:
        """Whether points count at once, not only when the question closes."""
        return self.quiz.settings.feedback == "immediate"

    # -- records ---------------------------------------------------------------

    def apply(self, record: rec.Record) -> Effects:
        """Enter *record*; return what is to be done once it is durable."""
        self.last_ms = max(self.last_ms, record.at_ms)
        self.version += 1
        return APPLY[type(record)](self, record)

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def _participant_added(self, record: rec.ParticipantAdded) -> Effects:
        index = self.board.add()
        self.participant_ids.append(record.participant_id)
        self.names.append(record.name)
        self.index_of[record.participant_id] = index
        if record.key:
            self.by_key[record.key] = index
        self._take_name(record.name.casefold())
        return (fx.WelcomeParticipant(index), fx.RefreshBoard())

    def _take_name(self, name: str) -> None:
        """Remember *name*, and for ``ann (2)`` which number of ``ann`` is free now.

        Looking for that number only when it is wanted would take, in a class where
        everybody is called the same, the square of the time.
        """
        self.taken_names.add(name)
        base = name.rpartition(" (")[0]
        number = self.free_number(base)
        while f"{base} ({number})" in self.taken_names:
            number += 1
            self.free_numbers[base] = number

    def free_number(self, name: str) -> int:
        """Return the first number that nobody has behind *name*, casefolded."""
        return self.free_numbers.get(name, 2)

    def _countdown_started(self, record: rec.CountdownStarted) -> Effects:
        self.phase = Phase.STARTING
        self.deadline_ms = record.starts_ms
        return (fx.AnnounceStart(self._next_seq(), record.at_ms, record.starts_ms),)

    def _question_opened(self, record: rec.QuestionOpened) -> Effects:
        question = self.quiz.question(record.index)
        self.sheets.append(self._new_sheet(question, record))
        self.key = _key_of(question)
        self.phase = Phase.QUESTION
        self.deadline_ms = record.end_ms
        show = fx.ShowQuestion(
            self._next_seq(),
            question,
            record.index,
            len(self.quiz.questions),
            record.start_ms,
            record.end_ms,
        )
        return (show,)

    def _new_sheet(self, question: Question, record: rec.QuestionOpened) -> Sheet:
        settings = self.quiz.settings
        return Sheet(
            points=question.points,
            time_ms=question.time_ms,
            speed=settings.scoring == "speed",
            streak_bonus=settings.streak_bonus,
            graded=bool(question.correct_options),
            start_ms=record.start_ms,
            end_ms=record.end_ms,
            previous=self.sheet,
            buckets_of=None if question.single_choice_key else question.buckets,
        )

    def _answers_accepted(self, record: rec.AnswersAccepted) -> Effects:
        index = scoring.question_of(record.packed)
        board = self.board if self.immediate else None
        answered = scoring.apply(record.packed, self.sheets[index], board)
        results = fx.SendResults(index, tuple(answered))
        if self.immediate:
            return (results, fx.RefreshBoard(), fx.RefreshHost())
        return (results, fx.RefreshHost())

    def _question_closed(self, record: rec.QuestionClosed) -> Effects:
        question, sheet = self.quiz.question(record.index), self.sheets[record.index]
        if not self.immediate:
            sheet.settle(self.board)
        sheet.close(len(self.participant_ids))
        self.phase, self.key = Phase.REVEAL, None
        by_timer = self.quiz.settings.advance == "timer"
        reveal_ms = self.quiz.settings.reveal_ms
        self.deadline_ms = record.at_ms + reveal_ms if by_timer else None
        reveal = fx.RevealQuestion(
            self._next_seq(),
            question,
            tuple(sheet.distribution(len(question.distribution_labels))),
            sheet.answered,
            sheet,
            self.board.freeze(),
        )
        return (reveal, fx.RefreshBoard())

    def _paused(self, record: rec.SessionPaused) -> Effects:
        self.paused_phase, self.phase = self.phase, Phase.PAUSED
        self.paused_ms = record.at_ms
        return (fx.AnnouncePause(self._next_seq(), record.at_ms),)

    def _resumed(self, record: rec.SessionResumed) -> Effects:
        self.phase = self.paused_phase
        self._delay(record.pause_ms)
        resume = fx.AnnounceResume(
            self._next_seq(),
            record.at_ms,
            self.deadline_ms if self.phase is Phase.QUESTION else None,
            self.deadline_ms if self.phase is Phase.STARTING else None,
        )
        return (resume,)

    def _outage_ended(self, record: rec.OutageEnded) -> Effects:
        if self.phase is not Phase.PAUSED:
            self._delay(record.outage_ms)
        return (fx.RefreshHost(),)

    def _released(self, _: rec.Released) -> Effects:
        return ()

    def _compacted(self, record: rec.Compacted) -> Effects:
        self.version += record.records - 1  # itself is none of them
        return ()

    def _epoch_begun(self, record: rec.EpochBegun) -> Effects:
        self.epoch = record.epoch
        return (fx.ShowAnew(),)

    def _delay(self, ms: int) -> None:
        """Move the running clock on: it stood still for *ms*."""
        if self.deadline_ms is not None:
            self.deadline_ms += ms
        if self.phase is Phase.QUESTION and self.sheet is not None:
            self.sheet.delay(ms)

    def _locked(self, record: rec.SessionLocked) -> Effects:
        self.locked = record.locked
        return (fx.RefreshHost(),)

    def _participant_removed(self, record: rec.ParticipantRemoved) -> Effects:
        self.removed.add(record.participant)
        self.board.remove(record.participant)
        if record.banned:
            self.banned.add(unnumbered(self.names[record.participant]))
        removal = fx.RemoveParticipant(record.participant, record.banned)
        return (removal, fx.RefreshBoard())

    def _ended(self, _: rec.SessionEnded) -> Effects:
        self.phase, self.deadline_ms, self.key = Phase.ENDED, None, None
        return (fx.AnnounceEnd(self._next_seq(), self.board.freeze()),)


def unnumbered(name: str) -> str:
    """Return *name*, casefolded, without numbers as they tell equal names apart.

    Whether a number was given or asked for is not to be seen in a name.
    """
    return NUMBERS.sub("", name.casefold())


def _key_of(question: Question) -> Key | None:
    key = question.single_choice_key
    return Key(question.id.encode(), *key) if key else None


APPLY: dict[type[rec.Record], Callable[[State, Any], Effects]] = {
    rec.ParticipantAdded: State._participant_added,
    rec.CountdownStarted: State._countdown_started,
    rec.QuestionOpened: State._question_opened,
    rec.AnswersAccepted: State._answers_accepted,
    rec.QuestionClosed: State._question_closed,
    rec.SessionPaused: State._paused,
    rec.SessionResumed: State._resumed,
    rec.SessionLocked: State._locked,
    rec.ParticipantRemoved: State._participant_removed,
    rec.SessionEnded: State._ended,
    rec.OutageEnded: State._outage_ended,
    rec.Released: State._released,
    rec.Compacted: State._compacted,
    rec.EpochBegun: State._epoch_begun,
}

"""A live quiz as a pure state machine: the heart of quizd.

There are two halves. :meth:`LiveSession.decide` looks at an event and says which
records it comes to; it changes nothing. :meth:`LiveSession.apply` enters a record and
says what is to be done; it decides nothing. Between the two lies the journal: whoever
drives a session writes the records down and lets the effects out only after that.

So a crash between any two lines loses nothing that anyone has been told, replay is
``apply`` alone, and new rules never change old games: points, instants and lengths
of pauses stand in the records as outcomes.

What is legal when stands in :data:`quizd.session.phases.LEGAL`; an event that is not
is refused by :meth:`LiveSession.decide`, in one place. There is no clock in here: the
caller brings ``now_ms`` with every event, and sends ``DeadlinePassed`` when
``state.deadline_ms`` has come. Nor is there presence: a caller that sees all connected
players answer says so by ``EverybodyAnswered``.

The hot path is :meth:`LiveSession.judge`. A tick's answers lie in one block of memory
and are judged in compiled code; what doesn't fit its narrow case (another question
type, an older question) comes back to be decided one by one.
"""

from collections.abc import Callable, Sequence
from typing import Any

from quizd._fast import scoring
from quizd._fast.inbox import Inbox
from quizd._fast.scoring import Verdicts
from quizd.codes import Reason, Refused
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.phases import LEGAL, Phase
from quizd.session.state import State, unnumbered

RULES_VERSION = 1
ANSWERED_AT_MAX_BYTES = 40

Records = list[rec.Record]


class LiveSession:
    """One run of a quiz."""

    def __init__(self, state: State) -> None:
        self.state = state

    @classmethod
    def replay(cls, records: Sequence[rec.Record]) -> "LiveSession":
        """Make the session again from its records, the first being its opening."""
        if not records or not isinstance(records[0], rec.SessionOpened):
            msg = "a session's records begin with its opening"
            raise rec.BadRecord(msg)
        session = cls(State(records[0]))
        for record in records[1:]:
            session.apply(record)
        return session

    def apply(self, record: rec.Record) -> tuple[fx.Effect, ...]:
        """Enter *record*; return what is to be done once it is durable."""
        return self.state.apply(record)

    def decide(self, event: ev.Event, now_ms: int) -> Records:
        """Return what *event* at *now_ms* comes to; change nothing.

        An empty list: nothing is to change (a repeated command, an answer given
        before). Raises :class:`quizd.codes.Refused` where it is not allowed now.
        """
        if isinstance(event, ev.HostCommand) and not self._expected(event.expect):
            return []
        if type(event) not in LEGAL[self.state.phase]:
            raise self._illegal(event)
        return DECIDE[type(event)](self, event, now_ms)

    def judge(self, inbox: Inbox) -> Verdicts:
        """Judge a tick's answers; change nothing. The caller clears *inbox*."""
        state = self.state
        key = state.key if state.phase is Phase.QUESTION else None
        return scoring.judge(
            inbox, state.sheet, key, max(state.current, 0), state.removed
        )

    def _expected(self, expect: ev.Expectation) -> bool:
        question = self.state.question
        question_id = question.id if question is not None else None
        return expect.phase in (None, self.state.phase) and (
            expect.question_id in (None, question_id)
        )

    def _illegal(self, event: ev.Event) -> Refused:
        state = self.state
        if isinstance(event, ev.AnswerSubmitted):
            return self._refuse_answer(event)
        if isinstance(event, ev.ParticipantJoined):
            return Refused(Reason.SESSION_NOT_FOUND, phase=state.phase)
        return Refused(Reason.FORBIDDEN, phase=state.phase)

    # -- joining ---------------------------------------------------------------

    def _joined(self, event: ev.ParticipantJoined, now_ms: int) -> Records:
        state = self.state
        if self.joined_before(event) is not None:
            return []
        self._admit(event.name)
        added = rec.ParticipantAdded(
            now_ms, event.participant_id, self._free_name(event.name), event.key
        )
        settings = state.quiz.settings
        if (
            state.phase is Phase.LOBBY
            and settings.start == "auto"
            and state.participants + 1 >= settings.min_participants
        ):
            return [added, self._countdown(now_ms)]
        return [added]

    def joined_before(self, event: ev.ParticipantJoined) -> int | None:
        """Return the index of who asks, where that person is in already."""
        index = self.state.by_key.get(event.key) if event.key else None
        return self.state.index_of.get(event.participant_id, index)

    def _admit(self, name: str) -> None:
        state = self.state
        started = state.active_phase not in (Phase.LOBBY, Phase.STARTING)
        if state.locked or (started and not state.quiz.settings.late_join):
            raise Refused(Reason.SESSION_LOCKED)
        most = state.quiz.settings.max_participants or state.capacity
        if state.participants >= min(most, state.capacity):
            raise Refused(Reason.SESSION_FULL, limit=min(most, state.capacity))
        if state.banned and unnumbered(name) in state.banned:
            raise Refused(Reason.FORBIDDEN, field="participantName")

    def _free_name(self, name: str) -> str:
        """Return *name*, or *name* with the first number nobody has: ``Ann (2)``."""
        folded = name.casefold()
        if folded not in self.state.taken_names:
            return name
        return f"{name} ({self.state.free_number(folded)})"

    # -- answers ---------------------------------------------------------------

    def _answered(self, event: ev.AnswerSubmitted, now_ms: int) -> Records:
        state = self.state
        question, sheet = state.question, state.sheet
        if event.participant in state.removed:
            raise Refused(Reason.FORBIDDEN)
        if (
            question is None
            or sheet is None
            or event.payload.get("questionId") != question.id
        ):
            raise self._refuse_answer(event)
        response = question.response(event.payload)
        packed, reason = scoring.judge_one(
            sheet,
            state.current,
            event.participant,
            event.received_ms,
            response,
            question.credit(response),
            _answered_at(event),
        )
        if reason is not None:
            raise Refused(Reason(reason), questionId=question.id)
        return [rec.AnswersAccepted(now_ms, packed)] if packed is not None else []

    def _refuse_answer(self, event: ev.AnswerSubmitted) -> Refused:
        """Say why an answer that is not to the open question does not count."""
        state = self.state
        question_id = event.payload.get("questionId")
        index = self.question_index(question_id)
        if index is None:
            return Refused(Reason.UNKNOWN_QUESTION, questionId=question_id)
        if index > state.current:
            return Refused(Reason.TOO_EARLY, questionId=question_id)
        if event.participant in state.sheets[index]:
            return Refused(Reason.ALREADY_ANSWERED, questionId=question_id)
        paused = state.phase is Phase.PAUSED and index == state.current
        if paused and state.paused_phase is Phase.QUESTION:
            return Refused(Reason.QUESTION_NOT_OPEN, questionId=question_id)
        return Refused(Reason.TOO_LATE, questionId=question_id)

    def repeated(self, event: ev.AnswerSubmitted) -> int | None:
        """Return the index of the question that *event* answers as it was answered.

        ``None`` where this very answer is not in yet. Callers ask this before
        :meth:`decide`: a repeated answer is told its result again in every phase.
        """
        index = self.question_index(event.payload.get("questionId"))
        if index is None or index > self.state.current:
            return None
        try:
            response = self.state.quiz.question(index).response(event.payload)
        except Refused:
            return None
        same = self.state.sheets[index].same_response(event.participant, response)
        return index if same else None

    def question_index(self, question_id: object) -> int | None:
        """Return the place of a question in the quiz, ``None`` for an unknown id."""
        for index, question in enumerate(self.state.quiz.questions):
            if question.id == question_id:
                return index
        return None

    # -- moving on -------------------------------------------------------------

    def _countdown(self, now_ms: int) -> rec.Record:
        return rec.CountdownStarted(
            now_ms, now_ms + self.state.quiz.settings.countdown_ms
        )

    def _open_next(self, now_ms: int, lead_ms: int) -> rec.Record:
        index = self.state.current + 1
        if index == len(self.state.quiz.questions):
            return rec.SessionEnded(now_ms, "finished")
        start_ms = now_ms + lead_ms
        end_ms = start_ms + self.state.quiz.question(index).time_ms
        return rec.QuestionOpened(now_ms, index, start_ms, end_ms)

    def _close(self, now_ms: int, reason: str) -> rec.Record:
        return rec.QuestionClosed(now_ms, self.state.current, reason)

    def _deadline_passed(self, event: ev.DeadlinePassed, now_ms: int) -> Records:
        state = self.state
        if state.deadline_ms is None or now_ms < state.deadline_ms:
            return []
        if state.phase is Phase.QUESTION:
            return [self._close(now_ms, "time")]
        return [self._open_next(now_ms, event.lead_ms)]

    def _everybody_answered(self, event: ev.EverybodyAnswered, now_ms: int) -> Records:
        if event.index != self.state.current:
            return []
        return [self._close(now_ms, "everybody_answered")]

    # -- host ------------------------------------------------------------------

    def _host_started(self, _: ev.HostStarted, now_ms: int) -> Records:
        return [self._countdown(now_ms)]

    def _host_advanced(self, event: ev.HostAdvanced, now_ms: int) -> Records:
        if self.state.phase is Phase.QUESTION:
            return [self._close(now_ms, "host")]
        return [self._open_next(now_ms, event.lead_ms)]

    def _host_skipped(self, event: ev.HostSkipped, now_ms: int) -> Records:
        following = self._open_next(now_ms, event.lead_ms)
        if self.state.phase is Phase.QUESTION:
            return [self._close(now_ms, "skipped"), following]
        return [following]

    def _host_paused(self, _: ev.HostPaused, now_ms: int) -> Records:
        return [rec.SessionPaused(now_ms)]

    def _host_resumed(self, event: ev.HostResumed, now_ms: int) -> Records:
        pause_ms = now_ms + event.lead_ms - self.state.paused_ms
        return [rec.SessionResumed(now_ms, pause_ms)]

    def _host_locked(self, event: ev.HostLocked, now_ms: int) -> Records:
        if event.locked == self.state.locked:
            return []
        return [rec.SessionLocked(now_ms, event.locked)]

    def _host_kicked(self, event: ev.HostKicked, now_ms: int) -> Records:
        index = self.state.index_of.get(event.participant_id)
        if index is None:
            raise Refused(Reason.FORBIDDEN, field="participantId")
        if index in self.state.removed:
            return []
        return [rec.ParticipantRemoved(now_ms, index, event.ban)]

    def _host_ended(self, _: ev.HostEnded, now_ms: int) -> Records:
        ended = rec.SessionEnded(now_ms, "host")
        if self.state.active_phase is Phase.QUESTION:
            return [self._close(now_ms, "host"), ended]
        return [ended]

    def _outage_noticed(self, event: ev.OutageNoticed, now_ms: int) -> Records:
        outage_ms = now_ms + event.lead_ms - max(event.since_ms, self.state.last_ms)
        return [rec.OutageEnded(now_ms, outage_ms)] if outage_ms > 0 else []

    def _history_lost(self, event: ev.HistoryLost, now_ms: int) -> Records:
        """Begin a new epoch, once for all who notice the same loss."""
        if event.epoch < self.state.epoch:
            return []
        return [rec.EpochBegun(now_ms, event.epoch + 1)]


def _answered_at(event: ev.AnswerSubmitted) -> bytes:
    """Return the player's own claim of the time, as it came; it is only kept."""
    claimed = event.payload.get("answeredAt", "")
    if not isinstance(claimed, str):
        raise Refused(Reason.INVALID_MESSAGE, field="answeredAt")
    encoded = claimed.encode("utf-8", "replace")
    if len(encoded) > ANSWERED_AT_MAX_BYTES:
        raise Refused(Reason.INVALID_MESSAGE, field="answeredAt")
    return encoded


DECIDE: dict[type[ev.Event], Callable[[LiveSession, Any, int], Records]] = {
    ev.ParticipantJoined: LiveSession._joined,
    ev.AnswerSubmitted: LiveSession._answered,
    ev.DeadlinePassed: LiveSession._deadline_passed,
    ev.EverybodyAnswered: LiveSession._everybody_answered,
    ev.HostStarted: LiveSession._host_started,
    ev.HostAdvanced: LiveSession._host_advanced,
    ev.HostSkipped: LiveSession._host_skipped,
    ev.HostPaused: LiveSession._host_paused,
    ev.HostResumed: LiveSession._host_resumed,
    ev.HostLocked: LiveSession._host_locked,
    ev.HostKicked: LiveSession._host_kicked,
    ev.HostEnded: LiveSession._host_ended,
    ev.OutageNoticed: LiveSession._outage_noticed,
    ev.HistoryLost: LiveSession._history_lost,
}

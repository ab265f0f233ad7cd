"""Playing a session by hand: quizzes to play, events in, records and effects out."""

from collections.abc import Sequence
from typing import Any

from quizd._fast.inbox import Inbox
from quizd._fast.scoring import Verdicts
from quizd.clock import ManualClock
from quizd.codes import Refused
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION, LiveSession
from quizd.session.phases import Phase
from quizd.session.quiz import Quiz
from quizd.session.state import State
from tests.session.snapshot import snapshot
from tests.session.transcript import encoded

T0 = 1_767_225_600_000
LEAD_MS = 300
OPTIONS = ("red", "green", "blue")

Json = dict[str, Any]


def single(correct: str = "green", **fields: object) -> Json:
    """Return a single-choice question of 20 s with three colours."""
    return {
        "type": "single_choice",
        "text": "Which colour?",
        "options": list(OPTIONS),
        "correct": [correct],
        **fields,
    }


def multiple(*correct: str, **fields: object) -> Json:
    """Return a multiple-choice question with the same colours."""
    changed = {"type": "multiple_choice", "correct": list(correct)}
    return {**single(), **changed, **fields}


def true_false(correct: str = "True", **fields: object) -> Json:
    """Return a statement to be judged."""
    return {
        "type": "true_false",
        "text": "Is it so?",
        "correct": [correct],
        **fields,
    }


def quiz(*questions: Json, **settings: object) -> Quiz:
    """Return a quiz, of two single-choice questions unless told; hosts start it."""
    return Quiz.model_validate(
        {
            "title": "Colours",
            "settings": {"start": "host", **settings},
            "questions": list(questions or (single(), single("blue"))),
        }
    )


def opening(definition: Quiz, capacity: int = 1000) -> rec.SessionOpened:
    """Return the first record of a session of *definition*, at :data:`T0`."""
    return rec.SessionOpened(
        at_ms=T0,
        session_id="s1",
        quiz_id="colours",
        quiz_version=1,
        rules_version=RULES_VERSION,
        pin="123456",
        epoch=1,
        capacity=capacity,
        quiz=definition.model_dump_json(),
    )


class Play:
    """A session, its clock, and all that it has recorded and caused.

    Every decision is checked to have changed nothing, every record goes through its
    packed form before it is entered, and broadcasts are checked to count by one.
    """

    def __init__(self, definition: Quiz | None = None, capacity: int = 1000) -> None:
        first = opening(definition or quiz(), capacity)
        self.clock = ManualClock(T0)
        self.session = LiveSession(State(first))
        self.records: list[rec.Record] = [first]
        self.effects: list[fx.Effect] = []
        self.texts: list[bytes] = []

    @property
    def state(self) -> State:
        """The session's state."""
        return self.session.state

    @property
    def now_ms(self) -> int:
        """The instant of the play's clock."""
        return self.clock.now_ms()

    def phase(self) -> Phase:
        """Return the session's phase; a type checker takes no call for constant."""
        return self.state.phase

    def deadline_ms(self) -> int | None:
        """Return the session's deadline, likewise."""
        return self.state.deadline_ms

    # -- events in -----------------------------------------------------------------

    def decide(self, event: ev.Event) -> list[rec.Record]:
        """Return what *event* comes to, having checked that nothing changed."""
        before = snapshot(self.state)
        try:
            return self.session.decide(event, self.now_ms)
        finally:
            assert snapshot(self.state) == before, f"deciding {event} changed the state"

    def do(self, event: ev.Event) -> list[fx.Effect]:
        """Decide *event* and enter what it comes to; return the effects."""
        return self.enter(self.decide(event))

    def enter(self, records: Sequence[rec.Record]) -> list[fx.Effect]:
        """Enter *records* as a reader of the journal would see them."""
        effects: list[fx.Effect] = []
        for record in rec.unpack(rec.pack(records)):
            effects.extend(self._apply(record))
        assert list(rec.unpack(rec.pack(records))) == list(records)
        self.records.extend(records)
        self.effects.extend(effects)
        return effects

    def _apply(self, record: rec.Record) -> tuple[fx.Effect, ...]:
        seq = self.state.seq
        effects = self.session.apply(record)
        broadcasts = [e.seq for e in effects if isinstance(e, fx.Broadcast)]
        assert broadcasts == list(range(seq + 1, self.state.seq + 1))
        assert len(broadcasts) <= 1
        for effect in effects:
            self.texts.extend(encoded(effect, self.state))
        return effects

    def refused(self, event: ev.Event) -> Refused:
        """Return the refusal of *event*; fail if there is none."""
        try:
            records = self.decide(event)
        except Refused as refused:
            return refused
        raise AssertionError(f"{event} came to {records}")

    def attempt(self, event: ev.Event) -> list[fx.Effect]:
        """Do *event* as an owner does: repeated and refused ones do nothing."""
        if isinstance(event, ev.AnswerSubmitted):
            index = self.session.repeated(event)
            if index is not None:
                assert event.participant in self.state.sheets[index]
                return []
        try:
            return self.do(event)
        except Refused:
            return []

    # -- shorthand -----------------------------------------------------------------

    def wait(self, ms: int) -> None:
        """Let *ms* pass."""
        self.clock.advance(ms)

    def join(self, *names: str) -> list[int]:
        """Let participants join; return their indices."""
        first = len(self.state.names)
        for name in names:
            number = len(self.state.names)
            self.do(ev.ParticipantJoined(f"p{number}", name))
        return list(range(first, len(self.state.names)))

    def due(self, lead_ms: int = LEAD_MS) -> list[fx.Effect]:
        """Go to the deadline and let it pass."""
        assert self.state.deadline_ms is not None
        self.clock.not_before(self.state.deadline_ms)
        return self.do(ev.DeadlinePassed(lead_ms))

    def start(self) -> None:
        """Start the countdown, let it pass, and go to the first question's start."""
        self.do(ev.HostStarted())
        self.due()
        self.wait(LEAD_MS)

    def answer(
        self, who: int, option: object, *, question: str = "", **fields: object
    ) -> list[fx.Effect]:
        """Let *who* answer the question asked last, now."""
        return self.do(self.answering(who, option, question=question, **fields))

    def answering(
        self, who: int, option: object, *, question: str = "", **fields: object
    ) -> ev.AnswerSubmitted:
        """Return the event of *who* choosing *option*, a text, or texts, now."""
        asked = self.state.question
        field = "selectedOption" if isinstance(option, str) else "selectedOptions"
        payload = {
            "questionId": question or (asked.id if asked else "q1"),
            field: option,
            **fields,
        }
        return ev.AnswerSubmitted(who, self.now_ms, payload)

    def tick(self, *answers: tuple[int, str] | tuple[int, str, int]) -> Verdicts:
        """Judge answers as a tick does: participant, option, instant if not now."""
        inbox = Inbox(1000, lambda: None)
        question = self.state.question
        for who, option, *at_ms in answers:
            received_ms = at_ms[0] if at_ms else self.now_ms
            question_id = question.id if question else "q1"
            inbox.add(who, received_ms, question_id.encode(), option.encode())
        return self.judge(inbox)

    def judge(self, inbox: Inbox) -> Verdicts:
        """Judge *inbox*, having checked that nothing changed, and enter the record."""
        before = snapshot(self.state)
        verdicts = self.session.judge(inbox)
        assert snapshot(self.state) == before, "judging changed the state"
        if verdicts.record is not None:
            self.enter([rec.AnswersAccepted(self.now_ms, verdicts.record)])
        return verdicts

    def judge_all(self, inbox: Inbox) -> None:
        """Judge *inbox* as an owner does, the general answers one by one after it."""
        for who, received_ms, *texts in self.judge(inbox).general:
            names = ("questionId", "selectedOption", "answeredAt")
            payload = dict(zip(names, (t.decode() for t in texts), strict=True))
            self.attempt(ev.AnswerSubmitted(who, received_ms, payload))

    # -- reading -------------------------------------------------------------------

    def scores(self) -> list[int]:
        """Return everybody's score, by index."""
        board = self.state.board
        return [board.score(index) for index in range(board.indices)]

    def ranks(self) -> list[int]:
        """Return everybody's rank, by index; 0 for who was removed."""
        board = self.state.board
        return [board.rank(index) for index in range(board.indices)]

    def points(self, question: int = -1) -> list[int]:
        """Return everybody's points for a question, by index."""
        sheet = self.state.sheets[question]
        return [sheet.result(who)[1] for who in range(len(self.state.names))]

    def kinds(self) -> list[str]:
        """Return the names of all records' kinds."""
        return [type(record).__name__ for record in self.records]

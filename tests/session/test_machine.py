"""Random games: after every step the session must be what its records say."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from quizd._fast.inbox import Inbox
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.phases import Phase
from tests.oracle.game import recount
from tests.session.agreement import agree, agree_on_reveals
from tests.session.play import OPTIONS, Play, multiple, quiz, single, true_false
from tests.session.snapshot import snapshot
from tests.session.transcript import transcript

TIMES_S = st.sampled_from([1, 1.501, 3, 20])
POINTS = st.sampled_from([1000, 1000, 2000, 0])
QUESTIONS = st.one_of(
    st.builds(
        lambda correct, time_s, points: single(correct, time_s=time_s, points=points),
        st.sampled_from(OPTIONS),
        TIMES_S,
        POINTS,
    ),
    st.builds(
        lambda correct, time_s, points: multiple(
            *correct, time_s=time_s, points=points
        ),
        st.lists(st.sampled_from(OPTIONS), min_size=1, unique=True),
        TIMES_S,
        POINTS,
    ),
    st.builds(lambda time_s: true_false(time_s=time_s), TIMES_S),
)
SETTINGS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "scoring": st.sampled_from(["speed", "speed", "fixed"]),
        "streak_bonus": st.booleans(),
        "feedback": st.sampled_from(["immediate", "immediate", "on_close"]),
        "start": st.sampled_from(["auto", "host"]),
        "advance": st.sampled_from(["timer", "host"]),
        "late_join": st.sampled_from([True, True, False]),
        "max_participants": st.sampled_from([None, None, 4]),
        "countdown_s": st.sampled_from([0, 1]),
        "reveal_s": st.sampled_from([0, 2]),
    }
)
WHO = st.integers(0, 7)
QUESTION_IDS = st.sampled_from([*[""] * 9, "q1", "q2", "q3", "q9"])
PLACES = st.sampled_from([0, 1, 2, 0, 1, 2, 0, 1, 9])
"""An option's place among those of the open question, or none's."""
LEADS_MS = st.sampled_from([0, 0, 300, 1000])
STEPS_MS = st.sampled_from([0, 1, 99, 300, 400, 501, 1000, 20_000])
EXPECTATIONS = st.builds(
    ev.Expectation,
    st.sampled_from([None, None, None, "question", "reveal"]),
    st.sampled_from([None, None, "q1", "q2"]),
)
COMMANDS = st.one_of(
    st.builds(ev.HostStarted, expect=EXPECTATIONS),
    st.builds(ev.HostAdvanced, LEADS_MS, expect=EXPECTATIONS),
    st.builds(ev.HostSkipped, LEADS_MS, expect=EXPECTATIONS),
    st.builds(ev.HostPaused, expect=EXPECTATIONS),
    st.builds(ev.HostResumed, LEADS_MS, expect=EXPECTATIONS),
    st.builds(ev.HostLocked, st.booleans(), expect=EXPECTATIONS),
    st.builds(
        ev.HostKicked,
        WHO.map(lambda number: f"p{number}"),
        st.booleans(),
        expect=EXPECTATIONS,
    ),
)


class GameMachine(RuleBasedStateMachine):
    """A session that anything may happen to, legal or not."""

    def __init__(self) -> None:
        """Have a session before the first step."""
        super().__init__()
        self.play = Play()

    @initialize(
        questions=st.lists(QUESTIONS, min_size=4, max_size=8),
        choices=SETTINGS,
        joined=st.sampled_from([5, 4, 3, 1, 0]),
        started=st.sampled_from([True, True, True, False]),
    )
    def open(
        self,
        questions: list[dict[str, Any]],
        choices: dict[str, Any],
        joined: int,
        started: bool,
    ) -> None:
        """Open a session of any quiz, perhaps with people, perhaps begun."""
        self.play = Play(quiz(*questions, **choices), capacity=7)
        for number in range(joined):
            self.join(f"Player {number}", "")
        if started:
            self.command(ev.HostStarted())
            self.due(300)

    @rule(
        name=st.sampled_from(["Ann", "ann", "Ann (2)", "Ben", ""]),
        key=st.sampled_from(["", "", "k1", "k2"]),
    )
    def join(self, name: str, key: str) -> None:
        """Let somebody ask to take part."""
        number = len(self.play.state.names)
        self.play.attempt(ev.ParticipantJoined(f"p{number}", name, key))

    @precondition(lambda self: self.is_asking())
    @rule(
        answers=st.lists(
            st.tuples(WHO, QUESTION_IDS, PLACES, st.sampled_from([0, 0, 1, 50])),
            min_size=1,
            max_size=12,
        )
    )
    def tick(self, answers: list[tuple[int, str, int, int]]) -> None:
        """Let a tick's answers be judged, one of a few milliseconds each."""
        inbox = Inbox(100, lambda: None)
        for offset, (who, question_id, place, ago_ms) in enumerate(answers):
            inbox.add(
                self.somebody(who + offset),
                self.play.now_ms - ago_ms,
                (question_id or self.asked()).encode(),
                self.option(place).encode(),
            )
        self.play.judge_all(inbox)

    @precondition(lambda self: self.play.state.names)
    @rule(who=WHO, question_id=QUESTION_IDS, places=st.lists(PLACES, max_size=4))
    def answer(self, who: int, question_id: str, places: list[int]) -> None:
        """Let an answer come the general way, at any time, to any question."""
        options = [self.option(place) for place in places]
        self.play.attempt(
            self.play.answering(
                self.somebody(who),
                options[0] if len(options) == 1 else options,
                question=question_id or self.asked(),
            )
        )

    @rule(ms=STEPS_MS)
    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.play.wait(ms)

    @rule(lead_ms=LEADS_MS)
    def open_next(self, lead_ms: int) -> None:
        """Go on until a question is open or it is all over."""
        for _ in range(3):
            if self.play.phase() is not Phase.QUESTION:
                self.play.attempt(ev.HostStarted())
                self.play.attempt(ev.HostResumed())
                self.play.attempt(ev.HostAdvanced(lead_ms))

    @rule(lead_ms=LEADS_MS, early_ms=st.sampled_from([0, 0, 0, 1]))
    def due(self, lead_ms: int, early_ms: int = 0) -> None:
        """Go to the deadline, or just before it, and say so."""
        if self.play.state.current % 3 == early_ms:
            self.play.attempt(ev.EverybodyAnswered(self.play.state.current))
        deadline_ms = self.play.deadline_ms()
        if deadline_ms is not None:
            self.play.clock.not_before(deadline_ms - early_ms)
        self.play.attempt(ev.DeadlinePassed(lead_ms))

    @rule(command=COMMANDS)
    def command(self, command: ev.HostCommand) -> None:
        """Let the host ask for something."""
        self.play.attempt(command)

    @precondition(lambda self: len(self.play.records) % 5 == 0)
    @rule(outage_ms=STEPS_MS, before_ms=STEPS_MS, lead_ms=LEADS_MS)
    def outage(self, outage_ms: int, before_ms: int, lead_ms: int) -> None:
        """Lose the owner; the next one has only the records."""
        since_ms = self.play.now_ms - before_ms
        self.play.wait(outage_ms)
        self.restart()
        self.play.attempt(ev.OutageNoticed(since_ms, lead_ms))

    @precondition(lambda self: len(self.play.records) % 5 == 1)
    @rule()
    def restart(self) -> None:
        """Go on with the session that the records make."""
        self.play.session = self.replayed()

    @precondition(lambda self: len(self.play.records) > 30)
    @rule()
    def end(self) -> None:
        """End it, late enough for something to have happened."""
        self.play.attempt(ev.HostEnded())

    def somebody(self, who: int) -> int:
        """Return the index of somebody who is or was in."""
        return who % len(self.play.state.names)

    def is_asking(self) -> bool:
        """Tell whether somebody could answer now."""
        return bool(self.play.state.names) and self.play.phase() is Phase.QUESTION

    def option(self, place: int) -> str:
        """Return the option at *place* in the open question, or a text that is none."""
        question = self.play.state.question
        options = question.shown_options if question else OPTIONS
        return options[place] if place < len(options) else "yellow"

    def asked(self) -> str:
        """Return the id of the question asked last, or of the first."""
        question = self.play.state.question
        return question.id if question else "q1"

    def replayed(self) -> LiveSession:
        """Return the session that the journal would give back."""
        return LiveSession.replay(list(rec.unpack(rec.pack(self.play.records))))

    @invariant()
    def replay_gives_the_same(self) -> None:
        """The records so far make this very state."""
        assert snapshot(self.replayed().state) == snapshot(self.play.state)

    @invariant()
    def the_oracle_agrees(self) -> None:
        """Scores, ranks, streaks, clocks and reveals are those counted by hand."""
        game = recount(self.play.records)
        agree(self.play.state, game)
        agree_on_reveals(self.play.effects, game)

    @invariant()
    def an_ended_session_is_over(self) -> None:
        """Nothing follows the end, and no clock runs."""
        kinds = self.play.kinds()
        ended = self.play.phase() is Phase.ENDED
        assert ended == ("SessionEnded" in kinds)
        assert not ended or (kinds[-1], self.play.deadline_ms()) == (
            "SessionEnded",
            None,
        )

    def teardown(self) -> None:
        """A replay would have sent every broadcast byte for byte."""
        assert transcript(self.play.records) == self.play.texts


TestGameMachine = GameMachine.TestCase
TestGameMachine.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None
)

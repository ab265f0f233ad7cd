"""Whole games at random: many people, ties, pauses, outages, all kinds of questions."""

import random
from typing import Any

from quizd._fast.inbox import Inbox
from quizd.session import events as ev
from quizd.session.phases import Phase
from tests.session.play import OPTIONS, Play, multiple, quiz, single, true_false

STEPS_MAX = 400


def random_session(rng: random.Random) -> Play:
    """Open a session of a random quiz of three to seven questions."""
    questions = [random_question(rng) for _ in range(rng.randint(3, 7))]
    settings = {
        "scoring": rng.choice(["speed", "fixed"]),
        "streak_bonus": rng.random() < 0.5,
        "feedback": rng.choice(["immediate", "on_close"]),
        "advance": rng.choice(["timer", "host"]),
    }
    return Play(quiz(*questions, **settings))


def random_question(rng: random.Random) -> dict[str, Any]:
    """Return a question of any type, time and points."""
    fields = {
        "time_s": rng.choice([2.501, 7, 20]),
        "points": rng.choice([1000, 1000, 2000, 0]),
    }
    kind = rng.randrange(3)
    if kind == 0:
        return single(rng.choice(OPTIONS), **fields)
    if kind == 1:
        correct = rng.sample(OPTIONS, rng.randint(1, 3))
        return multiple(*correct, **fields)
    return true_false(rng.choice(("True", "False")), **fields)


class RandomGame:
    """One game, played to its end by :meth:`play_on`."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.play = random_session(self.rng)
        self.play.join(*(f"Player {n}" for n in range(self.rng.randint(3, 9))))

    def play_on(self) -> Play:
        """Play to the end; return the play."""
        for _ in range(STEPS_MAX):
            if self.play.phase() is Phase.ENDED:
                return self.play
            self.step()
        self.play.attempt(ev.HostEnded())
        return self.play

    def step(self) -> None:
        """Let something happen that fits the phase."""
        if self.rng.random() < 0.15:
            self.trouble()
        else:
            {
                Phase.LOBBY: self.begin,
                Phase.STARTING: self.lead_on,
                Phase.QUESTION: self.answer,
                Phase.REVEAL: self.lead_on,
                Phase.PAUSED: self.resume,
            }[self.play.phase()]()

    def begin(self) -> None:
        """Let the host start."""
        self.play.attempt(ev.HostStarted())

    def resume(self) -> None:
        """Let the host go on after a while."""
        self.play.wait(self.rng.randint(0, 5000))
        self.play.attempt(ev.HostResumed(self.rng.choice([0, 300])))

    def lead_on(self) -> None:
        """Let a deadline pass, or the host not wait for it."""
        if self.play.deadline_ms() is not None and self.rng.random() < 0.7:
            self.play.due(self.rng.choice([0, 300]))
        else:
            self.play.attempt(ev.HostAdvanced(300))

    def answer(self) -> None:
        """Let a few answers come in one tick, or the question close."""
        if self.rng.random() < 0.1:
            self.close()
            return
        self.play.wait(self.rng.choice([0, 0, 1, 100, 600, 1000]))
        inbox = Inbox(100, lambda: None)
        for _ in range(self.rng.randint(1, 8)):
            choice = self.choice()
            if isinstance(choice, str):
                self.put(inbox, choice)
            else:
                self.play.attempt(self.play.answering(self.somebody(), choice))
        self.play.judge_all(inbox)

    def put(self, inbox: Inbox, option: str) -> None:
        """Put somebody's answer into *inbox*, mostly one to the open question."""
        question = self.play.state.question
        assert question is not None
        question_id = question.id if self.rng.random() < 0.95 else "q1"
        inbox.add(
            self.somebody(),
            self.play.now_ms - self.rng.choice([0, 0, 1, 50]),
            question_id.encode(),
            option.encode(),
        )

    def choice(self) -> str | list[str]:
        """Return what somebody might choose, more often right than wrong."""
        question = self.play.state.question
        assert question is not None
        right, options = question.correct_options, question.shown_options
        if self.rng.random() < 0.7:
            return right[0] if len(right) == 1 else list(right)
        if question.type != "multiple_choice":
            return self.rng.choice(options)
        return self.rng.sample(options, self.rng.randint(1, len(options)))

    def close(self) -> None:
        """End the open question in one of the ways there are."""
        way = self.rng.randrange(5)
        if way == 0:
            self.play.attempt(ev.HostSkipped(300))
        elif way == 1:
            self.play.attempt(ev.EverybodyAnswered(self.play.state.current))
        elif way == 2:
            self.play.attempt(ev.HostAdvanced())
        else:
            self.play.due()

    def trouble(self) -> None:
        """Let something happen beside the game."""
        way = self.rng.randrange(6)
        number = len(self.play.state.names)
        if way == 0:
            self.play.attempt(ev.HostPaused())
        elif way == 1:
            self.play.attempt(ev.ParticipantJoined(f"p{number}", "Late", f"k{number}"))
        elif way == 2 and number > 4:
            self.play.attempt(ev.HostKicked(f"p{self.somebody()}"))
        elif way == 3:
            since_ms = self.play.now_ms
            self.play.wait(self.rng.randint(1, 3000))
            self.play.attempt(ev.OutageNoticed(since_ms, self.rng.choice([0, 300])))
        elif way == 4:
            self.play.attempt(ev.HostLocked(self.rng.random() < 0.5))
        elif self.rng.random() < 0.05:
            self.play.attempt(ev.HostEnded())

    def somebody(self) -> int:
        """Return anybody's index."""
        return self.rng.randrange(len(self.play.state.names))

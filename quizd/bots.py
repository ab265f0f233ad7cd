"""Simulated players: people with names, skill and a pace of their own.

They speak the protocol and know nothing else. What is right they know only from an
answer key that the caller gives, and then get it right as often as their skill says.
Everything random comes from the seed, but for the order of events on the network.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx

from quizd.client import (
    AnswerLost,
    AnswerRefused,
    ClientFault,
    Given,
    Habits,
    Question,
    QuizClient,
)
from quizd.client.join import Sleep
from quizd.clock import Clock, SystemClock

AnswerKey = Mapping[str, Sequence[str]]
"""Question id to the texts of its correct options, or to one accepted answer."""
Draw = Callable[[random.Random], float]

REJOIN_S = 1.0
"""How long a bot waits before it looks for the next session."""

FIRST_NAMES = (  # noqa: SIM905 - a hundred lines of one word each tell no more
    "Aisha Alejandro Amara Ana Anders Anh Anna Aoife Arjun Astrid Beatriz Ben Bianca "
    "Camille Carlos Chen Chiara Chloe Daniel Dao David Diego Elena Elif Emeka Emil "
    "Emma Eva Fatima Felix Finn Freya Gabriel Giulia Grace Hana Hannah Hassan Hugo Ida "
    "Ines Ivan Jakub Jana Joao Jonas Julia Kaito Katya Kofi Lars Layla Lea Leo Lina "
    "Linh Lucas Luis Maja Malik Marco Maria Mateo Maya Mei Mia Milan Minh Mira Mohamed "
    "Nadia Nam Nia Nina Noah Nora Oliver Olga Omar Oscar Paula Pedro Petra Priya "
    "Rafael Ravi Rosa Ruth Sam Sana Sara Selma Sofia Tariq Tess Thomas Tuan Uma Vera "
    "Victor Wei Yara Yuki Yusuf Zara Zoe"
).split()
INITIALS = "ABCDEFGHJKLMNPRSTVWZ"


def beta_accuracy(rng: random.Random) -> float:
    """Draw the chance to be right: most know two answers of three, few all or none."""
    return rng.betavariate(5, 2.5)


def lognormal_think_s(rng: random.Random) -> float:
    """Draw the seconds until an answer: half take less than 3, one in 20 over 8."""
    return rng.lognormvariate(1.1, 0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What the bots of one run have in common.

    ``accuracy`` is drawn once per bot, ``think_s`` once per question. ``rejoin``: look
    for the next session after each end, until told to stop.
    """

    answer_key: AnswerKey = field(default_factory=dict)
    accuracy: Draw = beta_accuracy
    think_s: Draw = lognormal_think_s
    rejoin: bool = False
    joins_at_once: int = 50
    clock: Clock = field(default_factory=SystemClock)
    sleep: Sleep = asyncio.sleep


@dataclass(slots=True)
class Tally:
    """What the bots did; ``faults`` counts by name what made bots drop out."""

    joined: int = 0
    ended: int = 0
    answered: int = 0
    correct: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)


async def run_bots(
    base_url: str,
    quiz: str,
    count: int,
    *,
    seed: int,
    stop: asyncio.Event,
    manner: Manner | None = None,
) -> Tally:
    """Let *count* bots play *quiz* (id or pin) at *base_url*; return what they did.

    Ends when all are done or *stop* is set, with every connection closed. A bot that
    can't join or is sent away is counted and, with ``rejoin``, comes back.
    """
    manner = manner or Manner()
    tally, gate = Tally(), asyncio.Semaphore(manner.joins_at_once)
    async with httpx.AsyncClient() as http:
        crowd = [
            Bot(name, _chance(f"{seed} {name}"), manner, tally, http, gate)
            for name in human_names(count, _chance(f"{seed}"))
        ]
        await _until(stop, [bot.live(base_url, quiz) for bot in crowd])
    return tally


def _chance(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


def human_names(count: int, rng: random.Random) -> list[str]:
    """Return *count* different names, ``Mira K.`` and the like."""
    names = [f"{name} {initial}." for name in FIRST_NAMES for initial in INITIALS]
    rng.shuffle(names)
    rounds = range(2, 2 + count // len(names))
    return [*names, *(f"{name} {n}" for n in rounds for name in names)][:count]


@dataclass(slots=True)
class Bot:
    """One simulated player; *gate* bounds how many join at the same time."""

    name: str
    rng: random.Random
    manner: Manner
    tally: Tally
    http: httpx.AsyncClient
    gate: asyncio.Semaphore
    skill: float = field(init=False)
    _thinking: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Draw the skill first, so that it does not depend on what happens."""
        self.skill = self.manner.accuracy(self.rng)

    async def live(self, base_url: str, quiz: str) -> None:
        """Play one session or, with ``rejoin``, one after the other."""
        while True:
            try:
                await self._play(base_url, quiz)
                self.tally.ended += 1
            except ClientFault as fault:
                self.tally.faults[type(fault).__name__] += 1
            if not self.manner.rejoin:
                return
            await self.manner.sleep(REJOIN_S)

    async def _play(self, base_url: str, quiz: str) -> None:
        habits = Habits(
            clock=self.manner.clock,
            sleep=self.manner.sleep,
            rng=self.rng,
            on_question=lambda question: self._consider(client, question),
        )
        client = QuizClient(habits, http=self.http)
        async with self.gate:
            await client.join(base_url, quiz, self.name)
        self.tally.joined += 1
        try:
            async with aclosing(client.play()) as messages:
                async for _ in messages:
                    pass
        finally:
            self._forget()

    def _consider(self, client: QuizClient, question: Question) -> None:
        self._forget()
        self._thinking = asyncio.create_task(self._answer(client, question))

    def _forget(self) -> None:
        if self._thinking is not None:
            self._thinking.cancel()

    async def _answer(self, client: QuizClient, question: Question) -> None:
        """Answer when the time has come; who thinks too long does not answer."""
        answer_ms = question.start_ms + round(self.manner.think_s(self.rng) * 1000)
        given = choose(question, self.manner.answer_key, self.skill, self.rng)
        if answer_ms >= question.end_ms:
            return
        await self.manner.sleep(max(0, answer_ms - client.server_now_ms()) / 1000)
        try:
            result = await client.answer(question, given)
        except AnswerRefused:
            self.tally.refused += 1
        except AnswerLost as lost:
            self.tally.faults[type(lost).__name__] += 1
        else:
            self.tally.answered += 1
            self.tally.correct += result.payload.get("correct") is True


def choose(
    question: Question, key: AnswerKey, skill: float, rng: random.Random
) -> Given:
    """Return the right answer with chance *skill* if *key* has it, else a guess.

    A guess of who could know is wrong, so that *skill* is the share of right answers.
    """
    right = key.get(question.question_id, ())
    if right and rng.random() < skill:
        return _right(question, right)
    guess = _GUESSES.get(question.question_type, _guess_one)
    return guess(question, right, rng)


def _right(question: Question, right: Sequence[str]) -> Given:
    if question.question_type == "multiple_choice":
        return [option for option in question.options if option in right]
    if question.question_type == "ordering":
        return list(right)
    return float(right[0]) if question.question_type == "numeric" else right[0]


def _guess_one(question: Question, right: Sequence[str], rng: random.Random) -> Given:
    wrong = [option for option in question.options if option not in right]
    return rng.choice(wrong or question.options or ["no idea"])


def _guess_some(question: Question, right: Sequence[str], rng: random.Random) -> Given:
    options = question.options
    chosen = {option for option in options if rng.random() < 1 / 2} or set(options)
    if chosen == set(right):
        chosen ^= {options[0]}
    return [option for option in options if option in chosen] or list(options)


def _guess_order(question: Question, right: Sequence[str], rng: random.Random) -> Given:
    order = rng.sample(question.options, len(question.options))
    return [*order[1:], order[0]] if order == list(right) else order


def _guess_text(_: Question, __: Sequence[str], rng: random.Random) -> Given:
    return rng.choice(("no idea", "maybe", "pass"))


def _guess_number(_: Question, __: Sequence[str], rng: random.Random) -> Given:
    return float(rng.randint(0, 100))


_GUESSES: dict[str, Callable[[Question, Sequence[str], random.Random], Given]] = {
    "multiple_choice": _guess_some,
    "ordering": _guess_order,
    "text": _guess_text,
    "numeric": _guess_number,
}


async def _until(
    stop: asyncio.Event, lives: Sequence[Coroutine[object, object, None]]
) -> None:
    """Run *lives* until all are over or *stop* is set; leave nothing running."""
    crowd = asyncio.create_task(_together(lives))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((crowd, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        crowd.cancel()
        stopping.cancel()
        await asyncio.wait((crowd, stopping))
    if not crowd.cancelled():
        crowd.result()


async def _together(lives: Sequence[Coroutine[object, object, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for life in lives:
            group.create_task(life)

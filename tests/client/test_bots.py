"""Simulated players: their names, their answers, and how they come and go."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from quizd.bots import FIRST_NAMES, Manner, Tally, choose, human_names, run_bots
from quizd.client import Question
from tests.client.fake import FakeServer, FakeTime, Line, ended
from tests.support.samples import QUESTION, T0, message, welcome

OPTIONS = ("run", "green", "jump", "table")


def asked(kind: str, options: Sequence[str] = OPTIONS) -> Question:
    """Return a question of the type."""
    payload = {**QUESTION, "questionType": kind, "options": list(options)}
    return Question.from_payload(payload)


@pytest.mark.parametrize("count", [0, 1, 50, 5000])
def test_names_differ_and_repeat_with_the_seed(count: int) -> None:
    """As many as asked for, and the same ones for the same seed."""
    names = human_names(count, random.Random(3))
    assert len(set(names)) == len(names) == count
    assert names == human_names(count, random.Random(3))
    assert all(name.split()[0] in FIRST_NAMES for name in names)


KEYS = [
    ("single_choice", ["run"], "run"),
    ("true_false", ["run"], "run"),
    ("multiple_choice", ["jump", "run"], ["run", "jump"]),
    ("multiple_choice", ["run"], ["run"]),
    ("multiple_choice", list(OPTIONS), list(OPTIONS)),
    ("text", ["a verb"], "a verb"),
    ("numeric", ["1000.5"], 1000.5),
    ("ordering", ["table", "run", "jump", "green"], ["table", "run", "jump", "green"]),
]


@pytest.mark.parametrize(("kind", "key", "right"), KEYS)
def test_skill_is_the_share_of_right_answers(
    kind: str, key: list[str], right: object
) -> None:
    """Those who know are right; a guess of who could know is wrong."""
    question, rng = asked(kind), random.Random(5)
    answers = [choose(question, {"q1": key}, 0.7, rng) for _ in range(2000)]
    assert 0.66 < sum(answer == right for answer in answers) / 2000 < 0.74
    assert choose(question, {"q1": key}, 1.0, rng) == right
    guesses = [choose(question, {"q1": key}, 0.0, rng) for _ in range(200)]
    assert right not in guesses
    assert all(guess not in ("", []) for guess in guesses)


@pytest.mark.parametrize("kind", ["single_choice", "poll", "of_later"])
def test_without_a_key_any_option_is_as_good(kind: str) -> None:
    """Skill is of no use where nothing is known."""
    rng = random.Random(7)
    drawn = Counter(str(choose(asked(kind), {}, 1.0, rng)) for _ in range(2000))
    assert set(drawn) == set(OPTIONS)
    assert min(drawn.values()) > 400


def test_guesses_fit_the_question() -> None:
    """Some options, all of them in an order, a number, a text."""
    rng = random.Random(11)
    for _ in range(200):
        some: Any = choose(asked("multiple_choice"), {}, 1.0, rng)
        assert some == [option for option in OPTIONS if option in some] != []
        order: Any = choose(asked("ordering"), {}, 1.0, rng)
        assert sorted(order) == sorted(OPTIONS)
        assert isinstance(choose(asked("numeric", ()), {}, 1.0, rng), float)
        assert choose(asked("text", ()), {}, 1.0, rng)


class Stage:
    """Gives every bot the same question, and keeps the answers by participant."""

    def __init__(self, **question: object) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.question = QUESTION | question

    async def __call__(self, line: Line) -> None:
        """Play one session for one bot."""
        await line.say(welcome(), message("new_question", self.question, seq=1))
        answer = await line.hear("answer_submission")
        self.answers[line.query["participantId"]] = answer
        result = {"questionId": "q1", "accepted": True, "receivedAt": T0}
        correct = answer.get("selectedOption") == "run"
        await line.say(message("answer_result", {**result, "correct": correct}))
        await line.say(ended(2))
        await line.gone()


def manner(time: FakeTime | None = None, **changed: Any) -> Manner:  # noqa: ANN401
    """Return manners for which time does not pass, with fields *changed*."""
    time = time or FakeTime()
    given = {"clock": time.clock, "sleep": patient(time), "think_s": lambda _: 1.0}
    return Manner(**(given | changed))


def patient(time: FakeTime) -> Any:  # noqa: ANN401 - a sleep
    """Return a sleep that ends at once, but for the heartbeats of ten seconds."""

    async def sleep(delay_s: float) -> None:
        if delay_s == 10.0:
            await asyncio.Event().wait()
        await time.sleep(delay_s)

    return sleep


async def run(server: FakeServer, count: int, **how: Any) -> Tally:  # noqa: ANN401
    """Let bots play until they are done."""
    return await run_bots(
        server.base_url, "demo", count, seed=1, stop=asyncio.Event(), **how
    )


async def test_every_bot_plays_the_quiz_to_its_end() -> None:
    """Each joins under its own name, answers once, and leaves."""
    stage = Stage()
    async with FakeServer(always=stage) as server:
        tally = await run(
            server,
            30,
            manner=manner(answer_key={"q1": ["run"]}, accuracy=lambda _: 1.0),
        )
    assert len({join["participantName"] for join in server.joins}) == 30
    assert len(stage.answers) == 30
    assert tally == Tally(joined=30, ended=30, answered=30, correct=30)
    assert len(asyncio.all_tasks()) == 1


async def test_accuracy_is_drawn_for_each_bot() -> None:
    """Some know, some do not."""
    drawn = iter([0.0, 1.0] * 5)
    async with FakeServer(always=Stage()) as server:
        tally = await run(
            server,
            10,
            manner=manner(answer_key={"q1": ["run"]}, accuracy=lambda _: next(drawn)),
        )
    assert (tally.answered, tally.correct) == (10, 5)


async def test_joins_are_bounded() -> None:
    """No more than so many ask at the same time."""
    most = 0

    class Desk(FakeServer):
        busy = 0

        async def _join(
            self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            nonlocal most
            Desk.busy += 1
            most = max(most, Desk.busy)
            await asyncio.sleep(0)
            await super()._join(reader, writer)
            Desk.busy -= 1

    async with Desk(always=Stage()) as server:
        tally = await run(server, 20, manner=manner(joins_at_once=3))
    assert tally.joined == 20
    assert 1 < most <= 3


async def test_who_thinks_too_long_does_not_answer() -> None:
    """A think time beyond the question's end is no answer at all."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), message("new_question", QUESTION, seq=1))
        await line.say(message("quiz_paused", {"at": T0}, seq=2), ended(3))
        await line.gone()

    time = FakeTime()
    async with FakeServer(scene) as server:
        tally = await run(server, 1, manner=manner(time, think_s=lambda _: 20.0))
    assert (tally.answered, tally.ended) == (0, 1)
    assert set(time.slept_s) == {0}


async def test_thinking_ends_with_the_quiz() -> None:
    """A bot that is gone answers nothing, and leaves nothing running."""
    time = FakeTime()

    async def sleep(delay_s: float) -> None:
        if delay_s == 5.0:
            await asyncio.Event().wait()
        await patient(time)(delay_s)

    async def scene(line: Line) -> None:
        await line.say(welcome(), message("new_question", QUESTION, seq=1), ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        how = manner(time, sleep=sleep, think_s=lambda _: 5.0)
        assert await run(server, 1, manner=how) == Tally(joined=1, ended=1)
    assert len(asyncio.all_tasks()) == 1


async def test_thinking_starts_with_the_question() -> None:
    """The clock starts for all at the same instant, however early it is shown."""
    time = FakeTime()
    async with FakeServer(always=Stage(startTime="2026-01-31T09:30:02.000Z")) as server:
        await run(server, 1, manner=manner(time, think_s=lambda _: 1.5))
    assert 3.5 in time.slept_s


async def test_refused_answers_and_lost_bots_are_counted() -> None:
    """By name, and nobody else is harmed."""

    async def refuses(line: Line) -> None:
        await line.say(welcome(), message("new_question", QUESTION, seq=1))
        await line.hear("answer_submission")
        details = {"questionId": "q1"}
        await line.say(message("error", {"reason": "too_late", "details": details}))
        await line.close(4010)

    async with FakeServer(refuses, Stage()) as server:
        tally = await run(server, 2, manner=manner())
    assert (tally.refused, tally.answered, tally.ended) == (1, 1, 1)
    assert tally.faults == {"Dismissed": 1}


async def test_bots_come_back_until_told_to_stop() -> None:
    """After each end they look for the next session; stopping closes every line."""
    stop = asyncio.Event()
    goodbyes: list[int | None] = []
    stage = Stage()

    async def scene(line: Line) -> None:
        if len(server.lines) <= 6:
            return await stage(line)
        if len(server.lines) == 8:
            stop.set()
        await line.say(welcome())
        goodbyes.append(await line.gone())
        return None

    async with FakeServer(always=scene) as server:
        tally = await run_bots(
            server.base_url, "demo", 2, seed=1, stop=stop, manner=manner(rejoin=True)
        )
        await asyncio.gather(*(line.gone() for line in server.lines))
    assert (tally.joined, tally.ended) == (8, 6)
    assert goodbyes == [1000, 1000]
    assert len({join["participantName"] for join in server.joins}) == 2


async def test_stopping_before_anything_happens_is_fine() -> None:
    """Nobody has to be connected."""
    stop = asyncio.Event()
    stop.set()
    async with FakeServer(always=Stage()) as server:
        tally = await run_bots(server.base_url, "demo", 5, seed=1, stop=stop)
        assert await run(server, 0) == Tally()
    assert tally.ended == 0


async def test_a_mistake_in_a_bot_is_not_hidden() -> None:
    """What is no fault of the game ends the run."""

    def broken(_: random.Random) -> float:
        raise ZeroDivisionError

    async with FakeServer(always=Stage()) as server:
        with pytest.raises(ZeroDivisionError):
            await run(server, 1, manner=manner(accuracy=broken))

"""Answers: sent until they are acknowledged, and questions: told of once."""

import asyncio
import gc
from contextlib import aclosing

import pytest
from websockets.exceptions import ConnectionClosed

from quizd.client import (
    AnswerLost,
    AnswerRefused,
    Dismissed,
    Message,
    QuizClient,
)
from tests.client.fake import (
    FakeServer,
    Line,
    Watch,
    ended,
    finale,
    play,
    player,
    question,
)
from tests.support import samples
from tests.support.samples import QUESTION, T0, message, welcome

OPEN_QUESTION = {**QUESTION, "remainingMs": 9000, "answered": False}
RESULT = message(
    "answer_result", {"questionId": "q1", "accepted": True, "receivedAt": T0}
)


async def answer_when_asked(
    client: QuizClient, given: str = "run"
) -> asyncio.Future[Message]:
    """Play until a question comes, answer it, play on; return the answer's future."""
    result: asyncio.Future[Message] | None = None
    async with aclosing(client.play()) as messages:
        async for _ in messages:
            if client.picture.question and result is None:
                result = client.answer(client.picture.question, given)
    assert result is not None
    return result


async def test_an_answer_is_acknowledged() -> None:
    """It goes out as the contract says, and its result comes back."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        heard = await line.hear("answer_submission")
        answered_at = heard.pop("answeredAt")
        assert heard == {"questionId": "q1", "selectedOption": "run"}
        assert answered_at == T0
        await line.say(samples.SERVER["answer_result"], ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        result = await answer_when_asked(client)
    assert result.result().payload["points"] == 900


async def test_an_answer_is_sent_again_until_it_is_acknowledged() -> None:
    """The same text, once per connection, also if the question is not shown again."""
    heard = []

    async def breaks(line: Line) -> None:
        await line.say(welcome(), question(1))
        heard.append(await line.hear("answer_submission"))
        await line.abort()

    async def breaks_again(line: Line) -> None:
        await line.say(welcome(seq=1))
        heard.append(await line.hear("answer_submission"))
        await line.close(1012)

    async def answers(line: Line) -> None:
        await line.say(welcome(seq=1))
        heard.append(await line.hear("answer_submission"))
        await line.say(RESULT, ended(2))
        await line.gone()

    async with FakeServer(breaks, breaks_again, answers) as server:
        result = await answer_when_asked(player(server, Watch()))
    assert result.result().payload["accepted"] is True
    assert len(heard) == 3
    assert heard[0] == heard[1] == heard[2]


async def test_what_is_acknowledged_is_not_sent_again() -> None:
    """After a result the answer is the server's."""

    async def first(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.hear("answer_submission")
        await line.say(RESULT)
        await line.close(1012)

    async def second(line: Line) -> None:
        await line.say(
            welcome(seq=1), message("reconnect", {"afterMs": 0, "reason": ""})
        )
        with pytest.raises(ConnectionClosed):
            await line.hear("answer_submission")

    async with FakeServer(first, second, finale(1)) as server:
        await answer_when_asked(player(server, Watch()))


async def test_a_second_welcome_asks_for_the_answer_again() -> None:
    """The session may have moved; the connection stays."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        first = await line.hear("answer_submission")
        await line.say(welcome(epoch=2, seq=9))
        assert await line.hear("answer_submission") == first
        await line.say(RESULT, ended(10))
        await line.gone()

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        result = await answer_when_asked(client)
    assert result.done()
    assert (client.epoch, len(server.lines)) == (2, 1)


async def test_a_refused_answer_says_why() -> None:
    """The error that names the question is the answer's; others are nobody's."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.hear("answer_submission")
        await line.say(message("error", {"reason": "internal", "details": {}}))
        await line.say(samples.SERVER["error"], ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        result = await answer_when_asked(player(server, Watch()))
    with pytest.raises(AnswerRefused, match="too_late") as refused:
        result.result()
    assert (refused.value.reason, refused.value.details) == (
        "too_late",
        {"questionId": "q1"},
    )


@pytest.mark.parametrize("reason", ["shard_unavailable", "internal"])
async def test_what_was_not_decided_is_sent_again(reason: str) -> None:
    """Such an error is no refusal: the next welcome has the same answer again."""
    details = {"questionId": "q1"}

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        first = await line.hear("answer_submission")
        await line.say(message("error", {"reason": reason, "details": details}))
        await line.say(welcome(epoch=2, seq=9))
        assert await line.hear("answer_submission") == first
        await line.say(RESULT, ended(10))
        await line.gone()

    async with FakeServer(scene) as server:
        result = await answer_when_asked(player(server, Watch()))
    assert result.result().payload["accepted"] is True


async def test_nobody_has_to_look_at_a_result(loop_errors: list[str]) -> None:
    """A refusal that the caller is not interested in disturbs nobody."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.hear("answer_submission")
        await line.say(samples.SERVER["error"], ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        await answer_when_asked(player(server, Watch()))
    gc.collect()
    assert loop_errors == []


async def test_an_answer_without_a_result_is_lost_at_the_end() -> None:
    """Nobody waits forever; whether it counts is not known."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.hear("answer_submission")
        await line.close(4010)

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        async with aclosing(client.play()) as messages:
            assert [(await anext(messages)).type for _ in range(2)][1] == "new_question"
            assert client.picture.question is not None
            result = client.answer(client.picture.question, "run")
            with pytest.raises(Dismissed):
                await anext(messages)
    with pytest.raises(AnswerLost):
        await result


async def test_the_first_answer_stands() -> None:
    """While it is under way, another to the same question is not sent."""

    async def scene(line: Line) -> None:
        await line.say(welcome(), question(1))
        assert (await line.hear("answer_submission"))["selectedOption"] == "run"
        await line.say(RESULT, ended(2))
        await line.gone()

    async with FakeServer(scene) as server:
        client = player(server, Watch())
        async with aclosing(client.play()) as messages:
            async for one in messages:
                if one.type == "new_question" and client.picture.question:
                    first = client.answer(client.picture.question, "run")
                    assert client.answer(client.picture.question, "green") is first
                    assert (await first).type == "answer_result"


async def test_each_question_is_announced_once() -> None:
    """Also when a break shows it again; not when it is answered already."""

    async def first(line: Line) -> None:
        await line.say(welcome(), question(1))
        await line.close(1012)

    async def second(line: Line) -> None:
        await line.say(welcome(seq=1, phase="question", question=OPEN_QUESTION))
        await line.close(1012)

    async def third(line: Line) -> None:
        open_question = {**OPEN_QUESTION, "questionId": "q2", "answered": True}
        await line.say(welcome(seq=3, phase="question", question=open_question))
        await line.say(ended(4))
        await line.gone()

    async with FakeServer(first, second, third) as server:
        watch = Watch()
        await play(player(server, watch))
    assert [one.question_id for one in watch.questions] == ["q1"]


async def test_who_comes_late_hears_of_the_open_question() -> None:
    """The welcome shows it."""

    async def scene(line: Line) -> None:
        await line.say(welcome(phase="question", question=OPEN_QUESTION), ended(1))
        await line.gone()

    async with FakeServer(scene) as server:
        watch = Watch()
        await play(player(server, watch))
    assert [one.question_id for one in watch.questions] == ["q1"]

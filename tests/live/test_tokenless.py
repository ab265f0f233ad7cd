"""Clients from before tokens: they play a whole quiz where that is allowed."""

import asyncio
from typing import Any

from tests.live.conftest import Start
from tests.live.quizzes import COLOUR, NOUNS, VERB, choice, quiz
from tests.support.first_client import FirstClient, Options

TRUTH = {
    "type": "true_false",
    "text": "“Mice” is the plural of “mouse”.",
    "correct": ["True"],
    "time_s": 3600,
}
QUESTIONS: tuple[dict[str, Any], ...] = (
    VERB,
    COLOUR,
    NOUNS,
    TRUTH,
    choice("Which word is an adverb?", "often", "so"),
)
QUIZ = quiz(
    *QUESTIONS, start="auto", advance="timer", min_participants=6, countdown_s=1
)
RIGHT = {question["text"]: question["correct"][0] for question in QUESTIONS}
POINTS = 1000
LIMIT_S = 30


def knows(count: int) -> Any:  # noqa: ANN401 - a way to choose, of the first client
    """Return a player who answers the first *count* questions right, others wrong."""
    texts = [question["text"] for question in QUESTIONS[:count]]

    def choose(text: str, options: Options) -> str:
        wrong = next(option for option in options if option != RIGHT[text])
        return RIGHT[text] if text in texts else wrong

    return choose


async def test_first_clients_play_a_whole_quiz(start: Start) -> None:
    """Without a token, with only the published messages, to the right scores.

    Their answers come before ``startTime``, which they don't look at, and count.
    """
    server = await start(compat__tokenless="true")
    opened = await server.open_quiz(QUIZ)
    clients = [
        FirstClient(server.url, f"Player {known}", knows(known)) for known in range(6)
    ]
    playing = []
    for client in clients:
        connected = asyncio.Event()
        await client.join(opened["quizId"])
        playing.append(asyncio.create_task(client.play(connected)))
        await connected.wait()
    async with asyncio.timeout(LIMIT_S):
        assert await asyncio.gather(*playing) == [None] * len(clients)
    expected = [
        (clients[known].participant_id, known * POINTS, 6 - known)
        for known in reversed(range(6))
    ]
    for client in clients:
        assert client.errors == []
        assert client.questions == [question["text"] for question in QUESTIONS]
        assert client.final is not None
        lines = [(x["participantId"], x["score"], x["rank"]) for x in client.final]
        assert lines == expected
        assert client.boards


async def test_first_client_is_refused_by_default(start: Start) -> None:
    """A public id opens nothing by itself: 4001, before any message."""
    server = await start()
    opened = await server.open_quiz(QUIZ)
    client = FirstClient(server.url, "Ann", knows(0))
    await client.join(opened["quizId"])
    assert await client.play() == 4001
    assert (client.questions, client.errors, client.boards) == ([], [], [])


async def test_tokenless_does_not_open_everything(start: Start) -> None:
    """An unknown participant or quiz is refused all the same."""
    server = await start(compat__tokenless="true")
    opened = await server.open_quiz(QUIZ)
    client = FirstClient(server.url, "Ann", knows(0))
    await client.join(opened["quizId"])
    own = client.participant_id
    client.participant_id = own.swapcase() if own.swapcase() != own else own[::-1]
    assert await client.play() == 4001
    client.participant_id, client.quiz_id = own, "no-such-quiz"
    assert await client.play() == 4004

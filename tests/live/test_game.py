"""A whole quiz of 20 questions with 200 players, recounted from the journal."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from quizd.session import records as rec
from tests.support.journals import records_of
from tests.support.player import Player
from tests.support.quizzes import shipped_quiz
from tests.support.recount import Recount
from tests.support.replay import broadcasts_to
from tests.support.server import Server

PLAYERS = 200
SEED = 20_260_131


class Played:
    """A finished game: what its players got, and its records."""

    def __init__(self, players: list[Player], records: list[rec.Record]) -> None:
        self.players = players
        self.records = records
        self.recount = Recount(records)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play the game once; the tests look at what came of it."""
    return asyncio.run(play(tmp_path_factory.mktemp("game")))


async def play(data_dir: Path) -> Played:
    """Let 200 players play a shipped quiz of 20 questions, each at its own pace."""
    rng = random.Random(SEED)
    settings = {
        "start": "auto",
        "min_participants": PLAYERS,
        "countdown_s": 1.5,
        "reveal_s": 0.05,
        "streak_bonus": True,
    }
    quiz = shipped_quiz("demo", settings, 1)
    async with Server(data_dir) as server:
        session = await server.open_quiz(quiz)
        async with server.api() as api:
            tickets = [
                await server.join(session["pin"], f"Player {number}", api)
                for number in range(PLAYERS)
            ]
        players = [
            Player(ticket, random.Random(rng.random()), 0.5, strict=number % 10 == 0)
            for number, ticket in enumerate(tickets)
        ]
        async with asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(player.play())
    return Played(players, await records_of(data_dir, session["sessionId"]))


def test_everybody_gets_every_broadcast_once_and_in_order(played: Played) -> None:
    """The number grows by one from the welcome to the end, for each of the players."""
    for player in played.players:
        welcome = player.received[0]
        assert welcome["type"] == "welcome"
        numbers = [m["seq"] for m in player.received if "seq" in m]
        first = welcome["payload"]["seq"] + 1
        assert numbers == list(range(first, first + len(numbers)))
        assert len(player.of_type("new_question")) == 20
        assert len(player.of_type("question_closed")) == 20


def test_every_acknowledged_answer_is_in_the_journal_once(played: Played) -> None:
    """Each answer_result agrees with the one record of that answer."""
    acknowledged = 0
    for player in played.players:
        mine = played.recount.answers_of(player.ticket["participantId"])
        for result in player.of_type("answer_result"):
            payload = result["payload"]
            answer = mine[payload["questionId"]]
            assert payload["points"] == answer.points
            assert payload["correct"] == answer.correct
            acknowledged += 1
    assert acknowledged > PLAYERS * 20 * 0.9


def test_scores_and_ranks_equal_the_recount_after_each_question(
    played: Played,
) -> None:
    """Every player's own score, rank, gap, streak and percentile are exact."""
    for player in played.players:
        expected = played.recount.outcomes_of(player.ticket["participantId"])
        told = {
            closed["payload"]["questionId"]: closed["payload"]["you"]
            for closed in player.of_type("question_closed")
        }
        assert told == expected


def test_final_board_equals_the_recount(played: Played) -> None:
    """The board at the end is the recount's, order among equals included."""
    expected = played.recount.board(100)
    for player in played.players:
        (ended,) = player.of_type("quiz_ended")
        assert ended["payload"]["finalLeaderboard"] == expected
        own = ended["payload"]["you"]
        place = played.recount.place_of(player.ticket["participantId"])
        assert (own["score"], own["rank"]) == place


@pytest.mark.parametrize("seed", range(5))
def test_replay_in_any_grouping_gives_the_same_broadcasts(
    played: Played, seed: int
) -> None:
    """What players got is what the journal gives again, however it is cut."""
    rng = random.Random(seed)
    for player in rng.sample(played.players, 20):
        replayed = broadcasts_to(
            player.ticket["participantId"], regrouped(played.records, rng)
        )
        received: list[Any] = [m for m in player.received if "seq" in m]
        assert received == [m for m in replayed if m["seq"] >= received[0]["seq"]]


def regrouped(records: list[rec.Record], rng: random.Random) -> list[list[rec.Record]]:
    """Cut *records* into batches at random."""
    batches: list[list[rec.Record]] = []
    at = 0
    while at < len(records):
        size = rng.randint(1, 9)
        batches.append(records[at : at + size])
        at += size
    return batches

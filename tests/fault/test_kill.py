"""``kill -9`` at random moments of live games: what was acknowledged is there.

Each game is killed several times; the server comes back on its port, the players
resume by themselves, and at the end the journal is recounted. The seeds are printed.
"""

import asyncio
import math
import os
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quizd.client import Backoff, Habits, Message, Question, QuizClient
from quizd.client.faults import AnswerLost, AnswerRefused
from quizd.clock import iso
from quizd.session import records as rec
from tests.support.journals import records_of
from tests.support.quizzes import quick_quiz
from tests.support.recount import Recount
from tests.support.server import Server

ROUNDS = int(os.environ.get("QUIZD_TEST_KILLS", "5"))
KILLS_A_GAME = 5
PLAYERS = 12
QUESTIONS = 10
PATIENCE = Backoff(tries=10_000, base_s=0.05, cap_s=0.25)
"""Players leave it to the test's own limit how long a start may take."""

SETTINGS = {
    "min_participants": PLAYERS,
    "countdown_s": 0.3,
    "reveal_s": 0.15,
    "streak_bonus": True,
}


@dataclass(slots=True)
class Survivor:
    """A player who keeps every acknowledgement, across all breaks."""

    name: str
    rng: random.Random
    acknowledged: dict[str, dict[str, object]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    last: Message | None = None
    client: QuizClient = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the client; it answers when a question is shown."""
        habits = Habits(backoff=PATIENCE, on_question=self._on_question, rng=self.rng)
        self.client = QuizClient(habits)

    async def play(self) -> None:
        """Play to the end, whatever happens to the server."""
        async with aclosing(self.client.play()) as messages:
            async for message in messages:
                if message.type == "answer_result":
                    self._keep(message)
                self.last = message
        await asyncio.gather(*self._tasks)

    def _keep(self, message: Message) -> None:
        """Hold a second acknowledgement of an answer to the first."""
        question = message.payload["questionId"]
        told = {key: message.payload[key] for key in ("receivedAt", "points")}
        assert self.acknowledged.setdefault(question, told) == told

    def _on_question(self, question: Question) -> None:
        task = asyncio.create_task(self._answer(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: Question) -> None:
        await asyncio.sleep(self.rng.uniform(0, 0.25))
        given: str | list[str] = self.rng.choice(question.options)
        if question.question_type == "multiple_choice":
            given = self.rng.sample(question.options, 2)
        try:
            await self.client.answer(question, given)
        except AnswerRefused as refused:
            self.refused[refused.reason] += 1
        except AnswerLost:
            self.refused["lost"] += 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(1, math.ceil(ROUNDS / KILLS_A_GAME) + 1))
async def test_no_acknowledged_answer_is_lost(seed: int, tmp_path: Path) -> None:
    """Every acknowledged answer counts exactly once; ranks equal the recount."""
    print(f"seed {seed}, {KILLS_A_GAME} kills")
    rng = random.Random(seed)
    server = Server(tmp_path, {"play.lead_min_ms": 50, "journal.renew_ms": 50})
    async with server:
        session = await server.open_quiz(quick_quiz(QUESTIONS, SETTINGS))
        players = [
            Survivor(f"Player {number}", random.Random(rng.random()))
            for number in range(PLAYERS)
        ]
        for player in players:
            await player.client.join(server.url, session["pin"], player.name)
        games = [asyncio.create_task(player.play()) for player in players]
        for _ in range(KILLS_A_GAME):
            await asyncio.sleep(rng.uniform(0.05, 0.8))
            await server.kill()
            await server.start()
        await asyncio.gather(*games)
    hold(players, await records_of(tmp_path, session["sessionId"]))


def hold(players: list[Survivor], records: list[rec.Record]) -> None:
    """Compare what players were told with a recount of the journal."""
    assert any(isinstance(record, rec.OutageEnded) for record in records)
    recount = Recount(records)
    for player in players:
        assert player.client.ticket is not None
        participant_id = player.client.ticket.participant_id
        counted = recount.answers_of(participant_id)
        for question, told in player.acknowledged.items():
            assert counted[question].points == told["points"]
            assert iso(counted[question].received_ms) == told["receivedAt"]
        assert set(player.refused) <= {"too_late", "lost"}
        told_place = (player.client.score, player.client.rank)
        assert told_place == recount.place_of(participant_id)

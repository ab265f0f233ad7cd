"""``quizd demo``: a quiz that is always open, and all one needs to join it."""

import asyncio
import random
from contextlib import suppress
from urllib.parse import quote

from rich.console import Console

from quizd.accounts.tokens import Grant, Role
from quizd.app import Shard
from quizd.app import run as run_shard
from quizd.bots import Manner, run_bots
from quizd.content import load
from quizd.owner.runner import Runner
from quizd.session.quiz import Quiz
from quizd.settings import Settings

QUIZ = "demo"
BETWEEN_S = 3.0


def run(settings: Settings, bots: int) -> None:
    """Serve, with a session of the demo quiz always open, until told to stop."""
    run_shard(settings, lambda shard: Demo(shard, bots, Console()).run())


class Demo:
    """Keeps a session of the demo quiz open on *shard* and tells how to get in."""

    def __init__(self, shard: Shard, bots: int, console: Console) -> None:
        self._shard = shard
        self._bots = bots
        self._console = console
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Open session after session until cancelled."""
        quiz = await self._quiz()
        players = asyncio.create_task(self._play(quiz)) if self._bots else None
        try:
            while True:
                runner = await self._shard.owner.open(QUIZ, quiz)
                self._tell(runner)
                await runner.ended
                self._console.print(f"\nSession {runner.state.pin} is over.")
                await asyncio.sleep(BETWEEN_S)
        finally:
            self._stop.set()
            if players is not None:
                players.cancel()
                with suppress(asyncio.CancelledError):
                    await players

    async def _quiz(self) -> Quiz:
        """Return the demo quiz, stored like any other, so that it can be changed."""
        stored = await self._shard.quizzes.get(QUIZ)
        if stored is None:
            quiz = load(QUIZ)
            stored = await self._shard.quizzes.put(
                QUIZ, quiz, self._shard.clock.now_ms()
            )
        return stored.quiz

    async def _play(self, quiz: Quiz) -> None:
        key = {question.id: question.correct_options for question in quiz.questions}
        await run_bots(
            self._shard.url,
            QUIZ,
            self._bots,
            seed=random.randrange(2**32),  # noqa: S311 - nobody is to guess nothing
            manner=Manner(answer_key=key, rejoin=True),
            stop=self._stop,
        )

    def _tell(self, runner: Runner) -> None:
        state, url = runner.state, self._shard.url
        host = self._shard.tokens.issue(
            Grant(Role.HOST, state.session_id, 0), self._shard.clock.now_ms()
        )
        quiz, wait_for = state.quiz, state.quiz.settings.min_participants
        self._console.print(
            f"\n[bold]{quiz.title}[/bold], {len(quiz.questions)} questions, "
            f"starts by itself when {wait_for} players are in.\n"
            f"  Play   {url}/play/{state.pin}   (PIN [bold]{state.pin}[/bold])\n"
            f"  Host   {host_link(url, QUIZ, host)}\n"
            "Open the host's link on the big screen; who has it leads the quiz.\n"
            "Play in a terminal (twice, for two players):\n"
            f"  .venv/bin/python -m quizd.client {url} {state.pin} --name Ann\n"
            "Or join with anything that speaks HTTP, then open the wsUrl it gives:\n"
            f"  curl -s {url}/api/v1/quizzes/{state.pin}/join "
            "-H 'content-type: application/json' -d '{\"participantName\": \"Bob\"}'",
            soft_wrap=True,
            highlight=False,
        )


def host_link(url: str, quiz_id: str, token: str) -> str:
    """Return the address of the host's page at the server *url*, ready to lead.

    The token is in the fragment: browsers keep that to themselves, so that it gets into
    no log.
    """
    return f"{url}/host/{quote(quiz_id, safe='')}#token={token}"

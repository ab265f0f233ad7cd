"""A server that dies in the middle of a game."""

import asyncio
from pathlib import Path

from bench.load.driver import Behaviour, Crowd, Game, Session
from bench.load.figures import GameResult
from bench.load.fleet import Fleet
from bench.load.tickets import Address, key_of
from tests.support.quizzes import quick_quiz
from tests.support.server import Server

PLAYERS = 20


async def test_a_game_whose_server_dies_ends_with_violations(tmp_path: Path) -> None:
    """Every lost line is complained of, and the run ends instead of waiting on."""
    quiz = quick_quiz(2, {"start": "host"})
    crowd = Crowd(PLAYERS, timeout_s=20, progress=False)
    server = Server(tmp_path)
    await server.start()
    opened = await server.open_quiz(quiz)
    session = Session(Address.of(server.url), opened["pin"], key_of(quiz))
    connected = asyncio.Event()
    loop = asyncio.get_running_loop()

    def run() -> GameResult:
        with Fleet(1, progress=False) as fleet:
            game = Game(fleet, session, crowd, Behaviour(), [server.pid])
            game.join()
            game.connect()
            loop.call_soon_threadsafe(connected.set)
            return game.play()

    playing = asyncio.create_task(asyncio.to_thread(run))
    await connected.wait()
    await server.kill()
    result = await playing
    texts = [text for text in result.violations.texts if "close code 1006" in text]
    assert len(texts) == result.counters["lost"] == PLAYERS
    assert "ended" not in result.usage

"""Players that come back: what they hold the server to, and a small game of them."""

import json
import random
from pathlib import Path

import pytest

from bench.floors.redis_server import unavailable
from bench.load.tickets import Ticket
from bench.returning.player import Player
from bench.returning.told import share_of
from bench.rolling import main
from bench.scenarios.base import Data

QUESTION = {"questionId": "q0", "options": ["north", "east"]}
RESULT = {"questionId": "q0", "receivedAt": "now", "points": 900, "correct": True}


def welcome(epoch: int, seq: int, resumed: bool) -> Data:
    """Return a picture of nothing but its place."""
    return {"epoch": epoch, "seq": seq, "resumed": resumed}


@pytest.fixture
def player() -> Player:
    """A player that has come in once."""
    made = Player(7, Ticket("quiz", "me", "token"), random.Random(1))
    made.is_welcome(welcome(1, 4, resumed=False), 10.0)
    return made


def test_a_clean_game_has_no_fault(player: Player) -> None:
    """Numbers follow the welcome, the answer counts once, and the score is right."""
    player.take_number("new_question", 5)
    player.choose(QUESTION)
    assert len(player.pending) == 1
    player.is_lost(12.0)
    player.is_lost(12.5)
    assert player.url_tail.endswith("&epoch=1&after=5")
    player.is_welcome(welcome(1, 5, resumed=True), 13.0)
    player.is_welcome(welcome(1, 5, resumed=False), 13.5, again=True)
    assert player.is_refused({"reason": "shard_unavailable"})
    player.keep(RESULT)
    player.keep(RESULT)
    player.has_ended({"you": {"score": 900}})
    assert player.faults == []
    assert player.pending == []
    assert player.breaks_s == [1.0]


@pytest.mark.parametrize("seq", [4, 6])
def test_a_number_that_is_not_the_next_is_told(player: Player, seq: int) -> None:
    """Neither lost ones nor repeated ones go through."""
    player.take_number("new_question", seq)
    assert "after 4" in player.faults[0]


@pytest.mark.parametrize(
    "picture",
    [
        welcome(1, 3, resumed=False),
        welcome(1, 4, resumed=False),
        welcome(1, 5, resumed=True),
    ],
)
def test_a_wrong_welcome_is_told(player: Player, picture: Data) -> None:
    """History does not go back, and ``resumed`` says whether anything was missed."""
    player.is_welcome(picture, 11.0)
    assert len(player.faults) == 1


def test_what_becomes_of_answers_is_told(player: Player) -> None:
    """A refusal, a second word that differs, a lost answer, and a wrong score."""
    player.choose(QUESTION)
    player.keep(RESULT)
    player.keep({**RESULT, "points": 800})
    player.choose({**QUESTION, "questionId": "q1"})
    assert not player.is_refused({"reason": "too_late", "details": {}})
    player.has_ended({"you": {"score": 800}})
    words = ("came to", "refused", "900 points", "never acknowledged")
    assert len(player.faults) == len(words)
    for word, fault in zip(words, player.faults, strict=True):
        assert word in fault


def test_a_result_of_no_answer_is_told(player: Player) -> None:
    """Nobody else's results come here."""
    player.keep(RESULT)
    assert "no answer" in player.faults[0]


def test_shares_of_times() -> None:
    """The least value that so many do not exceed."""
    assert share_of([], 0.5) == 0
    assert share_of([3.0, 1.0, 2.0], 1.0) == 3.0
    assert share_of([float(n) for n in range(100)], 0.5) == 50.0


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
@pytest.mark.timeout(120)
def test_shards_are_replaced_under_a_small_game(tmp_path: Path) -> None:
    """Everybody is away at least twice, and nothing is wrong."""
    words = ["--players", "20", "--shards", "2", "--clients", "1", "--storms", "1"]
    words += ["--question-s", "1", "--drain-s", "0.5", "--results", str(tmp_path)]
    assert main(words) == 0
    found = json.loads((tmp_path / "rolling.json").read_text(encoding="utf-8"))
    assert found["violations"] == 0
    assert found["breaks"] >= 20
    assert found["welcomes"] >= found["breaks"] + 2 * 20
    assert found["acknowledged"] == 19 * found["questions"]
    assert len(found["storms_s"]) == 1
    assert "R6 ≤ 5" in (tmp_path / "rolling.md").read_text(encoding="utf-8")

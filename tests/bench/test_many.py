"""Many quizzes, small: what is due when, what is measured, and how it is told."""

import json
from array import array
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bench.floors.redis_server import unavailable
from bench.halls import stage, told
from bench.halls.stage import Commands, Found, Hosted, Plan
from bench.histogram import Histogram
from bench.load.fleet import Violations
from bench.load.orders import Played
from bench.load.tickets import Address
from bench.many import main, parser, plan_of

PLAN = Plan(4, 3, 2, 2, 2, enter_s=1.0, period_s=2.0)
ADDRESS = Address("127.0.0.1", 80)
HOSTED = [Hosted(f"quiz-{row}", f"session-{row}", f"token-{row}") for row in range(4)]
NS_PER_MS = 1_000_000
FIRST_NS = 7 * NS_PER_MS


def packed(*instants: int) -> bytes:
    """Return instants as clients send them."""
    return array("q", instants).tobytes()


def played(commands: Commands, quiz: int, late_ms: int) -> Played:
    """Return a quiz whose two players got each message *late_ms* after it was due."""
    dues = [commands.due_ns(quiz, kind, FIRST_NS) for kind in range(3)]
    came = [packed(due + late_ms * NS_PER_MS, 0) for due in dues]
    nothing = packed(0, 0)
    columns = {
        "opened": [came[0], came[1], nothing],
        "closed": [nothing, nothing, came[2]],
    }
    times = [(late_ms * NS_PER_MS, 2)]
    return Played(columns, [], times, times, times, times, None)


def test_commands_are_one_even_stream() -> None:
    """A quiz's commands are a period apart, and two quizzes' never at once."""
    commands = Commands.of(PLAN, ADDRESS, HOSTED)
    assert len(commands.texts) == 4 * 3
    dues = [
        commands.due_ns(quiz, kind, FIRST_NS) for kind in range(3) for quiz in range(4)
    ]
    gaps = {later - sooner for sooner, later in pairwise(dues)}
    assert dues[0] == FIRST_NS
    assert gaps == {500 * NS_PER_MS}
    period_ns = commands.due_ns(1, 1, FIRST_NS) - commands.due_ns(1, 0, FIRST_NS)
    assert period_ns == 2_000 * NS_PER_MS


def test_each_command_is_of_its_quiz_and_host() -> None:
    """Starts come first, then what leads on, then the ends, with the host's token."""
    texts = Commands.of(PLAN, ADDRESS, HOSTED).texts
    for kind, command in enumerate((b"start", b"next", b"end")):
        for quiz in range(4):
            text = texts[kind * 4 + quiz]
            assert b"POST /api/v1/quizzes/quiz-%d/%s " % (quiz, command) in text
            assert b"Bearer token-%d\r\n" % quiz in text


def test_latencies_count_from_when_each_quiz_was_due() -> None:
    """The question's and the end's do, in each quiz; who got nothing is not counted."""
    commands = Commands.of(PLAN, ADDRESS, HOSTED)
    plays = [played(commands, quiz, late_ms=quiz + 1) for quiz in range(4)]
    times = stage.times_of(Histogram(), plays, commands, FIRST_NS)
    assert (times.question.count, times.final.count) == (8, 4)
    assert times.question.max_ms == pytest.approx(4, rel=0.001)
    assert times.final.percentile_ms(50) == pytest.approx(2, rel=0.001)
    assert times.board.count == times.score.count == times.connect.count == 8


def test_joins_take_the_quizzes_in_turn() -> None:
    """The first player of each quiz, then the second: all quizzes fill together."""
    texts = stage.in_turn(PLAN, ADDRESS, HOSTED[:2])
    quizzes = [text.split(b"/")[4] for text in texts]
    assert quizzes == [b"quiz-0", b"quiz-1"] * 3
    assert [b'"Player 0"' in text for text in texts] == [True] * 2 + [False] * 4


def test_distribution_counts_shards_that_own_nothing() -> None:
    """The mean is over all shards, not only over those that own a session."""
    data, figures = told.distribution(Counter({"b": 30, "a": 10}), shards=4)
    assert data == {"sessions_by_shard": {"a": 10, "b": 30}, "max_over_mean": 3.0}
    assert figures[-1].value == 3.0


def test_what_broke_off_is_told() -> None:
    """Violations fail the figures that count them, with no latency to show."""
    found = Found(Violations(3, ("a host got 500",)), faulty=2, owners=Counter(a=4))
    outcome = told.outcome(PLAN, found)
    missed = [figure.name for figure in outcome.figures if figure.verdict == "MISSED"]
    assert missed == ["violations", "quizzes with a violation"]
    assert outcome.data["latencies"] == {}


def test_the_command_line_has_its_defaults() -> None:
    """A thousand quizzes of fifty on four shards, and as many client processes."""
    plan = plan_of(parser().parse_args([]))
    assert (plan.quizzes, plan.players, plan.shards) == (1000, 50, 4)
    assert (plan.clients, plan.everybody) == (4, 50_000)


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
def test_a_few_quizzes_are_played_and_told(tmp_path: Path) -> None:
    """Every quiz is checked, every latency has all its players, all is written."""
    words = ["--quizzes", "5", "--players", "6", "--shards", "2", "--questions", "2"]
    words += ["--enter-s", "0.3", "--period-s", "2", "--results", str(tmp_path)]
    assert main(words) == 0
    found = json.loads((tmp_path / "many.json").read_text(encoding="utf-8"))
    assert (found["violations"], found["faulty_quizzes"]) == (0, 0)
    assert sum(found["sessions_by_shard"].values()) == 5
    latencies = found["latencies"]
    assert [latencies[name]["count"] for name in ("join", "connect", "final")] == [
        30
    ] * 3
    assert latencies["question"]["count"] == 60
    assert latencies["score"]["count"] == found["answers"] == found["results"] > 0
    assert 0 < latencies["score"]["p50_ms"] <= latencies["score"]["p99_ms"]
    table = (tmp_path / "many.md").read_text(encoding="utf-8")
    assert "| answer to score |" in table
    assert [part["part"] for part in found["parts"]] == [
        "joining",
        "connecting",
        "playing",
    ]

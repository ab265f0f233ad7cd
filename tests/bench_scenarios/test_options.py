"""The command line of the scenarios."""

import pytest

from bench.__main__ import main, options_of, parser
from bench.scenarios.all import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--help`` says how it is measured, and what can be chosen."""
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    said = capsys.readouterr().out
    explanation = SCENARIOS[name].explanation.strip()
    assert explanation in said
    assert len(explanation) > 100
    assert "--players" in said


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_defaults_of_its_own(name: str) -> None:
    """Without options it does what it says in its list."""
    arguments = parser().parse_args([name])
    own = SCENARIOS[name].options
    assert options_of(arguments, arguments.players[0]) == own


def test_options_are_taken_over() -> None:
    """Several numbers of players are several runs of the same."""
    words = "fanout --players 10 20 --rounds 3 --seconds 0.5 --processes 1 --seed 9"
    arguments = parser().parse_args(words.split())
    assert arguments.players == [10, 20]
    found = options_of(arguments, 20)
    taken = (found.players, found.rounds, found.seconds, found.processes, found.seed)
    assert taken == (20, 3, 0.5, 1, 9)


@pytest.mark.parametrize(
    "words", [[], ["nothing"], ["fanout", "--players", "0"], ["idle", "--rounds", "x"]]
)
def test_what_makes_no_sense_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 2, and what is wrong is said."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "error:" in capsys.readouterr().err

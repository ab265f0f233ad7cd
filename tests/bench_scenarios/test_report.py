"""The results file, and the table and plots that are made from it."""

from pathlib import Path

from bench import report
from bench.scenarios.base import Figure, Outcome, Target
from tests.bench_scenarios.canned import CURVE, MACHINE, outcome, results


def test_the_file_has_the_keys_that_others_read(tmp_path: Path) -> None:
    """Machine, commit and each scenario's data stand at the top."""
    report.write(results(fanout=outcome()), tmp_path)
    found = report.load(tmp_path)
    assert found["machine"] == MACHINE
    assert found["commit"] == "0123abc"
    assert found["fanout"] == {"ratio": 1.05}
    assert found["runs"]["fanout"]["curves"]["quizd"] == [list(each) for each in CURVE]


def test_fan_outs_of_peers_stand_beside_quizds(tmp_path: Path) -> None:
    """Who reads the fan-out's figures finds the peers' there, the skipped ones not."""
    made = results(fanout=outcome())
    made["peers"] = {
        "quizd": {"cpu_us_per_delivery": 8.0},
        "ws": {"cpu_us_per_delivery": 30.0},
        "nchan": {"skipped": "no"},
    }
    report.write(made, tmp_path)
    peers = report.load(tmp_path)["fanout"]["peers"]
    assert peers == {"ws": {"cpu_us_per_delivery": 30.0}}


def test_a_scenario_may_give_a_list(tmp_path: Path) -> None:
    """What has rows is stored as these."""
    rows: list[dict[str, object]] = [
        {"players": 10, "fanout_ratio": 1.0, "personal_ratio": 1.1, "answer_ratio": 2},
        {"players": 20, "fanout_ratio": 1.2, "personal_ratio": 1.2, "answer_ratio": 3},
    ]
    report.write(results(growth=Outcome({}, rows=rows)), tmp_path)
    assert report.load(tmp_path)["growth"] == rows
    assert (tmp_path / "growth.png").stat().st_size > 0


def test_the_table_tells_what_is_held() -> None:
    """Value, interval, target and verdict stand in a line, thousands in full."""
    text = report.table(results(fanout=outcome()))
    assert "| ratio to the floor | 1.05 | 0.900 … 1.20 | P1 ≤ 1.1 | held |" in text
    assert "| time | 12,346 ms |  |  |  |" in text
    assert "- nothing was left out" in text
    assert "A processor, 2 cores" in text


def test_a_missed_target_and_a_violation_are_seen() -> None:
    """Neither can be read as success."""
    text = report.table(results(fanout=outcome(1.3), answers=outcome(1.0, 2)))
    assert "| P1 ≤ 1.1 | MISSED |" in text
    assert "**2 violations: the run failed.**" in text


def test_a_plot_is_made_where_there_are_curves(tmp_path: Path) -> None:
    """A scenario without latencies has no plot of them."""
    made = results(fanout=outcome(), ranking=Outcome({"ratio": 12}))
    made["peers"] = {"quizd": {"cpu_us_per_delivery": 8.0}, "other": {"skipped": "no"}}
    report.write(made, tmp_path)
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"latency_fanout.png", "peers_cpu_us_per_delivery.png"}
    assert not [*tmp_path.glob("*.tmp")]


def test_a_target_is_held_up_to_its_limit() -> None:
    """The limit itself is held, in both directions."""
    most, least = Target("P", 2), Target("P", 2, "least")
    assert most.held(2)
    assert not most.held(2.01)
    assert least.held(2)
    assert not least.held(1.99)
    assert str(Figure("a", 1, "ms", least)) == "a: 1 ms (P ≥ 2: MISSED)"

"""A scenario from the command line to the files, with a real server and few players."""

from pathlib import Path

from bench import report
from bench.__main__ import main

PLAYERS = 50
ROUNDED = 1.002
"""Percentiles come from a histogram of three digits, the last one is exact."""


def test_a_fan_out_is_measured(tmp_path: Path) -> None:
    """Everybody gets each message, and all figures are numbers of this run."""
    words = ["fanout", "--players", str(PLAYERS), "--rounds", "2", "--seed", "3"]
    assert main([*words, "--results", str(tmp_path)]) == 0
    results = report.load(tmp_path)
    for found in (results["fanout"], results["fanout"]["personal"]):
        assert found["pairs"] == 2
        assert found["connections"] == PLAYERS + 3
        assert found["cpu_us_per_delivery"] > 0 < found["floor_cpu_us"]
        assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
        assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["last_ms"] * ROUNDED
    assert results["fanout"]["personal"]["size_bytes"] > 200
    assert results["runs"]["fanout"]["violations"]["count"] == 0
    assert (tmp_path / "latest.md").read_text(encoding="utf-8").count("| P1 ≤") == 1
    assert (tmp_path / "latency_fanout.png").exists()

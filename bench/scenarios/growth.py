"""How the cost of a delivery and of an answer grows with the number of players.

The same measurements as in ``fanout`` and ``answers``, with fewer rounds, for several
numbers of players in one session. One process may have 20,000 open files here, so one
shard ends at 12,000 players beside everything else.
"""

from collections.abc import Sequence
from dataclasses import replace

from bench.load.fleet import Violations
from bench.scenarios import answers, fanout
from bench.scenarios.base import (
    Data,
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
)

STEPS = (1000, 5000, 12_000)
GROWTH = Target("P9", 1.2)


def fanned(options: Options) -> tuple[Data, Outcome]:
    """Return a row's fan-out part, and the whole outcome."""
    shared = fanout.run(options)
    row = {
        "fanout_ratio": shared.data["ratio"],
        "personal_ratio": shared.data["personal"]["ratio"],
        "fanout_cpu_us": shared.data["cpu_us_per_delivery"],
        "floor_cpu_us": shared.data["floor_cpu_us"],
        "last_ms": shared.data["last_ms"],
    }
    return row, shared


def answered(options: Options) -> tuple[Data, Outcome]:
    """Return a row's answers part, and the whole outcome."""
    found = answers.run(options)
    row = {
        "answer_ratio": found.data["ratio"],
        "answer_cpu_us": found.data["cpu_us"],
        "answers_per_second": found.data["per_second"],
    }
    return row, found


def grown(rows: Sequence[Data]) -> list[Figure]:
    """Return how much more the last row's ratios are than the first's."""
    figures = []
    for name in ("fanout_ratio", "answer_ratio"):
        known = [row for row in rows if name in row]
        if len(known) > 1:
            first, last = known[0], known[-1]
            title = (
                f"growth: {name}, {last['players']:,} ÷ {first['players']:,} players"
            )
            figures.append(Figure(title, last[name] / first[name], "", GROWTH))
    return figures


def run(options: Options) -> Outcome:
    """Measure each step up to *options*' players."""
    rows: list[Data] = []
    violations = Violations(0, ())
    for players in [step for step in STEPS if step < options.players] + [
        options.players
    ]:
        step = replace(options, players=players)
        fan_row, fan = fanned(step)
        answer_row, answer = answered(replace(step, rounds=min(step.rounds, 3)))
        rows.append({"players": players, **fan_row, **answer_row})
        violations += fan.violations + answer.violations
    return Outcome({}, grown(rows), violations, rows=rows)


# One client process: two would take the server's core from it.
GROWING = Scenario(
    "growth", __doc__, Options(players=12_000, rounds=7, seconds=2, processes=1), run
)

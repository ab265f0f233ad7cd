"""All scenarios by name, in the order of importance."""

from bench.scenarios import (
    answers,
    budgets,
    entering,
    fanout,
    growth,
    peers,
    ranking,
    standing,
    write_behind,
)
from bench.scenarios.base import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        fanout.FANOUT,
        fanout.PERSONAL_FANOUT,
        answers.ANSWERS,
        entering.CONNECTING,
        standing.MEMORY_HELD,
        ranking.RANKING,
        write_behind.WRITING_BEHIND,
        standing.IDLING,
        growth.GROWING,
        budgets.BUDGETS,
        budgets.HERD,
        peers.PEERS,
    )
}

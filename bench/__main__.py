"""Measure quizd against floors and peers, one scenario at a time.

Each scenario prints its figures with their targets and takes its place in
bench/results/latest.json. The exit status is 1 where players saw something wrong: a
figure that misses its target is a result, a violation is a failure.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import report, run
from bench.scenarios.all import SCENARIOS
from bench.scenarios.base import Options, Scenario


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = made.add_subparsers(dest="scenario", required=True, metavar="SCENARIO")
    for scenario in SCENARIOS.values():
        summary = scenario.explanation.partition("\n")[0]
        command = commands.add_parser(
            scenario.name,
            help=summary,
            description=scenario.explanation,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_options(command, scenario)
    return made


def add_options(command: argparse.ArgumentParser, scenario: Scenario) -> None:
    """Add what can be asked of a scenario, with its own defaults."""
    own = scenario.options
    told = "(default: %(default)s)"
    command.add_argument(
        "--players",
        type=natural,
        nargs="+",
        default=[own.players],
        help=f"players, or members of a board; several: one run each {told}",
    )
    command.add_argument(
        "--rounds", type=natural, default=own.rounds, help=f"rounds to take {told}"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=own.seconds,
        help=f"seconds, where something is measured by time {told}",
    )
    command.add_argument(
        "--processes",
        type=natural,
        default=own.processes,
        help=f"load processes {told}",
    )
    command.add_argument("--seed", type=int, default=own.seed, help=f"seed {told}")
    command.add_argument(
        "--results",
        type=Path,
        default=report.RESULTS,
        help="folder that the results go to (default: bench/results)",
    )


def natural(text: str) -> int:
    """Return a number of at least 1; raise ``ValueError`` for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def options_of(arguments: argparse.Namespace, players: int) -> Options:
    """Return the options of one run."""
    return replace(
        SCENARIOS[arguments.scenario].options,
        players=players,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        processes=arguments.processes,
        seed=arguments.seed,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    arguments = parser().parse_args(words)
    scenario = SCENARIOS[arguments.scenario]
    results = run.begin(arguments.results, fresh=False)
    well = True
    for players in arguments.players:
        outcome, seconds = run.timed(scenario, options_of(arguments, players))
        first = players == arguments.players[0]
        name = scenario.name if first else f"{scenario.name}_{players}"
        well &= run.keep(results, name, outcome, seconds, arguments.results)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

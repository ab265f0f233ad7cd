"""Play one quiz with 50,000 players on four shards, then hold it against loops in C.

Starts a Redis of its own that syncs before it answers, as shipped, the shards of quizd,
and as many client processes. Everybody joins over REST and connects to whichever shard
the kernel chooses; every player checks all that it sees, and all ranks are held against
all scores.

In a second session everybody only listens, and as many bare send() loops as shards have
as many sockets, with receivers of the same kind. In turn quizd shows a question and the
loops send as many bytes side by side; quizd closes it, with everybody's own rank, and
the loops send frames of the same mean size. The loops share a port, as the shards do,
and all clients wait for their turn on the cores (bench.cores). "Command to last player"
counts from the host's message; the loops' time from the first loop's first send. Boards
go out once in ten seconds at most: they are fan-outs as well.

Results go to bench/results/50k.json and 50k.md; the exit status is 1 where a player saw
anything wrong. One process may have 20,000 open files here: 100,000 players need
--shards 6. With --shards 1 there is no Redis.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import report
from bench.__main__ import natural
from bench.large import stage, told

PLAYERS_AN_ANSWER_SECOND = 10_000


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench.players_50k",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--players", type=natural, default=50_000)
    made.add_argument("--shards", type=natural, default=4)
    made.add_argument("--clients", type=natural, help="client processes: as shards")
    made.add_argument("--rounds", type=natural, default=7, help="questions to count")
    made.add_argument(
        "--answers-s",
        type=float,
        help="seconds that a question's answers are spread over: 1 for 10,000 players",
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--results", type=Path, default=report.RESULTS)
    return made


def plan_of(options: argparse.Namespace) -> stage.Plan:
    """Return what the command line asks for."""
    return stage.Plan(
        options.players,
        options.shards,
        options.clients or options.shards,
        options.rounds,
        options.answers_s or options.players / PLAYERS_AN_ANSWER_SECOND,
        options.seed,
    )


def name_of(players: int) -> str:
    """Return what the results of so many players are called: ``50k``."""
    return f"{players // 1000}k" if players % 1000 == 0 else str(players)


def main(words: Sequence[str] | None = None) -> int:
    """Play; return the exit status."""
    options = parser().parse_args(words)
    plan, started_s = plan_of(options), time.monotonic()
    found = told.outcome(plan, stage.play(plan))
    for figure in found.figures:
        print(figure)
    for text in found.violations.texts[:10]:
        print(f"VIOLATION {text}")
    seconds = time.monotonic() - started_s
    name = name_of(plan.players)
    report.write_apart(found, seconds, options.results, name, told.table)
    return 1 if found.violations else 0


if __name__ == "__main__":
    # Whoever ends this politely is to find nothing left of it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

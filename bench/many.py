"""Play 1,000 quizzes of 50 players at once on four shards.

Starts a Redis of its own that syncs before it answers, as shipped, the shards of quizd,
and as many client processes. Every quiz is stored and opened, everybody joins over REST
and connects to whichever shard the kernel chooses, and hosts lead their quizzes over
REST by a schedule that doesn't wait: at any moment each quiz is in another part of a
question. All settings are quizd's own.

Shown are how the sessions are spread over the shards, and latencies of all quizzes
together, against the budgets of a single quiz (P13), each from when it was due:
joining; connecting, to the welcome; an answer to its score; a quiz's first answer, if
it is right, to the board that it changes, at each player; the host's end to the final
board, at each player. People come as to that single quiz, 500 a second for each core
that there is; clients and Redis share the cores here. Every player checks all that it
sees, and all ranks of each quiz are held against all its scores.

Results go to bench/results/many.json and many.md; the exit status is 1 where a player
or a host saw anything wrong.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import cores, report
from bench.__main__ import natural
from bench.halls import stage, told

PLAYERS_PER_S_AND_CORE = 500


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench.many",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--quizzes", type=natural, default=1000)
    made.add_argument("--players", type=natural, default=50, help="of each quiz")
    made.add_argument("--shards", type=natural, default=4)
    made.add_argument("--clients", type=natural, help="client processes: as shards")
    made.add_argument("--questions", type=natural, default=1, help="of each quiz")
    made.add_argument(
        "--enter-s", type=float, help="of joining, and of connecting: see above"
    )
    made.add_argument(
        "--period-s", type=float, default=55.0, help="between a quiz's questions"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--results", type=Path, default=report.RESULTS)
    return made


def plan_of(options: argparse.Namespace) -> stage.Plan:
    """Return what the command line asks for."""
    per_s = PLAYERS_PER_S_AND_CORE * len(cores.OURS)
    return stage.Plan(
        options.quizzes,
        options.players,
        options.shards,
        options.clients or options.shards,
        options.questions,
        options.enter_s or options.quizzes * options.players / per_s,
        options.period_s,
        options.seed,
    )


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
    report.write_apart(found, seconds, options.results, "many", told.table)
    return 1 if found.violations else 0


if __name__ == "__main__":
    # Whoever ends this politely is to find nothing left of it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

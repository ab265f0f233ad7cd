"""Replace all shards during a quiz, then cut all players' lines at once.

Starts a Redis of its own that syncs before it answers, the shards of quizd, and client
processes whose players come back when their line is down or they are told to. The
supervisor gets SIGHUP and replaces one shard after the other while questions are
played; then every line is cut in the same moment, as often as asked for, in the middle
of a question.

Every player holds the server to its numbers: after a welcome with S come S+1, S+2 and
nothing else. Every answer that was given is acknowledged before its question is closed,
though its player was away meanwhile; the points of all acknowledgements are the final
score, and all ranks are right. Shown is for how long players were away, from the end of
a line to the next welcome.

Results go to bench/results/rolling.json and rolling.md; the exit status is 1 where a
player saw anything wrong.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import report
from bench.__main__ import natural
from bench.returning import stage, told


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m bench.rolling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--players", type=natural, default=10_000)
    made.add_argument("--shards", type=natural, default=4)
    made.add_argument("--clients", type=natural, default=2, help="client processes")
    made.add_argument("--question-s", type=float, default=10.0, help="of each question")
    made.add_argument("--storms", type=int, default=3, help="times that all are cut")
    made.add_argument(
        "--drain-s", type=float, default=4.0, help="over which a shard sends away"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--results", type=Path, default=report.RESULTS)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Play; return the exit status."""
    options = parser().parse_args(words)
    plan = stage.Plan(
        options.players,
        options.shards,
        options.clients,
        options.question_s,
        options.storms,
        options.drain_s,
        options.seed,
    )
    started_s = time.monotonic()
    found = told.outcome(plan, stage.play(plan))
    for figure in found.figures:
        print(figure)
    for text in found.violations.texts[:10]:
        print(f"VIOLATION {text}")
    seconds = time.monotonic() - started_s
    report.write_apart(found, seconds, options.results, "rolling", told.table)
    return 1 if found.violations else 0


if __name__ == "__main__":
    # Whoever ends this politely is to find nothing left of it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

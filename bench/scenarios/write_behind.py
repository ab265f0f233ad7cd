"""How fast answers come into Postgres behind the journal, against a bare COPY.

The bench starts a PostgreSQL with its own settings: a commit waits for the disk. Four
sessions share the players, and everybody answers twenty questions; a batch of the
journal has 100 answers, as commits make them in a rush. The floor is asyncpg's
``copy_records_to_table`` with the same rows in the same order, ready as tuples, into
the same table with its index and partition, in one transaction, and nothing else.

quizd begins with the journal, reads and checks its batches, moves the cursors, and
writes the log with its keyed chain as well as the rows, in transactions of its usual
size. Joins are written before, as in a lobby; the end with everybody's result is taken
by itself. Both have their turn in each round, on a connection that is there, with
empty tables after a checkpoint, and the ratio is taken pair by pair.

The CPU time of the database's process for the connection stands beside the ratio: on a
machine that is not quiet it tells more. What it has beyond the floor's is the log and
the cursors; rows in the order of their key, as quizd sends them, take off some of it.

In the end the same journal grows for two seconds while it is written behind, and what
counts is when another connection sees all answers, from the last batch on.

After each measurement the database compares all its answers with the rows there ought
to be: one that is missing, there twice, or different fails the run.
"""

from collections.abc import Sequence

from bench.floors.child import Child, Unavailable
from bench.load.fleet import Violations
from bench.scenarios.base import Data, Figure, Options, Outcome, Scenario, Target
from bench.stats import Median

RATIO = Target("P8", 0.8, "least")
VISIBLE = Target("P8", 2.0)
NONE = Target("P8", 0)
SESSIONS = 4
QUESTIONS = 20
TICK = 100
LOAD_S = 2.0
WRONG = ("lost", "duplicates", "strange", "refused")


def run(options: Options) -> Outcome:
    """Take rounds of both, and let the journal grow once."""
    words = {
        "sessions": SESSIONS,
        "players": options.players // SESSIONS,
        "questions": QUESTIONS,
        "tick": TICK,
    }
    arguments = [f"--{name}={value}" for name, value in words.items()]
    copied, behind = [], []
    try:
        with Child.module("bench.store.writer", *arguments) as child:
            for _ in range(options.rounds):
                copied.append(child.ask("copy"))
                behind.append(child.ask("behind"))
            live = child.ask("live", LOAD_S)
    except Unavailable as reason:
        return Outcome({}, notes=[f"write_behind: {reason}"])
    return outcome(copied, behind, live)


def outcome(copied: Sequence[Data], behind: Sequence[Data], live: Data) -> Outcome:
    """Put the figures together."""
    answers = live["expected"]
    pairs = list(zip(behind, copied, strict=True))
    ratio = Median.of([bare["seconds"] / one["seconds"] for one, bare in pairs])
    cpu = "database_cpu_s"
    cpu_ratio = Median.of([one[cpu] / bare[cpu] for one, bare in pairs])
    checked = [*copied, *behind, live]
    wrong = {name: sum(one.get(name, 0) for one in checked) for name in WRONG}
    data: Data = {
        "answers": answers,
        "rows_per_second": answers / middle(behind, "seconds"),
        "copy_rows_per_second": answers / middle(copied, "seconds"),
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "pairs": ratio.count,
        "database_cpu_ratio": cpu_ratio.value,
        "visible_s": live["seconds"],
        "end_s": middle(behind, "end_s"),
        **wrong,
    }
    count = sum(wrong.values())
    texts = tuple(f"{name}: {found}" for name, found in wrong.items() if found)
    return Outcome(data, figures(data), Violations(count, texts))


def figures(data: Data) -> list[Figure]:
    """Return what the table shows."""
    ratio = (data["ratio"], "", RATIO, data["ratio_low"], data["ratio_high"])
    return [
        Figure("write-behind: rows a second ÷ a bare COPY's", *ratio),
        Figure("write-behind: rows", data["rows_per_second"], "a second"),
        Figure("write-behind: a bare COPY's", data["copy_rows_per_second"], "a second"),
        Figure(
            "write-behind: the database's CPU ÷ a bare COPY's",
            data["database_cpu_ratio"],
        ),
        Figure(
            f"write-behind: {data['answers']:,} answers visible after the load's end",
            data["visible_s"],
            "s",
            VISIBLE,
        ),
        Figure("write-behind: the end, with everybody's result", data["end_s"], "s"),
        Figure("write-behind: lost", data["lost"], "", NONE),
        Figure("write-behind: duplicates", data["duplicates"], "", NONE),
    ]


def middle(found: Sequence[Data], name: str) -> float:
    """Return the median of a value."""
    return Median.of([one[name] for one in found]).value


WRITING_BEHIND = Scenario("write_behind", __doc__, Options(rounds=9), run)

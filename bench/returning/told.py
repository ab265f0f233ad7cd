"""What a game with players that come back came to: figures, a file, and a table."""

from bench import report
from bench.large.told import use
from bench.returning.stage import Found, Plan
from bench.scenarios.base import Data, Figure, Outcome, Target, number

CLEAN = Target("errors", 0)
BACK = Target("R6", 5)
SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def outcome(plan: Plan, found: Found) -> Outcome:
    """Return what *plan* came to."""
    seen, processes = found.seen, use(found.used)
    away = {name: share_of(found.breaks_s, share) for name, share in SHARES.items()}
    counts = {
        "acknowledged": seen.acknowledged,
        "welcomes": seen.welcomes,
        "breaks": len(found.breaks_s),
        "said_again": seen.said_again,
        "failed_handshakes": seen.failures,
        "questions": found.questions,
    }
    data: Data = {
        "players": plan.players,
        "shards": plan.shards,
        "client_processes": plan.clients,
        "drain_s": plan.drain_s,
        "rolling_s": found.rolling_s,
        "storms_s": found.storms_s,
        "away_s": away,
        "violations": seen.violations.count,
        "processes": processes[0],
        **counts,
    }
    figures = [
        Figure("violations", seen.violations.count, "", CLEAN),
        Figure("all shards replaced in", found.rolling_s, "s"),
        *(
            Figure(
                f"a player was away in that: {name}",
                value,
                "s",
                BACK if value else None,
            )
            for name, value in away.items()
        ),
        *(
            Figure(f"all lines cut: the last one back, {place}", taken_s, "s")
            for place, taken_s in enumerate(found.storms_s, 1)
        ),
        *(Figure(name.replace("_", " "), count) for name, count in counts.items()),
        *processes[1],
    ]
    return Outcome(data, figures, seen.violations)


def share_of(values: list[float], share: float) -> float:
    """Return the least value that *share* of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0


def table(results: report.Results) -> str:
    """Return the results as a page of Markdown."""
    players, shards = number(results["players"]), results["shards"]
    lines = [
        f"# {players} players while {shards} shards are replaced, one by one",
        "",
        *report.machine_lines(results),
        f"- {results['at']}, {results['seconds']:.0f} s",
        "",
        *report.HEADER,
        *map(report.row, results["figures"]),
    ]
    lines += [f"- VIOLATION {text}" for text in results["violation_texts"]]
    return "\n".join(lines) + "\n"

"""What many quizzes came to: figures, a results file, and a table."""

from collections import Counter
from dataclasses import asdict

from bench import report
from bench.halls.stage import Found, Plan
from bench.histogram import Histogram
from bench.large.told import use
from bench.scenarios.base import Data, Figure, Outcome, Target, number
from bench.scenarios.budgets import LIMITS_MS

CLEAN = Target("errors", 0)
TITLES = {
    "join": "join over REST",
    "connect": "connect, to the welcome",
    "question": "host's command to the question",
    "score": "answer to score",
    "board": "score to board",
    "final": "host's end to the final board",
    "lag": "the load generator's own lag",
}
BUDGETS = {
    name: Target("P13", LIMITS_MS[limit])
    for name, limit in {
        "join": "join_p95_ms",
        "connect": "connect_p95_ms",
        "score": "score_p95_ms",
        "board": "leaderboard_p95_ms",
        "final": "final_p95_ms",
    }.items()
}
PERCENTILES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


def outcome(plan: Plan, found: Found) -> Outcome:
    """Return what *plan* came to."""
    spread, own = distribution(found.owners, plan.shards)
    rows, processes = use(found.used)
    times = found.times
    latencies = {name: taken(getattr(times, name)) for name in TITLES} if times else {}
    data: Data = {
        "quizzes": plan.quizzes,
        "players_each": plan.players,
        "players": plan.everybody,
        "shards": plan.shards,
        "client_processes": plan.clients,
        "questions": plan.questions,
        "period_s": plan.period_s,
        "enter_s": plan.enter_s,
        **spread,
        "moved": found.moved,
        "latencies": latencies,
        "answers": found.counters["answers_sent"],
        "results": found.counters["results"],
        "messages": found.counters["frames_in"],
        "processes": rows,
        "parts": [asdict(part) for part in found.spent],
        "violations": found.violations.count,
        "faulty_quizzes": found.faulty,
    }
    figures = [
        Figure("violations", found.violations.count, "", CLEAN),
        Figure("quizzes with a violation", found.faulty, "", CLEAN),
        *own,
        Figure("sessions whose owner has changed", found.moved),
        Figure("answers", data["answers"]),
        Figure("messages to players", data["messages"]),
    ]
    figures += [
        Figure(f"{part.part}: CPU of all shards", part.cpu_s / part.seconds, "cores")
        for part in found.spent
    ]
    figures += [
        Figure(f"{TITLES[name]}: p95", value["p95_ms"], "ms", BUDGETS.get(name))
        for name, value in latencies.items()
    ]
    return Outcome(data, figures + processes, found.violations)


def distribution(owners: Counter[str], shards: int) -> tuple[Data, list[Figure]]:
    """Return how many sessions each of so many shards owns, and the most, in means."""
    uneven = max(owners.values()) * shards / owners.total()
    by_shard = dict(sorted(owners.items()))
    data = {"sessions_by_shard": by_shard, "max_over_mean": uneven}
    figures = [Figure(f"sessions of {name}", count) for name, count in by_shard.items()]
    return data, [*figures, Figure("sessions by shard: most ÷ mean", uneven)]


def taken(times: Histogram) -> Data:
    """Return how many there were, and the usual percentiles, in milliseconds."""
    summary = times.summary()
    shown = {name: getattr(summary, name) for name in PERCENTILES}
    return {"count": summary.count, **shown}


def table(results: report.Results) -> str:
    """Return the results as a page of Markdown."""
    title = (
        f"# {number(results['quizzes'])} quizzes of {results['players_each']} players"
        f" at once, {results['shards']} shards"
    )
    lines = [
        title,
        "",
        *report.machine_lines(results),
        f"- {results['at']}, {results['seconds']:.0f} s",
        "",
        "| from when it was due | count | p50 | p95 | p99 | most |",
        "| --- | --- | --- | --- | --- | --- |",
        *(latency_row(name, row) for name, row in results["latencies"].items()),
        "",
        *report.HEADER,
        *map(report.row, results["figures"]),
    ]
    lines += [f"- VIOLATION {text}" for text in results["violation_texts"]]
    return "\n".join(lines) + "\n"


def latency_row(name: str, row: Data) -> str:
    """Return one kind of latencies as a line of the table."""
    shown = " | ".join(f"{number(row[key])} ms" for key in PERCENTILES)
    return f"| {TITLES[name]} | {number(row['count'])} | {shown} |"

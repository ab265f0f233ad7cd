"""What a large game came to: figures, a results file, and a table."""

from collections.abc import Sequence

from bench import report
from bench.large.audience import Pairs
from bench.large.loops import Reach
from bench.large.stage import Plan, Played, Used
from bench.load.figures import GameResult
from bench.scenarios.base import Data, Figure, Outcome, Target, latencies, number
from bench.stats import Median

FAN_OUT = Target("P10", 1.3)
CLEAN = Target("P15", 0)
MOST_PLAYERS = 100_000
US_PER_S = 1e6
MIB = 1 << 20


def compared(
    title: str, turns: Pairs, checked: Sequence[Reach], target: Target | None
) -> tuple[Data, list[Figure]]:
    """Return data and figures of a message to everybody, against the loops.

    *checked*: the same kind of message, to players that check it.
    """
    pairs = list(zip(turns.quizd, turns.loops, strict=True))
    last = Median.of(
        [one.spread.last_ms / other.spread.last_ms for one, other in pairs]
    )
    between = Median.of([one.between_ms / other.between_ms for one, other in pairs])
    cpu = Median.of([one.cpu_us / other.cpu_us for one, other in pairs])
    data: Data = {
        "quizd": reaches(turns.quizd),
        "loops": reaches(turns.loops),
        "checked": reaches(checked),
        "ratio": last.value,
        "ratio_low": last.low,
        "ratio_high": last.high,
        "between_ratio": between.value,
        "cpu_ratio": cpu.value,
        "pairs": last.count,
    }
    figures = [
        Figure(
            f"{title}: command to last player ÷ loops side by side",
            last.value,
            "",
            target,
            last.low,
            last.high,
        ),
        Figure(
            f"{title}: first to last player ÷ loops side by side",
            between.value,
            "",
            None,
            between.low,
            between.high,
        ),
        Figure(f"{title}: command to last player", data["quizd"]["last_ms"], "ms"),
        Figure(f"{title}: loops to last player", data["loops"]["last_ms"], "ms"),
        Figure(
            f"{title}: command to last player, all checking",
            data["checked"]["last_ms"],
            "ms",
        ),
        Figure(f"{title}: CPU ÷ loops", cpu.value, "", None, cpu.low, cpu.high),
    ]
    return data, figures


def reaches(found: Sequence[Reach]) -> Data:
    """Return the medians of a message's rounds; times from the command."""
    return {
        "first_ms": middle([one.spread.first_ms for one in found]),
        "p50_ms": middle([one.spread.p50_ms for one in found]),
        "p99_ms": middle([one.spread.p99_ms for one in found]),
        "last_ms": middle([one.spread.last_ms for one in found]),
        "first_to_last_ms": middle([one.between_ms for one in found]),
        "cpu_us_per_delivery": middle([one.cpu_us for one in found]),
        "size_bytes": middle([one.size_bytes for one in found]),
    }


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return Median.of(values).value


def answering(game: GameResult) -> tuple[Data, list[Figure]]:
    """Return data and figures of the answers, the first question's left out."""
    rate = middle([each.answers_per_second for each in game.questions[1:]])
    data = {"per_second": rate, **latencies(game.acks, "ack_")}
    data |= latencies(game.lags, "generator_lag_")
    figures = [
        Figure("answers", rate, "a second"),
        Figure("answers: acknowledged, p99", data["ack_p99_ms"], "ms"),
        Figure(
            "answers: the load generator's own lag, p99",
            data["generator_lag_p99_ms"],
            "ms",
        ),
    ]
    return data, figures


def entering(game: GameResult) -> tuple[Data, list[Figure]]:
    """Return data and figures of joining and connecting."""
    data = {
        "joins_per_second": game.joins.per_second,
        "connects_per_second": game.connects.per_second,
        "join_cpu_us": game.joins.cpu_us_each,
        "connect_cpu_us": game.connects.cpu_us_each,
    }
    figures = [
        Figure("joins over REST", game.joins.per_second, "a second"),
        Figure("connects", game.connects.per_second, "a second"),
    ]
    return data, figures


def use(used: Sequence[Used]) -> tuple[list[Data], list[Figure]]:
    """Return data and figures of each process's CPU time and memory."""
    rows: list[Data] = []
    figures: list[Figure] = []
    for one in used:
        cpu_s, rss_mib = one.cpu_us / US_PER_S, one.rss_bytes / MIB
        rows.append({"process": one.name, "cpu_s": cpu_s, "rss_mib": rss_mib})
        figures.append(Figure(f"{one.name}: CPU in all", cpu_s, "s"))
        figures.append(Figure(f"{one.name}: memory", rss_mib, "MiB"))
    return rows, figures


def outcome(plan: Plan, played: Played) -> Outcome:
    """Return what *plan* came to.

    A game that players could not play to its end has violations, and no more.
    """
    game = played.game
    found = game.violations + played.listening
    data: Data = {
        "players": plan.players,
        "shards": plan.shards,
        "client_processes": plan.clients,
        "violations": found.count,
    }
    target = CLEAN if plan.players >= MOST_PLAYERS else None
    figures = [Figure("violations", found.count, "", target)]
    if len(played.checked_closes) < plan.rounds:
        return Outcome(data, figures, found)
    parts = {
        "question": compared(
            "question", played.questions, played.checked_questions, FAN_OUT
        ),
        "own_rank": compared("own rank", played.closes, played.checked_closes, None),
        "answers": answering(game),
        "entering": entering(game),
    }
    for key, (part, own) in parts.items():
        data[key] = part
        figures += own
    data["processes"], own = use(played.used)
    return Outcome(data, figures + own, found)


def table(results: report.Results) -> str:
    """Return the results as a page of Markdown."""
    players, shards = number(results["players"]), results["shards"]
    processes = "1 shard" if shards == 1 else f"{shards} shards"
    lines = [
        f"# {players} players in one quiz, {processes}",
        "",
        *report.machine_lines(results),
        f"- {results['at']}, {results['seconds']:.0f} s",
        "",
        *report.HEADER,
        *map(report.row, results["figures"]),
    ]
    lines += [f"- VIOLATION {text}" for text in results["violation_texts"]]
    return "\n".join(lines) + "\n"

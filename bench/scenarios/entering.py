"""What it costs to let players in, against connecting to a bare picows server.

In each round a new session is opened; everybody joins by REST, then connects, the
token checked and the welcome sent, and leaves again. Then as many connect to a bare
picows server. CPU time is all of the process meanwhile: for quizd also the message
about who has come, twice a second to all who are there, and the journal.
"""

from dataclasses import dataclass

from bench import cores
from bench.floors.child import Child
from bench.histogram import Histogram
from bench.load.driver import Crowd, hold
from bench.load.figures import Stage
from bench.load.raw import Lines, listen
from bench.load.tickets import Address
from bench.scenarios.base import (
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
    latencies,
    quiz_of,
)
from bench.server import QuizServer
from bench.stats import Median

CONNECT = Target("P5", 1.2)
JOIN = Target("P5", 1.5)


@dataclass(frozen=True, slots=True)
class Round:
    """Joining, connecting, and connecting to picows."""

    joins: Stage
    connects: Stage
    bare: Stage


def crowd_of(options: Options) -> Crowd:
    """Return the players that *options* ask for."""
    return Crowd(
        options.players,
        options.processes,
        seed=options.seed,
        progress=options.progress,
    )


def lines_of(options: Options, child: Child) -> Lines:
    """Return as many connections to a floor."""
    return Lines(
        Address("127.0.0.1", child.port),
        options.players,
        processes=options.processes,
        progress=options.progress,
    )


def entered(options: Options, server: QuizServer, child: Child) -> Round:
    """Let everybody in, and out, of both."""
    session = server.session(quiz_of(1, 1, {}))
    with hold(session, crowd_of(options), [server.pid]) as game:
        joins, connects = game.joins, game.connects
    with listen(lines_of(options, child), b"", [child.pid]) as listeners:
        return Round(joins, connects, listeners.connects)


def run(options: Options) -> Outcome:
    """Take the rounds; ratios are taken round by round."""
    with (
        cores.apart(),
        QuizServer() as server,
        Child.module("bench.floors.picows_echo") as child,
    ):
        cores.alone(server.pid)
        cores.alone(child.pid)
        entered(options, server, child)  # code and memory are warm after the first
        rounds = [entered(options, server, child) for _ in range(options.rounds)]
    return outcome(options, rounds)


def outcome(options: Options, rounds: list[Round]) -> Outcome:
    """Put the rounds together."""
    connect = Median.of([r.connects.cpu_us_each / r.bare.cpu_us_each for r in rounds])
    join = Median.of([r.joins.cpu_us_each / r.bare.cpu_us_each for r in rounds])
    connected = Histogram.merged(r.connects.latency for r in rounds)
    joined = Histogram.merged(r.joins.latency for r in rounds)
    data = {
        "players": options.players,
        "cpu_us": Median.of([r.connects.cpu_us_each for r in rounds]).value,
        "join_cpu_us": Median.of([r.joins.cpu_us_each for r in rounds]).value,
        "picows_cpu_us": Median.of([r.bare.cpu_us_each for r in rounds]).value,
        "ratio": connect.value,
        "ratio_low": connect.low,
        "ratio_high": connect.high,
        "join_ratio": join.value,
        "join_ratio_low": join.low,
        "join_ratio_high": join.high,
        "connects_per_second": Median.of([r.connects.per_second for r in rounds]).value,
        "joins_per_second": Median.of([r.joins.per_second for r in rounds]).value,
        **latencies(connected, "connect_"),
        **latencies(joined, "join_"),
    }
    figures = [
        Figure(
            "connect: CPU ÷ picows",
            connect.value,
            "",
            CONNECT,
            connect.low,
            connect.high,
        ),
        Figure("connect: CPU", data["cpu_us"], "µs each"),
        Figure("connect: picows' CPU", data["picows_cpu_us"], "µs each"),
        Figure(
            "join: CPU ÷ picows' connect", join.value, "", JOIN, join.low, join.high
        ),
        Figure("join: CPU", data["join_cpu_us"], "µs each"),
    ]
    return Outcome(data, figures)


CONNECTING = Scenario(
    "connect", __doc__, Options(players=2000, rounds=15, processes=1), run
)

"""Whether players feel a delay: 95th percentiles of a whole quiz, one by one.

- join and connect: everybody in ten seconds, an even stream;
- connecting over TLS: the same stream to a server with a self-signed certificate made
  for the run, whole handshakes, from when each was due to the welcome;
- answer to score: a question answered by everybody within two seconds, boards going
  out to everybody meanwhile;
- score to board: one answer after more than a second of quiet, and the board that it
  changes, at everybody's;
- end to final board: the host's command, and the last message, at everybody's.

The last two are of a session in which nobody else does anything, every receipt of
every round counted.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.histogram import Histogram
from bench.load.driver import Behaviour, Crowd, Game
from bench.load.figures import GameResult
from bench.load.fleet import Fleet, Violations, shares
from bench.load.orders import Part, Words
from bench.load.raw import Lines, Listeners, connect
from bench.load.tickets import Ticket, game_head
from bench.load.tls import Certificate, Connected, connect_over_tls, join_over_tls
from bench.scenarios.base import Figure, Options, Outcome, Scenario, Target, quiz_of
from bench.seats import Seat, join_all
from bench.server import QuizServer

STREAM_S = 10.0
ANSWERS_WITHIN_MS = 2000.0
QUIET_S = 1.3
BOARD_ROUNDS = 10
MARKER = b'eaderboard":['
LIMITS_MS = {
    "join_p95_ms": 150,
    "connect_p95_ms": 200,
    "connect_tls_p95_ms": 200,
    "score_p95_ms": 100,
    "leaderboard_p95_ms": 80,
    "final_p95_ms": 200,
}


def streamed(options: Options, seconds: float, window_ms: float) -> GameResult:
    """Play a game that everybody comes to within *seconds*, for each of two steps."""
    quiz = quiz_of(3, window_ms / 1000 + 1, {"reveal_s": 0.5})
    crowd = Crowd(
        options.players,
        options.processes,
        joins_per_s=options.players / seconds,
        connects_per_s=options.players / seconds,
        seed=options.seed,
        progress=options.progress,
    )
    behaviour = Behaviour(low_ms=0, high_ms=window_ms)
    with (
        QuizServer() as server,
        Fleet(options.processes, progress=options.progress) as fleet,
    ):
        game = Game(fleet, server.session(quiz), crowd, behaviour, [server.pid])
        game.join()
        game.connect()
        return game.play()


@dataclass(slots=True)
class Room:
    """A session with a question open: a host, one who answers, and who listens."""

    host: Seat
    answering: list[Seat]
    listeners: Listeners

    def told_ns(self, act: Seat, kind: str, **payload: object) -> Histogram:
        """Have one seat say something; return how long all took to hear of it."""
        self.listeners.expect(1)
        said_ns = time.monotonic_ns()
        act.say(kind, **payload)
        self.listeners.wait()
        return self.listeners.spread(0, said_ns).histogram


@contextmanager
def room(options: Options) -> Iterator[Room]:
    """Fill a session with listeners, and show its first question."""
    quiz = quiz_of(1, 600, {"advance": "host"})
    with ExitStack() as stack:
        server = stack.enter_context(QuizServer())
        opened = server.open(quiz)
        tickets = join_all(
            server.address, opened["quizId"], options.players + BOARD_ROUNDS
        )
        answering = [
            stack.enter_context(Seat.of_player(server.address, ticket))
            for ticket in tickets[options.players :]
        ]
        fleet = stack.enter_context(Fleet(options.processes, progress=options.progress))
        listeners = listening(fleet, server, tickets[: options.players])
        host = stack.enter_context(Seat.of_host(server.address, opened))
        host.wait("welcome")
        host.say("host_start")
        host.wait("new_question")
        for seat in answering:
            seat.wait("welcome")
        time.sleep(QUIET_S)
        yield Room(host, answering, listeners)


def listening(fleet: Fleet, server: QuizServer, tickets: list[Ticket]) -> Listeners:
    """Connect the owners of *tickets* to hear of boards."""
    arguments = [
        (
            server.address,
            [game_head(server.address, tickets[number]) for number in part],
            Words(marker=MARKER),
            Part(part.start),
        )
        for part in shares(len(tickets), fleet.processes)
    ]
    fleet.call_each("listen", arguments)
    lines = Lines(server.address, len(tickets), processes=fleet.processes)
    return Listeners(fleet, lines, connect(fleet, lines))


def boards(options: Options) -> tuple[Histogram, Histogram, Violations]:
    """Return from score to board, from end to final board, and what went wrong."""
    with room(options) as stage:
        times = []
        for seat in stage.answering:
            times.append(
                stage.told_ns(
                    seat, "answer_submission", questionId="q0", selectedOption="north"
                )
            )
            time.sleep(QUIET_S)
        final = stage.told_ns(stage.host, "host_end")
        return Histogram.merged(times), final, stage.listeners.violations()


def over_tls(options: Options) -> Connected:
    """Connect everybody within ten seconds to a server that speaks TLS alone."""
    with TemporaryDirectory(prefix="bench-tls-") as folder:
        pair = Certificate.made_in(Path(folder))
        settings = {
            "server.tls_certificate": pair.certificate,
            "server.tls_key": pair.key,
        }
        with QuizServer(settings) as server:
            quiz_id = server.open(quiz_of(1, 1, {}))["quizId"]
            tickets = join_over_tls(
                server.address, quiz_id, options.players, pair.certificate
            )
            return connect_over_tls(
                server.address,
                tickets,
                pair.certificate,
                seconds=STREAM_S,
                processes=options.processes,
            )


def run(options: Options) -> Outcome:
    """Play the stream, connect over TLS, then take the boards."""
    result = streamed(options, STREAM_S, ANSWERS_WITHIN_MS)
    secure = over_tls(options)
    board, final, found = boards(options)
    times = {
        "join_p95_ms": result.joins.latency,
        "connect_p95_ms": result.connects.latency,
        "connect_tls_p95_ms": secure.latency,
        "score_p95_ms": result.acks,
        "leaderboard_p95_ms": board,
        "final_p95_ms": final,
    }
    data = {name: times[name].percentile_ms(95) for name in times}
    figures = [
        Figure(f"budgets: {name}", value, "ms", Target("P13", LIMITS_MS[name]))
        for name, value in data.items()
    ]
    lag_ms = secure.lags.percentile_ms(95)
    figures.append(Figure("budgets: lag of the TLS clients themselves", lag_ms, "ms"))
    return Outcome(
        {"players": options.players, "tls": True, "tls_lag_p95_ms": lag_ms, **data},
        figures,
        result.violations + found + secure.violations,
        {f"budgets: {title(name)}": times[name].curve_ms() for name in times},
    )


def title(name: str) -> str:
    """Return what a curve is called."""
    return name.removesuffix("_p95_ms").replace("_", " ")


def herd(options: Options) -> Outcome:
    """Let everybody join within *options*' seconds, connect as fast, and play."""
    result = streamed(options, options.seconds, ANSWERS_WITHIN_MS)
    data = {
        "players": options.players,
        "seconds": options.seconds,
        "join_p99_ms": result.joins.latency.percentile_ms(99),
        "connect_p99_ms": result.connects.latency.percentile_ms(99),
        "welcome_p99_ms": result.welcomes.percentile_ms(99),
        "ack_p99_ms": result.acks.percentile_ms(99),
        "joins_per_second": result.joins.per_second,
        "connects_per_second": result.connects.per_second,
    }
    figures = [
        Figure(f"herd: {name}", data[name], "ms") for name in data if "p99" in name
    ]
    curves = {
        "herd: join": result.joins.latency.curve_ms(),
        "herd: connect": result.connects.latency.curve_ms(),
    }
    return Outcome(data, figures, result.violations, curves)


HERD_TEXT = """A crowd that comes at once: everybody joins within ten seconds.

Then everybody connects at the same pace and plays three questions; all that players
see is checked, and a violation fails the run. Latencies count from when a join or a
connect was due by the schedule.
"""

BUDGETS = Scenario("budgets", __doc__, Options(), run)
HERD = Scenario("herd", HERD_TEXT, Options(players=10_000, seconds=10), herd)

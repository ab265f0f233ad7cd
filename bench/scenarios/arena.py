"""A session full of receivers, led step by step, and a floor beside it.

Everybody answers the first question in the moment of connecting, one after the other,
so that points and ranks differ from there on. After that nobody answers: a question
and its close are the only messages, one shared, one with everybody's own rank in it.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench import cores
from bench.floors.child import Child
from bench.load.figures import Spread
from bench.load.fleet import Fleet, Violations, shares
from bench.load.orders import Part, Words
from bench.load.process import Timeline, cpu_us
from bench.load.raw import Lines, Listeners, connect, listen
from bench.load.tickets import Address, Ticket, game_head
from bench.scenarios.base import Options, quiz_of
from bench.seats import Seat, join_all
from bench.server import QuizServer

QUESTIONS = 400
WATCHERS = 2
FIRST_QUESTION_S = 60
CALM_S = 0.15
MARKER = b'"questionId"'
TEXT = "Which way does the wind blow on the northern coast at noon?"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to everybody: what it cost the server, and how it spread.

    ``cpu_us`` is all that the server's process has used from the command until
    everybody had the message; ``between_cpu_us`` from the first receipt to the last.
    Both are of one delivery.
    """

    cpu_us: float
    between_cpu_us: float
    spread: Spread
    size_bytes: float


@dataclass(slots=True)
class Arena:
    """A quizd, its host, and players that only listen."""

    server: QuizServer
    host: Seat
    watchers: list[Seat]
    listeners: Listeners

    @property
    def deliveries(self) -> int:
        """How many connections get each message: players, watchers and the host."""
        return self.listeners.lines.count + len(self.watchers) + 1

    def question(self) -> Delivery:
        """Have the next question shown: the same frame for everybody."""
        return self._told("new_question", "reveal")

    def close(self) -> Delivery:
        """Have it closed: to each player the own score and rank."""
        return self._told("question_closed", "question")

    def _told(self, kind: str, phase: str) -> Delivery:
        seats = (*self.watchers, self.host)
        numbers = [seat.count(kind) + 1 for seat in seats]
        self.listeners.expect(1)
        with Timeline([self.server.pid]) as timeline:
            before_us, sent_ns = cpu_us(self.server.pid), time.monotonic_ns()
            self.host.say("host_next", expect={"phase": phase})
            self.listeners.wait()
            heard = [
                seat.wait(kind, number)
                for seat, number in zip(seats, numbers, strict=True)
            ]
            used_us = cpu_us(self.server.pid) - before_us
        spread = self.listeners.spread(0, sent_ns)
        between_us = timeline.between_us(spread.first_ns, spread.last_ns)
        time.sleep(CALM_S)
        sizes = [message.size_bytes for message in heard[: len(self.watchers)]]
        return Delivery(
            used_us / self.deliveries,
            between_us / self.deliveries,
            spread,
            sum(sizes) / len(sizes),
        )


@contextmanager
def arena(
    options: Options, settings: dict[str, object] | None = None
) -> Iterator[Arena]:
    """Fill a session with *options*' players, and close its first question."""
    quiz = quiz_of(QUESTIONS, FIRST_QUESTION_S, {"advance": "host"}, TEXT)
    with ExitStack() as stack:
        stack.enter_context(cores.apart())
        server = stack.enter_context(QuizServer(settings))
        cores.alone(server.pid)
        opened = server.open(quiz)
        tickets = join_all(server.address, opened["quizId"], options.players + WATCHERS)
        host = stack.enter_context(Seat.of_host(server.address, opened))
        host.wait("welcome")
        host.say("host_start")
        host.wait("new_question")
        time.sleep(1)
        # The question stays open until both watchers, the last ones, have answered.
        watchers = [
            stack.enter_context(Seat.of_player(server.address, ticket))
            for ticket in tickets[-WATCHERS:]
        ]
        for seat in watchers:
            seat.wait("welcome")
        fleet = stack.enter_context(Fleet(options.processes, progress=options.progress))
        listeners = seated(fleet, server, tickets[:-WATCHERS], options)
        time.sleep(1)
        for seat in watchers:
            seat.say("answer_submission", questionId="q0", selectedOption="north")
        host.wait("question_closed")
        time.sleep(1)
        yield Arena(server, host, watchers, listeners)


def seated(
    fleet: Fleet, server: QuizServer, tickets: list[Ticket], options: Options
) -> Listeners:
    """Connect the owners of *tickets*; each answers the first question at once."""
    lines = Lines(server.address, len(tickets), processes=options.processes)
    answer: dict[str, Any] = {"questionId": "q0", "selectedOption": "north"}
    greeting = json.dumps({"type": "answer_submission", "payload": answer}).encode()
    words = Words(MARKER, greeting, alert=True)
    arguments = [
        (
            server.address,
            [
                game_head(server.address, ticket)
                for ticket in tickets[part.start : part.stop]
            ],
            words,
            Part(part.start, options.seed),
        )
        for part in shares(len(tickets), fleet.processes)
    ]
    fleet.call_each("listen", arguments)
    return Listeners(fleet, lines, connect(fleet, lines, [server.pid]))


@dataclass(slots=True)
class Floor:
    """As many sockets, and a loop in C that sends to them."""

    child: Child
    listeners: Listeners

    def send(self, name: str, size_bytes: int) -> Delivery:
        """Have the command *name* done once: ``broadcast`` or ``personal``."""
        self.listeners.expect(1)
        answer = self.child.ask(name, {"bytes": size_bytes})
        self.listeners.wait()
        spread = self.listeners.spread(0, answer["rounds"][0]["started_ns"])
        each_us = answer["cpu_us_per_delivery"]
        time.sleep(CALM_S)
        return Delivery(each_us, each_us, spread, size_bytes)

    def violations(self) -> Violations:
        """Return what its receivers complain of."""
        return self.listeners.violations()


@contextmanager
def floor(options: Options, module: str = "send_loop") -> Iterator[Floor]:
    """Start a floor and connect as many receivers as *options* has players."""
    with cores.apart(), Child.module(f"bench.floors.{module}") as child:
        cores.alone(child.pid)
        lines = Lines(
            Address("127.0.0.1", child.port),
            options.players + WATCHERS + 1,
            alert=True,
            processes=options.processes,
            progress=options.progress,
        )
        with listen(lines, b'"bench"', [child.pid]) as listeners:
            yield Floor(child, listeners)

"""Players that only listen, so that their work is that of the loops' receivers.

In the game all players check all that they see, on the cores that the shards need as
well. To compare a fan-out with loops, receivers have to be of one kind: here everybody
joins a second session and answers its first question when connecting, one after the
other, so that points and ranks differ; after that nobody answers.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.large.loops import TIMEOUT_S, Reach, SendLoops
from bench.load.driver import JOIN_LINES, name_of
from bench.load.figures import Spread
from bench.load.fleet import Fleet, Violations, shares
from bench.load.orders import Part, Words
from bench.load.process import cpu_us
from bench.load.raw import Lines, Listeners, connect
from bench.load.tickets import join_requests
from bench.scenarios.arena import MARKER, TEXT
from bench.scenarios.base import quiz_of
from bench.seats import Seat, join_all
from bench.server import QuizServer

QUESTION_S = 600
CALM_S = 1.0
FRAME_HEADER_BYTES = 4
ANSWER = {"questionId": "q0", "selectedOption": "north"}


@dataclass(slots=True)
class Pairs:
    """Messages of quizd and of the loops, in turn."""

    quizd: list[Reach]
    loops: list[Reach]


@dataclass(slots=True)
class Audience:
    """A session full of receivers, and its host."""

    server: QuizServer
    host: Seat
    listeners: Listeners

    def question(self) -> Reach:
        """Have the next question shown."""
        return self._told("reveal")

    def close(self) -> Reach:
        """Have it closed, with everybody's own rank."""
        return self._told("question")

    def _told(self, phase: str) -> Reach:
        """Have the host go on from *phase*; wait until all have what that causes."""
        fleet, count = self.listeners.fleet, self.listeners.lines.count
        self.listeners.expect(1)
        before, before_us = fleet.counters(), self._cpu_us()
        said_ns = time.monotonic_ns()
        self.host.say("host_next", expect={"phase": phase})
        self.listeners.wait()
        after, used_us = fleet.counters(), self._cpu_us() - before_us
        spread: Spread = self.listeners.spread(0, said_ns)
        came = after["bytes_in"] - before["bytes_in"]
        frames = after["frames_in"] - before["frames_in"]
        return Reach(spread, used_us / count, came / frames - FRAME_HEADER_BYTES)

    def _cpu_us(self) -> float:
        return sum(map(cpu_us, self.server.pids))


@contextmanager
def audience(
    server: QuizServer, fleet: Fleet, players: int, rounds: int
) -> Iterator[Audience]:
    """Fill a session of *server* with *players*; its first question is closed then."""
    quiz = quiz_of(rounds + 1, QUESTION_S, {"advance": "host"}, TEXT)
    with ExitStack() as stack:
        opened = server.open(quiz)
        # One who is there and doesn't answer keeps the question open.
        (waiting,) = join_all(server.address, opened["quizId"], 1)
        join(fleet, server, opened["quizId"], players)
        seat = stack.enter_context(Seat.of_player(server.address, waiting))
        seat.wait("welcome")
        host = stack.enter_context(Seat.of_host(server.address, opened))
        host.wait("welcome")
        host.say("host_start")
        host.wait("new_question")
        listeners = seated(fleet, server, players)
        time.sleep(CALM_S)
        host.say("host_next", expect={"phase": "question"})
        host.wait("question_closed")
        time.sleep(CALM_S)
        yield Audience(server, host, listeners)


def join(fleet: Fleet, server: QuizServer, quiz: str, players: int) -> None:
    """Let so many players join by REST, in all client processes."""
    orders = [
        (
            server.address,
            join_requests(server.address, quiz, map(name_of, part)),
            JOIN_LINES,
            0.0,
        )
        for part in shares(players, fleet.processes)
    ]
    fleet.call_each("join", orders)
    fleet.wait("joined", players, lambda c: c["answered"] + c["faults"], TIMEOUT_S)
    fleet.call("joined")


def seated(fleet: Fleet, server: QuizServer, players: int) -> Listeners:
    """Connect those who have joined; each answers the first question at once."""
    text = {"type": "answer_submission", "payload": ANSWER}
    words = Words(MARKER, json.dumps(text).encode())
    parts = shares(players, fleet.processes)
    fleet.call_each("attend", [(words, Part(part.start)) for part in parts])
    lines = Lines(
        server.address, players, processes=fleet.processes, timeout_s=TIMEOUT_S
    )
    return Listeners(fleet, lines, connect(fleet, lines))


def in_turn(
    hall: Audience, loops: SendLoops, rounds: int
) -> tuple[Pairs, Pairs, Violations]:
    """Return *rounds* pairs of questions and of closes; and what went wrong."""
    questions, closes = Pairs([], []), Pairs([], [])
    for _ in range(rounds):
        one_turn(questions, hall.question(), loops, "broadcast")
        one_turn(closes, hall.close(), loops, "personal")
    return questions, closes, hall.listeners.violations() + loops.violations()


def one_turn(pairs: Pairs, sent: Reach, loops: SendLoops, command: str) -> None:
    """Have the loops send as many bytes as quizd has, and keep both."""
    time.sleep(CALM_S)
    pairs.quizd.append(sent)
    pairs.loops.append(loops.send(command, sent.size_bytes))
    time.sleep(CALM_S)

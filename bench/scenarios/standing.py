"""What a connected player takes while nothing happens: memory, and CPU time.

The server's resident memory is read before anybody comes, and when everybody has
joined, connected and been welcomed; the difference is what a player takes, token,
score, name and all. The kernel's socket buffers, which are of the whole machine, are
shown beside it. A bare picows server is measured in the same way.

Then everybody is left alone; what CPU time the process uses meanwhile is pings, pongs
and whatever it does by itself.
"""

import time
from dataclasses import dataclass

from bench.floors.child import Child
from bench.load.driver import hold
from bench.load.fleet import Violations
from bench.load.process import cpu_us, rss_bytes, socket_bytes
from bench.load.raw import listen
from bench.scenarios.base import (
    Data,
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
    quiz_of,
)
from bench.scenarios.entering import crowd_of, lines_of
from bench.server import QuizServer

MEMORY = Target("P6", 8192)
IDLE = Target("P11", 2)
CALM_S = 2.0
PING_S = 25.0


@dataclass(frozen=True, slots=True)
class Idle:
    """What one connected player takes."""

    rss_bytes: float
    socket_bytes: float
    cpu_us_per_s: float
    violations: Violations = Violations(0, ())  # noqa: RUF009 - is never changed


def watched(pid: int, players: int, seconds: float) -> float:
    """Return the CPU time of *pid* per player and second, in microseconds."""
    before_us, started_s = cpu_us(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_us(pid) - before_us) / players / (time.monotonic() - started_s)


def quizd(options: Options, seconds: float) -> Idle:
    """Measure a quizd; *seconds* of idling, 0 for none."""
    session_quiz = quiz_of(1, 1, {})
    with QuizServer() as server:
        session = server.session(session_quiz)
        before, sockets = rss_bytes(server.pid), socket_bytes()
        with hold(session, crowd_of(options), [server.pid]) as game:
            time.sleep(CALM_S)
            grown = rss_bytes(server.pid) - before
            idle = watched(server.pid, options.players, seconds) if seconds else 0.0
            return Idle(
                grown / options.players,
                (socket_bytes() - sockets) / options.players,
                idle,
                game.fleet.violations(),
            )


def picows(options: Options) -> Idle:
    """Measure the memory of a bare picows server."""
    with Child.module("bench.floors.picows_echo") as child:
        before, sockets = rss_bytes(child.pid), socket_bytes()
        with listen(lines_of(options, child), b"", [child.pid]):
            time.sleep(CALM_S)
            return Idle(
                (rss_bytes(child.pid) - before) / options.players,
                (socket_bytes() - sockets) / options.players,
                0.0,
            )


def memory(options: Options) -> Outcome:
    """Measure memory alone."""
    return memory_of(options, quizd(options, 0), picows(options))


def memory_of(options: Options, ours: Idle, bare: Idle) -> Outcome:
    """Put memory's figures together."""
    data: Data = {
        "players": options.players,
        "rss_bytes_per_player": ours.rss_bytes,
        "picows_bytes": bare.rss_bytes,
        "ratio": ours.rss_bytes / bare.rss_bytes,
        "kernel_socket_bytes_per_player": ours.socket_bytes,
    }
    figures = [
        Figure("memory: RSS per player", ours.rss_bytes, "bytes", MEMORY),
        Figure("memory: RSS per picows connection", bare.rss_bytes, "bytes"),
        Figure("memory: kernel's socket buffers", ours.socket_bytes, "bytes a player"),
    ]
    return Outcome(data, figures, ours.violations)


def idle(options: Options) -> Outcome:
    """Measure idling alone."""
    return idle_of(options, quizd(options, options.seconds))


def idle_of(options: Options, ours: Idle) -> Outcome:
    """Put idling's figures together."""
    data: Data = {
        "players": options.players,
        "seconds": options.seconds,
        "cpu_us_per_second": ours.cpu_us_per_s,
    }
    figure = Figure("idle: CPU per player", ours.cpu_us_per_s, "µs/s", IDLE)
    return Outcome(data, [figure], ours.violations)


def both(options: Options) -> tuple[Outcome, Outcome]:
    """Measure memory and idling of the same crowd."""
    ours = quizd(options, options.seconds)
    return memory_of(options, ours, picows(options)), idle_of(options, ours)


MEMORY_HELD = Scenario("memory", __doc__, Options(), memory)
IDLING = Scenario("idle", __doc__, Options(seconds=2 * PING_S), idle)

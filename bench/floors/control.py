"""What a controlled process shares with its like: commands, messages, its own clocks.

``bench.floors`` says what the lines are.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Reply = dict[str, Any]
Handler = Callable[[Any], Awaitable[Reply]]

BACKLOG = 4096
LINE_BYTES = 1 << 26
PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Order:
    """The argument of a ``broadcast``: sizes in bytes, pauses between rounds."""

    size_bytes: int
    times: int
    pause_s: float

    @classmethod
    def of(cls, argument: Mapping[str, Any]) -> "Order":
        """Read the command's argument; raise ``KeyError`` where bytes are missing."""
        return cls(
            int(argument["bytes"]),
            int(argument.get("times", 1)),
            float(argument.get("pause_ms", 0)) / 1000,
        )


@dataclass(frozen=True, slots=True)
class Round:
    """One message to everybody: CLOCK_MONOTONIC at its start, what it took."""

    seq: int
    connections: int
    started_ns: int
    wall_ns: int
    cpu_ns: int
    waits: int = 0

    def told(self) -> Reply:
        """Return the round as the answer has it."""
        return {
            "seq": self.seq,
            "connections": self.connections,
            "started_ns": self.started_ns,
            "wall_us": self.wall_ns / 1000,
            "cpu_us": self.cpu_ns / 1000,
            "waits": self.waits,
        }


def summary(rounds: Iterable[Round]) -> Reply:
    """Return sums over *rounds*, figures per delivery, and each round.

    ``waits`` counts sends that found a socket's buffer full.
    """
    done = list(rounds)
    deliveries = sum(one.connections for one in done)
    cpu_us = sum(one.cpu_ns for one in done) / 1000
    wall_us = sum(one.wall_ns for one in done) / 1000
    return {
        "deliveries": deliveries,
        "cpu_us": cpu_us,
        "wall_us": wall_us,
        "cpu_us_per_delivery": cpu_us / max(deliveries, 1),
        "wall_us_per_delivery": wall_us / max(deliveries, 1),
        "waits": sum(one.waits for one in done),
        "rounds": [one.told() for one in done],
    }


def message(seq: int, size_bytes: int, mark: str = "") -> bytes:
    """Return the message of a round, of just *size_bytes*; *mark* makes it special.

    Raises ``ValueError`` where that is too little for its head.
    """
    head = b'{"type":"bench","seq":%d,"payload":"%s' % (seq, mark.encode())
    fill = size_bytes - len(head) - 2
    if fill < 0:
        raise ValueError(f"a message has {len(head) + 2} bytes at least")
    return head + b"x" * fill + b'"}'


def frame(payload: bytes) -> bytes:
    """Return *payload* as one unmasked text frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


async def rounds_of(
    order: Order, send: Callable[[int], int], seq: int
) -> tuple[Round, ...]:
    """Call *send* with the number of each round; it returns to how many it has sent.

    *seq* is the number before the first round.
    """
    done = []
    for number in range(seq + 1, seq + order.times + 1):
        started_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        connections = send(number)
        cpu_ns, ended_ns = time.process_time_ns() - cpu_ns, time.monotonic_ns()
        done.append(
            Round(number, connections, started_ns, ended_ns - started_ns, cpu_ns)
        )
        await asyncio.sleep(order.pause_s)
    return tuple(done)


def say(line: Mapping[str, Any]) -> None:
    """Write one line to who has started this process."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def prepare_process() -> None:
    """Take all the open files one may have, and keep what is there out of the way.

    Objects that live as long as the process are not to be walked by the collector.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()


async def obey(port: int, commands: Mapping[str, Handler]) -> None:
    """Say that *port* is ready, then answer each line of input until it ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say({"port": port, "pid": os.getpid()})
    async for line in lines:
        say(await _answer(line, commands))


async def _answer(line: bytes, commands: Mapping[str, Handler]) -> Reply:
    try:
        ((name, argument),) = json.loads(line).items()
        return await commands[name](argument)
    except (ValueError, KeyError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def own_stat(connections: int) -> Reply:
    """Return the process's CPU time, resident memory and number of connections."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        rss_pages = int(statm.read().split()[1])
    return {
        "cpu_us": time.process_time_ns() / 1000,
        "rss_bytes": rss_pages * PAGE_BYTES,
        "connections": connections,
    }


def stat_commands(connections: Callable[[], int]) -> dict[str, Handler]:
    """Return the handlers of ``stat`` and ``cpu``."""

    async def stat(_: object) -> Reply:
        return own_stat(connections())

    async def cpu(_: object) -> Reply:
        return {"cpu_us": time.process_time_ns() / 1000}

    return {"stat": stat, "cpu": cpu}

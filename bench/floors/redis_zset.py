"""Redis' sorted set as a leaderboard: one score update and one rank, again and again.

Commands: ``{"pair": {"requests": 400000, "update": "ZINCRBY"}}`` runs
``redis-benchmark -P 100`` once with updates (or ``ZADD``) and once with ``ZREVRANK``,
each of a random member; since the server has one thread, a pair takes the sum of both.
``{"redis_py": {"pairs": 50000}}`` does the same from Python, in pipelines of 100
commands. Both answers have ``pairs_per_second`` and the server's ``cpu_us`` per pair.
"""

import argparse
import asyncio
import csv
import random
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from bench.floors import control
from bench.floors.child import Unavailable
from bench.floors.processes import cpu_s
from bench.floors.redis_server import RedisServer

KEY = "board"
PIPELINE = 100
SEED = 20_260_131
CHUNK = 10_000


class Zset:
    """A board of *members* players, filled beforehand with scores of up to 30,000."""

    def __init__(self, server: RedisServer, members: int) -> None:
        self._server = server
        self._members = members
        self._client = server.client()
        rng = random.Random(SEED)
        for chunk in _chunks(members):
            self._client.zadd(KEY, {_name(n): rng.randrange(30_000) for n in chunk})

    async def pair(self, argument: dict[str, Any]) -> control.Reply:
        """Measure with redis-benchmark."""
        requests = int(argument.get("requests", 400_000))
        update = argument.get("update", "ZINCRBY")
        started_s = cpu_s([self._server.pid])
        change = "7" if update == "ZINCRBY" else "__rand_int__"
        updates = await self._benchmark(requests, update, KEY, change, "m:__rand_int__")
        ranks = await self._benchmark(requests, "ZREVRANK", KEY, "m:__rand_int__")
        spent_s = cpu_s([self._server.pid]) - started_s
        return {
            "members": self._members,
            "update": update,
            "updates_per_second": updates,
            "ranks_per_second": ranks,
            "pairs_per_second": 1 / (1 / updates + 1 / ranks),
            "cpu_us": spent_s * 1e6 / requests,
        }

    async def redis_py(self, argument: dict[str, Any]) -> control.Reply:
        """Measure with redis-py."""
        pairs = int(argument.get("pairs", 50_000))
        rng = random.Random(SEED)
        cpu_started_s, started_s = cpu_s([self._server.pid]), time.perf_counter()
        for _ in range(0, pairs, PIPELINE // 2):
            pipeline = self._client.pipeline(transaction=False)
            for _ in range(PIPELINE // 2):
                name = _name(rng.randrange(self._members))
                pipeline.zincrby(KEY, 7, name)
                pipeline.zrevrank(KEY, name)
            pipeline.execute()
        wall_s = time.perf_counter() - started_s
        spent_s = cpu_s([self._server.pid]) - cpu_started_s
        return {
            "members": self._members,
            "pairs_per_second": pairs / wall_s,
            "cpu_us": spent_s * 1e6 / pairs,
        }

    async def _benchmark(self, requests: int, *command: str) -> float:
        """Return how many requests a second redis-benchmark has counted."""
        settings = {
            "-p": self._server.port,
            "-n": requests,
            "-P": PIPELINE,
            "-r": self._members,
        }
        words = [str(word) for setting in settings.items() for word in setting]
        process = await asyncio.create_subprocess_exec(
            "redis-benchmark", "--csv", *words, *command, stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        (row,) = csv.DictReader(output.decode().splitlines())
        return float(row["rps"])


def _name(number: int) -> str:
    return f"m:{number:012d}"  # as redis-benchmark writes __rand_int__


def _chunks(members: int) -> Iterator[range]:
    for first in range(0, members, CHUNK):
        yield range(first, min(first + CHUNK, members))


async def serve(members: int) -> None:
    """Obey until the end of input."""
    try:
        server = RedisServer()
    except Unavailable as reason:
        control.say({"skipped": str(reason)})
        return
    with server:
        board = Zset(server, members)
        commands = {"pair": board.pair, "redis_py": board.redis_py}
        await control.obey(server.port, commands)


def main() -> None:
    """Read the command line and obey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=100_000)
    asyncio.run(serve(parser.parse_args().members))


if __name__ == "__main__":
    main()

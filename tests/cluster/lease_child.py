"""A member in a process of its own, which stops itself when it is told to.

Usage: ``lease_child.py URL SHARD INSTANCE LEASE_MS RENEW_MS``. Any input stops it, as
SIGSTOP does; its first act after SIGCONT is to say ``woke up`` and whether it holds
its lease. It says a line for what happens. Its lines begin with ``> ``, others are
the log's.
"""

import asyncio
import os
import signal
import sys

from redis.asyncio import Redis

from quizd.cluster.base import Member
from quizd.cluster.lease import LeaseThread
from quizd.cluster.members import Heed


def say(*words: object) -> None:
    """Write a line at once: the lease's thread logs beside."""
    os.write(1, " ".join((">", *map(str, words), "\n")).encode())


async def main(
    url: str, shard: str, instance: str, lease_ms: int, renew_ms: int
) -> None:
    """Be a member until the process is ended."""
    me = Member(shard, instance, "eu", f"{shard}:1")
    heed = Heed(
        on_lost=lambda: say("lost"),
        on_regained=lambda certain: say("regained", certain),
        on_evicted=lambda: say("evicted"),
    )
    lease = LeaseThread(
        Redis.from_url(url), me, lease_ms=lease_ms, renew_ms=renew_ms, heed=heed
    )

    def stop() -> None:
        os.read(0, 1024)
        os.kill(os.getpid(), signal.SIGSTOP)
        say("woke up", lease.holds())

    await lease.start()
    asyncio.get_running_loop().add_reader(0, stop)
    say("started", lease.holds())
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, its_url, its_shard, its_instance, lease, renew = sys.argv
    asyncio.run(main(its_url, its_shard, its_instance, int(lease), int(renew)))

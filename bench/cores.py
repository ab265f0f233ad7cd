"""Which cores run what, so that a client never takes the server's away.

Left alone, the scheduler moves a busy server between cores, or puts a client beside it
whenever both have work, and each move costs caches. While a figure is taken, the server
has the first core to itself, the generator the others. With one core nothing is done.

Where servers need all cores, clients have to share them. There a client that wakes
would stop the very server whose message woke it, read one socket and sleep again: with
a wake-up for every second delivery, what was measured was mostly those. Players are on
machines of their own and stop no server; so clients wait for their turn then.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

OURS = frozenset(os.sched_getaffinity(0))
FIRST = min(OURS)


@contextmanager
def apart() -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, off the first core."""
    before = os.sched_getaffinity(0)
    if before - {FIRST}:
        put(os.getpid(), before - {FIRST})
    try:
        yield
    finally:
        put(os.getpid(), before)


def alone(pid: int) -> None:
    """Put *pid* on the first core, where that is kept free for it."""
    if FIRST not in os.sched_getaffinity(0):
        put(pid, {FIRST})


def put(pid: int, cores: set[int]) -> None:
    """Have all threads of *pid*, and those it starts later, run on *cores*."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(task.name), cores)


def wait_their_turn(pids: Sequence[int]) -> None:
    """Have *pids* stop nobody who is at work (SCHED_BATCH, sched(7))."""
    for pid in pids:
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))

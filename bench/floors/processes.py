"""What the system says of other processes: CPU time, memory, children."""

import time
from collections.abc import Iterable
from pathlib import Path

from bench.floors.control import PAGE_BYTES

SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel's posix-timers.h: all threads, exact


def cpu_s(pids: Iterable[int]) -> float:
    """Return the seconds of CPU that processes *pids* have used, to the nanosecond.

    Threads that have ended count. Raises ``OSError`` for a process that is gone.
    """
    return sum(time.clock_gettime(~pid << 3 | SCHEDULED) for pid in pids)


def rss_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes *pids*."""
    return PAGE_BYTES * sum(
        int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) for pid in pids
    )


def children(pid: int) -> list[int]:
    """Return the direct children of process *pid*."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(word) for word in listed.split()]

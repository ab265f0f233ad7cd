"""What processes and the kernel use: CPU time and memory, as Linux tells them."""

import os
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

NS_PER_US = 1000
KIB = 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLE_S = 0.005

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_TCP_MEMORY = re.compile(r"^TCP: .* mem (\d+)", re.MULTILINE)


def cpu_ns(pid: int) -> int:
    """Return the CPU time that *pid* has used, all its threads, in nanoseconds.

    It is the process's own CPU clock: user and system time, also of threads that are
    gone. Its number is made as glibc's ``clock_getcpuclockid`` makes it (Linux
    ``include/linux/posix-timers_types.h``: the inverted pid, and 2 for the scheduler's
    precise time). Raises ``OSError`` where there is no such process.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def cpu_us(pid: int) -> float:
    """Return the CPU time that *pid* has used, all its threads, in microseconds."""
    return cpu_ns(pid) / NS_PER_US


def rss_bytes(pid: int) -> int:
    """Return the resident memory of *pid* (proc(5)); ``OSError`` where it is gone."""
    resident = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(resident) * PAGE_BYTES


def pss_bytes(pid: int) -> int:
    """Return the memory of *pid*, shared pages divided by who shares them.

    Raises ``OSError`` where the process is gone or another user's.
    """
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    if found is None:
        raise ProcessLookupError(f"process {pid} has no memory any more")
    return int(found[1]) * KIB


def socket_bytes() -> int:
    """Return the kernel's memory for the buffers of all TCP sockets of this machine."""
    found = _TCP_MEMORY.search(Path("/proc/net/sockstat").read_text(encoding="ascii"))
    if found is None:
        raise OSError("/proc/net/sockstat has no line for TCP")
    return int(found[1]) * PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Usage:
    """What the watched processes have used so far, and hold now."""

    cpu_us: float
    rss_bytes: int
    pss_bytes: int
    socket_bytes: int

    @classmethod
    def of(cls, pids: Sequence[int]) -> Self:
        """Add up the processes *pids*; socket memory is the whole machine's."""
        return cls(
            sum(map(cpu_us, pids)),
            sum(map(rss_bytes, pids)),
            sum(map(pss_bytes, pids)),
            socket_bytes(),
        )


class Timeline:
    """The CPU time of *pids*, taken every few milliseconds by a thread of its own.

    It tells what was used between any two instants of its life. Use it with ``with``.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = tuple(pids)
        self._at_ns: list[int] = []
        self._used_ns: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        try:
            used_ns = sum(map(cpu_ns, self._pids))
        except OSError:  # one of them has ended, which others notice
            return
        self._at_ns.append(time.monotonic_ns())
        self._used_ns.append(used_ns)

    def between_us(self, start_ns: int, end_ns: int) -> float:
        """Return the CPU time used between two instants of CLOCK_MONOTONIC, in µs."""
        return max(self._until_ns(end_ns) - self._until_ns(start_ns), 0) / NS_PER_US

    def _until_ns(self, at_ns: int) -> float:
        """Return what had been used at an instant, on a line between two samples."""
        after = bisect_left(self._at_ns, at_ns)
        if after == 0:
            return self._used_ns[0] if self._used_ns else 0
        if after == len(self._at_ns):
            return self._used_ns[-1]
        left_ns, right_ns = self._at_ns[after - 1], self._at_ns[after]
        part = (at_ns - left_ns) / (right_ns - left_ns)
        used_ns = self._used_ns[after] - self._used_ns[after - 1]
        return self._used_ns[after - 1] + part * used_ns

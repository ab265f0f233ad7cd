"""What processes use, held against what they know of themselves."""

import os
import subprocess
import sys
import time
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

import pytest

from bench.load.process import (
    Timeline,
    Usage,
    cpu_us,
    pss_bytes,
    rss_bytes,
    socket_bytes,
)

MIB = 1_048_576
BURN_S = 0.05


def burn(seconds: float) -> None:
    """Use so much CPU."""
    until_s = time.process_time() + seconds
    while time.process_time() < until_s:
        pass


def test_cpu_is_what_the_process_itself_reads() -> None:
    """The clock of this process is its own process time."""
    before_us, own_us = cpu_us(os.getpid()), time.process_time() * 1e6
    burn(BURN_S)
    used_us = cpu_us(os.getpid()) - before_us
    assert used_us == pytest.approx(time.process_time() * 1e6 - own_us, abs=2000)


def test_cpu_of_another_process_counts_threads_that_are_gone() -> None:
    """What an ended thread has used stays in the process's sum."""
    code = (
        "import threading, time\n"
        "def burn():\n"
        f"    until = time.thread_time() + {BURN_S}\n"
        "    while time.thread_time() < until: pass\n"
        "thread = threading.Thread(target=burn); thread.start(); thread.join()\n"
        "print(time.process_time(), flush=True); input()\n"
    )
    with subprocess.Popen(  # noqa: S603 - the lines above
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        own_us = float(child.stdout.readline()) * 1e6
        used_us = cpu_us(child.pid)
        child.communicate("\n")
    assert BURN_S * 1e6 <= own_us <= used_us < own_us + 50_000


def test_memory_grows_by_what_is_touched() -> None:
    """Pages that were written are resident, and they are ours alone."""
    pid = os.getpid()
    rss, pss = rss_bytes(pid), pss_bytes(pid)
    touched = mmap(-1, 16 * MIB, MAP_PRIVATE | MAP_ANONYMOUS)
    touched.write(bytes(os.urandom(MIB)) * 16)
    assert rss_bytes(pid) - rss >= 15 * MIB
    assert pss_bytes(pid) - pss >= 15 * MIB
    assert pss_bytes(pid) <= rss_bytes(pid) + MIB
    touched.close()


def test_a_process_that_is_gone_is_an_error() -> None:
    """Nobody gets figures of a process that isn't there."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    for ask in (cpu_us, rss_bytes, pss_bytes):
        with pytest.raises(OSError, match=r"Errno|no memory"):
            ask(child.pid)


def test_usage_adds_processes_up() -> None:
    """The figures of several processes are their sum, of none they are 0."""
    one, two = Usage.of([os.getpid()]), Usage.of([os.getpid()] * 2)
    assert two.rss_bytes == pytest.approx(2 * one.rss_bytes, rel=0.1)
    assert Usage.of([]).cpu_us == 0
    assert socket_bytes() >= 0


def test_a_timeline_tells_when_cpu_was_used() -> None:
    """Work falls into its own window, and the windows add up."""
    with Timeline([os.getpid()]) as timeline:
        start_ns, start_s = time.monotonic_ns(), time.process_time()
        burn(BURN_S)
        end_ns, end_s = time.monotonic_ns(), time.process_time()
    middle_ns = (start_ns + end_ns) // 2
    whole_us = timeline.between_us(start_ns, end_ns)
    halves_us = (
        timeline.between_us(start_ns, middle_ns),
        timeline.between_us(middle_ns, end_ns),
    )
    assert whole_us == pytest.approx((end_s - start_s) * 1e6, rel=0.4)
    assert sum(halves_us) == pytest.approx(whole_us)
    assert timeline.between_us(0, start_ns - 10**9) == 0

"""Servers and clients on cores of their own."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import cores

OURS = os.sched_getaffinity(0)
SEVERAL = pytest.mark.skipif(len(OURS) < 2, reason="this machine has one core")


@contextmanager
def sleeper() -> Iterator[int]:
    """Give a process that does nothing."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(  # noqa: S603 - the interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running.pid
        running.kill()


@SEVERAL
def test_a_server_has_the_first_core_to_itself() -> None:
    """What is started meanwhile keeps off it, in a second floor's time as well."""
    with cores.apart(), cores.apart(), sleeper() as server, sleeper() as client:
        cores.alone(server)
        assert os.sched_getaffinity(server) == {min(OURS)}
        assert os.sched_getaffinity(client) == OURS - {min(OURS)}
    assert os.sched_getaffinity(0) == OURS


@SEVERAL
def test_threads_go_where_their_process_goes() -> None:
    """Those that are there already, too."""
    over = threading.Event()
    seen: list[set[int]] = []

    def work() -> None:
        over.wait()
        seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=work)
    thread.start()
    with cores.apart():
        over.set()
        thread.join()
    assert seen == [OURS - {min(OURS)}]


def test_outside_nobody_is_moved() -> None:
    """Without cores kept free a server stays wherever it likes."""
    with sleeper() as server:
        cores.alone(server)
        assert os.sched_getaffinity(server) == OURS

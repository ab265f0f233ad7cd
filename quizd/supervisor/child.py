"""A child process that gets a listening socket and dies with its parent.

``fork`` and ``exec`` by hand, because three things have to happen in between:
its process id is known only then, the socket must be descriptor 3, and the parent's
death has to be asked for. The parent has one thread, so the child may do that in
Python.
"""

import asyncio
import ctypes
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quizd.sockets import FIRST_FD

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None)
_NOT_STARTED = 127  # what shells exit with when there is no such program
_MEANT_FOR = ("LISTEN_PID", "WATCHDOG_PID")  # who is to heed LISTEN_FDS, WATCHDOG_USEC


@dataclass(slots=True, eq=False)
class Child:
    """A running child; ``exited`` gets its exit code, negative for a signal's.

    ``told`` is set when it knows that it is to leave.
    """

    pid: int
    exited: asyncio.Future[int]
    told: bool = False

    def ask_to_leave(self) -> None:
        """Send SIGTERM once: a second one would mean to leave at once."""
        if not self.told:
            self.told = True
            self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has exited."""
        if not self.exited.done():
            os.kill(self.pid, number)  # not yet waited for, so the id is still its own

    def reap(self) -> None:
        """Note its end, if it has come."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.exited.set_result(os.waitstatus_to_exitcode(status))


def spawn(
    command: Sequence[str], listening: socket.socket, variables: Mapping[str, str]
) -> Child:
    """Start *command*, its first word a path, with *variables* in its environment.

    It runs in a session of its own, so that a terminal's Ctrl-C reaches the parent
    alone, which then asks once. SIGTERM is what it gets when the parent dies. Raises
    ``OSError`` where there is no process to be had.
    """
    exited = asyncio.get_running_loop().create_future()
    parent = os.getpid()
    # A signal that the child got before exec would be told to the parent's loop.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _prepare(listening.fileno(), parent)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                own = dict.fromkeys(_MEANT_FOR, str(os.getpid()))
                environ = {**os.environ, **variables, **own, "LISTEN_FDS": "1"}
                os.execve(command[0], list(command), environ)  # noqa: S606 - no shell is wanted
            finally:
                os._exit(_NOT_STARTED)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return Child(pid, exited)


def _prepare(listening: int, parent: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(_NOT_STARTED)
    os.dup2(listening, FIRST_FD)
    os.set_inheritable(FIRST_FD, True)

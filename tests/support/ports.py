"""Ports of servers that are killed and come back.

They are chosen below the range from which the system takes those of outgoing
connections and of whoever asks for any: what is free while its server is down would be
given to others. Those who share a port with SO_REUSEPORT would even share the clients.
For the same reason a port is one process's until it ends, as locks on a file say:
several run tests at the same time.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

PORTS = (10_000, 20_000)
BUS = 10_000
"""A node of a Redis Cluster talks to the others on the port so far above its own."""

_OURS: set[int] = set()


def free_port() -> int:
    """Return a port of loopback that is nobody's, nor is the one of its bus.

    It is not given out again, here or to another process, before this one ends.
    """
    rng = random.SystemRandom()
    while True:
        port = rng.randrange(*PORTS)
        if port not in _OURS and _reserve(port) and _is_free(port):
            _OURS.add(port)
            return port


def _reserve(port: int) -> bool:
    """Lock the byte that stands for *port*; the lock ends with the process."""
    try:
        fcntl.lockf(_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _file() -> int:
    """Open the file of locks, for good: closing it would give up all of them."""
    path = Path(tempfile.gettempdir()) / f"quizd-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_free(port: int) -> bool:
    try:
        for number in (port, port + BUS):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", number))
    except OSError:
        return False
    return True

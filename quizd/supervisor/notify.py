"""Notices from a service to who watches it: sd_notify(3), both ends.

A notice is a datagram of lines like ``READY=1`` to the Unix socket that NOTIFY_SOCKET
names. The kernel tells who sent it, so nobody can speak for somebody else.
"""

import os
import socket
import struct
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_CREDENTIALS = struct.Struct("3i")  # unix(7), struct ucred: pid, uid, gid
_NOTICE_BYTES = 4096


def notify(*lines: str) -> None:
    """Send *lines* to who watches this process; nothing happens if nobody does."""
    name = os.environ.get(NOTIFY_SOCKET, "")
    if not name:
        return
    address = "\0" + name[1:] if name.startswith("@") else name
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(lines).encode(), address)


def watchdog_s() -> float | None:
    """Return how often a sign of life is wanted, ``None`` for never.

    It is half of the time after which systemd takes silence for a hang
    (sd_watchdog_enabled(3)).
    """
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    limit_us = int(os.environ.get(WATCHDOG_USEC, "0"))
    return limit_us / 2e6 or None


class Notices:
    """The receiving end, on an address of its own without a file."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.bind("")  # unix(7), autobind

    @property
    def name(self) -> str:
        """What senders need as NOTIFY_SOCKET."""
        address: bytes = self.sock.getsockname()
        return "@" + address[1:].decode()

    def receive(self) -> tuple[int, list[str]]:
        """Return the sender's process id and its lines; raise BlockingIOError."""
        data, ancillary, _, _ = self.sock.recvmsg(
            _NOTICE_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size)
        )
        credentials = [
            _CREDENTIALS.unpack(value)[0]
            for _, kind, value in ancillary
            if kind == socket.SCM_CREDENTIALS
        ]
        return (credentials or [0])[0], data.decode(errors="replace").split("\n")

    def close(self) -> None:
        """Hear nothing more."""
        self.sock.close()

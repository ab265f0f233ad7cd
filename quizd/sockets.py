"""Listening sockets that outlive who serves them, and open files for connections.

A shard that is started by the supervisor or by systemd inherits its listening socket
in the way of sd_listen_fds(3): descriptor 3, ``LISTEN_FDS=1`` and its own process id
in ``LISTEN_PID``. The other end stays open there, so while a shard is away its socket
goes on queueing, and nobody is refused.

The sockets of a supervisor are a *group*: all listen on one port with SO_REUSEPORT, and
the kernel spreads new connections over them. :func:`steer` has it leave some out.
"""

import ctypes
import os
import resource
import socket
import struct
from collections.abc import Sequence
from typing import Any

FIRST_FD = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
LISTEN_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

# Open files beside the WebSockets: REST connections that come and go (the port admits
# a thousand), database, Redis, logs.
RESERVE_FILES = 1100

_SO_ATTACH_REUSEPORT_CBPF = 51  # asm-generic/socket.h

# Classic BPF (linux/filter.h). The first loads a random number into the accumulator.
_LOAD_WORD, _MODULO, _IF_EQUAL, _RETURN = 0x20, 0x94, 0x15, 0x06
_RANDOM = 0xFFFF_F000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM

Step = tuple[int, int, int, int]


def place(host: str, port: int, *, share: bool) -> dict[str, Any]:
    """Return where to listen, as arguments of ``loop.create_server``.

    It is the inherited socket where there is one; else others may *share* the port.
    Event loops make ``::`` IPv6 only; here it is IPv4 as well. Raises ``OSError``
    where either socket can't be used.
    """
    sock = inherited()
    if sock is None and host == "::":
        sock = _listener(socket.AF_INET6, (host, port), backlog=1, share=share)
    if sock is None:
        return {"host": host, "port": port, "reuse_port": share}
    return {"sock": sock}


def inherited() -> socket.socket | None:
    """Return the listening socket that this process was started with, if any.

    It can be asked for once. Raises ``OSError`` where there are several, or what
    there is doesn't listen.
    """
    told = {name: os.environ.get(name, "") for name in LISTEN_VARIABLES}
    if told["LISTEN_PID"] != str(os.getpid()):
        return None
    for name in LISTEN_VARIABLES:
        os.environ.pop(name, None)
    if told["LISTEN_FDS"] != "1":
        raise OSError(f"one listening socket is wanted, not {told['LISTEN_FDS']}")
    sock = socket.socket(fileno=FIRST_FD)
    sock.set_inheritable(False)
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError("the inherited socket does not listen (LISTEN_FDS)")
    return sock


def bind_group(host: str, port: int, count: int, backlog: int) -> list[socket.socket]:
    """Return *count* sockets that listen on one port; 0 takes any free one.

    Raises ``OSError`` where the port is taken, also by another group. Of a name with
    several addresses the first is taken.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # Who asks for SO_REUSEPORT may join a group of the same user; who doesn't, may not.
    _listener(family, address[:2], backlog=1, share=False).close()
    group = [_listener(family, address[:2], backlog=backlog, share=True)]
    address = group[0].getsockname()
    group += [
        _listener(family, address[:2], backlog=backlog, share=True)
        for _ in range(count - 1)
    ]
    return group


def _listener(
    family: int, address: tuple[Any, ...], *, backlog: int, share: bool
) -> socket.socket:
    return socket.create_server(
        address,
        family=family,
        backlog=backlog,
        reuse_port=share,
        dualstack_ipv6=family == socket.AF_INET6 and address[0] == "::",
    )


def steer(group: Sequence[socket.socket], chosen: Sequence[int]) -> None:
    """Have new connections go to the sockets *chosen* (indices), at random.

    Handshakes under way stay where they began. The index of a socket is its rank in
    the order in which the group began to listen, so no socket of it may be closed.
    Raises ``OSError`` where the kernel can't (Linux before 4.6, some sandboxes).
    """
    steps = chooser(chosen)
    packed = b"".join(struct.pack("=HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    group[0].setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)


def chooser(chosen: Sequence[int]) -> list[Step]:
    """Return the filter program that picks one of *chosen*; not empty."""
    *others, last = chosen
    steps: list[Step] = [(_LOAD_WORD, 0, 0, _RANDOM), (_MODULO, 0, 0, len(chosen))]
    for rank, index in enumerate(others):
        steps += [(_IF_EQUAL, 0, 1, rank), (_RETURN, 0, 0, index)]
    return [*steps, (_RETURN, 0, 0, last)]


def drop_queued(sock: socket.socket) -> int:
    """Close the connections that wait on *sock*; return how many there were.

    Their clients try again, and are steered to somebody who serves.
    """
    sock.setblocking(False)
    count = 0
    while True:
        try:
            sock.accept()[0].close()
        except BlockingIOError:
            return count
        except ConnectionError:  # gone by itself
            continue
        count += 1


def make_room(connections: int) -> int:
    """Raise the limit on open files; return how many of *connections* then fit.

    Below twice the reserve, half of the files are for connections: a small limit
    makes a small server, and no limit keeps one from starting.
    """
    needed = connections + RESERVE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _allows(soft, needed):
        soft = needed if _allows(hard, needed) else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return fitting(connections, soft)


def fitting(connections: int, limit: int) -> int:
    """Return how many of *connections* fit where *limit* files may be open."""
    if _allows(limit, connections + RESERVE_FILES):
        return connections
    return min(connections, max(limit - RESERVE_FILES, limit // 2))


def _allows(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed

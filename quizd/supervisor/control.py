"""How ``quizd drain`` talks to a running quizd: a Unix socket in the data folder.

One line of words goes in, like ``drain 2``; one line comes back, ``ok, `` or ``no, ``
and why. A process that leaves answers first and keeps the line open, so that its end is
the end of the line: nobody has to look for process ids.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from quizd.log import get_logger

OK = "ok"
NO = "no"
LEAVING = f"{OK}, it has left"  # read when that is true

Handle = Callable[[list[str]], Awaitable[str]]

_LINE_WITHIN_S = 5.0
_AGAIN_S = 1.0
"""Between looks at a socket that is another's: it may be on its way out."""

log = get_logger(__name__)


def control_path(data_dir: Path, shard: int | None = None) -> Path:
    """Return the socket of *shard*, or of the one process that stands for all."""
    return data_dir / ("control.sock" if shard is None else f"control-{shard}.sock")


# -- the side that is asked ----------------------------------------------------------


@asynccontextmanager
async def controlled(path: Path, handle: Handle) -> AsyncIterator[None]:
    """Answer requests on *path* by *handle* meanwhile.

    While another quizd listens there, the socket is left to it. Where none can be made,
    that is logged: quizd serves without it.
    """
    tried = asyncio.Event()
    serving = asyncio.create_task(_serve(path, handle, tried))
    await tried.wait()
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _serve(path: Path, handle: Handle, tried: asyncio.Event) -> None:
    """Listen as soon as nobody else does; *tried* is set when that was looked at."""
    try:
        while _is_taken(path):
            if not tried.is_set():
                log.warning("no_control", path=str(path), why="another quizd listens")
            tried.set()
            await asyncio.sleep(_AGAIN_S)
        server = await asyncio.start_unix_server(
            partial(_answer, handle), sock=_listen(path)
        )
    except OSError as error:
        log.warning("no_control", path=str(path), why=str(error))
        return
    finally:
        tried.set()
    try:
        await asyncio.Event().wait()
    finally:
        server.close()


def _is_taken(path: Path) -> bool:
    """Tell whether a process listens on *path*, also one that hangs."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as sock, _short(path) as address:
        sock.setblocking(False)  # a queue that is full is somebody's
        with suppress(ConnectionRefusedError, FileNotFoundError, PermissionError):
            with suppress(BlockingIOError):
                sock.connect(address)
            return True
    return False


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    with _short(path) as address:
        sock.bind(address)
    path.chmod(0o600)
    return sock


async def _answer(
    handle: Handle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(TimeoutError, ValueError, ConnectionError):
        line = await asyncio.wait_for(reader.readline(), _LINE_WITHIN_S)
        answer = await handle(line.decode(errors="replace").split())
        if answer == LEAVING:
            # Never closed here: the kernel does it when the process is gone.
            os.dup(writer.get_extra_info("socket").fileno())
        writer.write(f"{answer}\n".encode())
        await writer.drain()
    writer.close()


# -- the side that asks --------------------------------------------------------------


def request(data_dir: Path, shard: int | None, verb: str) -> str:
    """Ask whoever serves *data_dir* to ``drain`` or ``restart``; return the answer.

    A *shard* is asked for at the supervisor, or itself where there is none. Raises
    ``OSError`` where nobody is there, or the end comes before an answer.
    """
    places = [(control_path(data_dir), verb)]
    if shard is not None:
        own = control_path(data_dir, shard)
        places = [(control_path(data_dir), f"{verb} {shard}"), (own, verb)]
    for path, line in places:
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return _ask(path, line)
    which = "" if shard is None else f" with shard {shard}"
    raise ConnectionError(f"no quizd{which} serves {data_dir}")


def _ask(path: Path, line: str) -> str:
    """Return the answer to *line*, after the end of a process that leaves."""
    with socket.socket(socket.AF_UNIX) as sock:
        with _short(path) as address:
            sock.connect(address)
        sock.sendall(f"{line}\n".encode())
        with sock.makefile(encoding="utf-8") as lines:
            answer = lines.read().strip()
    if not answer:
        raise ConnectionError("it ended before it had answered")
    return answer


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a short name of *path*: addresses end after 107 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

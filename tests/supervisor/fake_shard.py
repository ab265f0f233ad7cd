"""A stand-in for a shard: answers each line with its index and process id.

What it finds in the folder of its first argument tells it how to behave:
``die-<index>`` to exit with 3 at its start, ``deaf-<index>`` to note SIGTERM and stay.
Each SIGTERM adds a line to ``told-<pid>``, each sign of life one to ``alive-<pid>``.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from quizd.sockets import inherited
from quizd.supervisor.notify import READY, STOPPING, WATCHDOG, notify, watchdog_s

DRAIN_S = 2.0


async def live(folder: Path) -> None:
    """Give signs of life as often as they are wanted."""
    every_s = watchdog_s()
    while every_s is not None:
        notify(WATCHDOG)
        with (folder / f"alive-{os.getpid()}").open("a") as file:
            file.write("WATCHDOG\n")
        await asyncio.sleep(every_s)


async def main(folder: Path, index: str) -> int:
    """Serve until SIGTERM, then finish the connections that there are."""
    if (folder / f"die-{index}").exists():
        return 3
    leave = asyncio.Event()
    deaf = (folder / f"deaf-{index}").exists()

    def told() -> None:
        with (folder / f"told-{os.getpid()}").open("a") as file:
            file.write("SIGTERM\n")
        if not deaf:
            leave.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(f"{index} {os.getpid()}\n".encode())
        writer.close()

    def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(talked, sock=inherited())
    notify(READY)
    living = asyncio.create_task(live(folder))
    await leave.wait()
    living.cancel()
    notify(STOPPING)
    server.close()
    await asyncio.sleep(0.01)  # who was accepted just now begins to talk
    if talks:
        await asyncio.wait(talks, timeout=DRAIN_S)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2])))

"""What is done beside all else, such as what another shard has asked for."""

import asyncio
from collections.abc import Coroutine


class Jobs:
    """Tasks that nobody waits for, kept until they are done or `stop` ends them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def start(self, job: Coroutine[None, None, None]) -> None:
        """Do *job* beside all else; nothing any more after `stop`."""
        if self._stopped:
            job.close()
            return
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Begin nothing more; cancel what is under way and wait until it has ended."""
        self._stopped = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

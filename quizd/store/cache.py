"""A bounded cache in front of a slow look-up, in which many ask as one.

Whoever asks for a key while it is being looked up waits for that look-up. A key that is
forgotten meanwhile is looked up anew by the next one who asks, and what the older
look-up finds is handed to those who wait for it but not kept. Values age, since others
may change what is behind them without a word.

What is aged is better than nothing: while looking up fails in the way that passes, or
takes long, the aged value is given to whoever asks.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_S = 0.5
"""How long who would do with an aged value waits for a new one."""


class Cache(Generic[T]):
    """The latest *size* values that *load* found; ``None`` is not kept.

    A value is looked up again when it is *max_age_s* old, by *now_s*. *passing* is what
    *load* raises where there is no telling what it would find.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[T | None]],
        size: int,
        max_age_s: float,
        now_s: Callable[[], float],
        passing: type[Exception],
    ) -> None:
        self._load = load
        self._size = size
        self._max_age_s = max_age_s
        self._now_s = now_s
        self._passing = passing
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[T | None]] = {}

    async def get(self, key: str) -> T | None:
        """Return the value of *key*; raise what looking it up raises."""
        until_s, value = self._kept.get(key, (0.0, None))
        if value is not None and self._now_s() < until_s:
            self._kept.move_to_end(key)
            return value
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._look_up(key))
            task.add_done_callback(_retrieve)
        if value is None:
            return await asyncio.shield(task)
        return await self._better_than(value, task)

    def forget(self, key: str) -> None:
        """Look *key* up again when it is next asked for."""
        self._kept.pop(key, None)
        self._loading.pop(key, None)

    async def stop(self) -> None:
        """End all look-ups that are under way."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _better_than(self, aged: T, task: asyncio.Task[T | None]) -> T | None:
        """Return what *task* finds, *aged* where it takes long or fails for now."""
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if not task.done():
            return aged
        try:
            return task.result()
        except self._passing:
            return aged

    async def _look_up(self, key: str) -> T | None:
        mine = asyncio.current_task()
        try:
            until_s = self._now_s() + self._max_age_s
            value = await self._load(key)
            if self._loading.get(key) is mine:
                self._kept.pop(key, None)
                if value is not None:
                    self._keep(key, until_s, value)
            return value
        finally:
            if self._loading.get(key) is mine:
                del self._loading[key]

    def _keep(self, key: str, until_s: float, value: T) -> None:
        self._kept[key] = until_s, value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


def _retrieve(task: asyncio.Task[T | None]) -> None:
    """Have a failure count as heard of even when all who waited have left."""
    if not task.cancelled():
        task.exception()

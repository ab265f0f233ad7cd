"""An event loop whose time moves only when nothing is left to do, and then at once."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Timers fire in their order, at exactly their time, without waiting."""

    def __init__(self) -> None:
        selector = selectors.DefaultSelector()
        super().__init__(selector)
        self._now_s = 1000.0
        self._real_select = selector.select
        selector.select = self._select  # type: ignore[method-assign]

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def _select(self, timeout: float | None = None) -> list[Any]:
        ready = self._real_select(0)
        if not ready:
            assert timeout is not None, "nothing is left that could wake this loop"
            self._now_s += timeout
        return ready


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* in a :class:`VirtualLoop`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())

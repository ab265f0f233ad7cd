"""Latest values: the first at once, further ones merged. Time is virtual."""

import asyncio
from collections.abc import Callable

import pytest

from quizd.edge.merge import Merged
from tests.support import virtual_time

PER_SECOND = 10


class Sent:
    """Notes when it was called, in milliseconds since it was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self.at_ms: list[int] = []

    def __call__(self) -> None:
        """Note the time."""
        self.at_ms.append(round((self._loop.time() - self._start_s) * 1000))


def test_first_change_goes_out_at_once() -> None:
    """Nothing is waited for after a quiet moment, and one change is one message."""

    async def main() -> None:
        sent = Sent()
        merged = Merged(sent, PER_SECOND)
        merged.touch()
        merged.touch()
        await asyncio.sleep(5)
        merged.touch()
        await asyncio.sleep(5)
        assert sent.at_ms == [0, 5000]

    virtual_time.run(main)


@pytest.mark.parametrize("every_ms", [1, 7, 30, 99])
def test_changes_that_follow_are_merged(every_ms: int) -> None:
    """However many changes there are, never more than so many messages a second."""

    async def main() -> None:
        sent = Sent()
        merged = Merged(sent, PER_SECOND)
        for _ in range(1000 // every_ms):
            merged.touch()
            await asyncio.sleep(every_ms / 1000)
        await asyncio.sleep(1)
        gaps = [b - a for a, b in zip(sent.at_ms, sent.at_ms[1:], strict=False)]
        assert sent.at_ms[0] == 0
        assert min(gaps) >= 1000 // PER_SECOND
        assert len(sent.at_ms) >= PER_SECOND - 1

    virtual_time.run(main)


def test_last_change_is_always_shown() -> None:
    """What is sent last was looked at after the last change."""

    async def main() -> None:
        value = 0
        shown = []
        merged = Merged(lambda: shown.append(value), PER_SECOND)
        for value in range(1, 251):  # noqa: B007 - what is shown is the loop's own
            merged.touch()
            await asyncio.sleep(0.003)
        await asyncio.sleep(1)
        assert shown[-1] == 250
        assert len(shown) < 15

    virtual_time.run(main)


def test_stopped_means_silent() -> None:
    """A change that had not gone out by then never does; a later one may."""

    async def main() -> None:
        sent = Sent()
        merged = Merged(sent, PER_SECOND)
        merged.touch()
        merged.stop()
        await asyncio.sleep(1)
        assert sent.at_ms == []
        merged.touch()
        await asyncio.sleep(1)
        assert sent.at_ms == [1000]

    virtual_time.run(main)


def test_change_while_sending_is_not_lost() -> None:
    """A change that sending itself brings about goes out an interval later."""

    async def main() -> None:
        sent = Sent()
        again: list[Callable[[], None]] = []

        def send() -> None:
            sent()
            if again:
                again.pop()()

        merged = Merged(send, PER_SECOND)
        again.append(merged.touch)
        merged.touch()
        await asyncio.sleep(1)
        assert sent.at_ms == [0, 100]

    virtual_time.run(main)

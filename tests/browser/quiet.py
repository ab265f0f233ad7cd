"""Measuring on a machine that others may be using as well."""

import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

TRIES = 5
PATIENCE_S = 20.0
LOOK_S = 0.2
SHARE_MIN = 0.8


def contended() -> bool:
    """Tell whether who wants a whole processor gets less; the browser rests now."""
    began, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < LOOK_S:
        os.getpid()
    share = (time.process_time() - used) / (time.perf_counter() - began)
    return share < SHARE_MIN


async def best_of_some(
    run: Callable[[], Awaitable[T]], good: Callable[[T], bool]
) -> None:
    """Hold *run* to be *good* once in a few tries.

    Where it is not, on a machine that is busy with something else, nothing was
    measured, and the test is skipped.
    """
    began = time.perf_counter()
    seen: list[T] = []
    while len(seen) < TRIES and time.perf_counter() - began < PATIENCE_S:
        seen.append(await run())
        print(seen[-1])
        if good(seen[-1]):
            return
    if contended():
        pytest.skip(f"the machine is busy with something else: {seen}")
    pytest.fail(f"{seen}")

"""The tests' own rules: what is left in an event loop fails the test that left it.

A port is one process's.
"""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent

LEFTOVERS = """
import asyncio

async def boom():
    raise RuntimeError("unheard")

async def test_task_nobody_awaits():
    asyncio.create_task(boom())
    await asyncio.sleep(0)

async def test_failing_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

async def test_task_in_a_cycle():
    task = asyncio.create_task(boom())
    task.itself = [task]
    await asyncio.sleep(0)

async def test_coroutine_nobody_awaits():
    boom()

async def test_awaited():
    try:
        await asyncio.create_task(boom())
    except RuntimeError:
        pass

async def test_provoked(loop_errors):
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    assert "ZeroDivisionError" in loop_errors[0]
    loop_errors.clear()

def test_plain():
    pass
"""


def test_leftovers(pytester: pytest.Pytester) -> None:
    """Exceptions that nobody awaited fail their test and no other."""
    pytester.makeconftest((HERE / "conftest.py").read_text())
    pytester.makepyprojecttoml((HERE.parent / "pyproject.toml").read_text())
    module = pytester.makepyfile(LEFTOVERS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rEf", module)
    failed = [
        line for line in result.outlines if re.match(r"(ERROR|FAILED) .*::", line)
    ]
    assert {line.split("::")[1].split()[0] for line in failed} == {
        "test_coroutine_nobody_awaits",
        "test_failing_callback",
        "test_task_in_a_cycle",
        "test_task_nobody_awaits",
    }


def test_ports_are_given_out_once() -> None:
    """Also by processes that know nothing of each other, while they run."""
    code = (
        "from tests.support.ports import free_port\n"
        "print(*(free_port() for _ in range(400)), flush=True)\ninput()"
    )
    ports: list[str] = []
    with ExitStack() as stack:
        for _ in range(3):
            process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - our own words
                    [sys.executable, "-c", code],
                    cwd=HERE.parent,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            ports += process.stdout.readline().split()
    assert len(ports) == len(set(ports)) == 1200

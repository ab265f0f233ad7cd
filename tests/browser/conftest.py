"""One browser and one server for all tests; neither is fetched from anywhere.

What tests share they share in one event loop. Each has pages and sessions of its own:
contexts are closed and sessions ended behind it.
"""

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser import engine
from tests.support.server import Server

HERE = Path(__file__).parent

if engine.MISSING:
    # One test is left, which says so.
    collect_ignore = [
        path.name for path in HERE.glob("test_*.py") if path.name != "test_engine.py"
    ]
else:
    from playwright.async_api import Browser, async_playwright

    from tests.browser.stage import Stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is in this folder in the loop that browser and servers live in."""
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and item.path.is_relative_to(HERE)
            and inspect.iscoroutinefunction(item.function)
        ):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Browser"]:
    """Chromium, started once."""
    with engine.chromium(tmp_path_factory.mktemp("chromium")) as where:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(where)
            yield browser
            await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server, which a test may kill and start again."""
    async with Server(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def stage(browser: "Browser", server: Server) -> AsyncIterator["Stage"]:
    """A browser and a server; no page may have complained at the end."""
    made = Stage(server, browser)
    try:
        yield made
    finally:
        await made.close()
    assert made.watch.problems == []

"""A browser for all tests, and a server for each; neither is fetched from anywhere."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.browser import engine
from tests.support.server import Server

if engine.MISSING:
    # One test is left, which says so.
    here = Path(__file__).parent
    collect_ignore = [
        path.name for path in here.glob("test_*.py") if path.name != "test_engine.py"
    ]
else:
    from playwright.async_api import async_playwright

    from tests.browser.stage import Stage


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Chromium, started once; where its DevTools are.

    Tests share nothing in it: each has browser contexts of its own.
    """
    with engine.chromium(tmp_path_factory.mktemp("chromium")) as where:
        yield where


@pytest.fixture
async def stage(chromium: str, tmp_path: Path) -> AsyncIterator["Stage"]:
    """A browser and a server; no page may have complained at the end."""
    server = Server(tmp_path / "data")
    starting = asyncio.create_task(server.start())
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(chromium)
            await starting
            made = Stage(server, browser)
            yield made
            await made.close()
            await browser.close()
    finally:
        await asyncio.wait([starting])
        await server.stop()
    assert made.watch.problems == []

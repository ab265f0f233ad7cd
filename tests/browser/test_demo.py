"""``quizd demo``: what it prints opens in a browser, ready to play."""

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.host_page import Host
from tests.browser.stage import PROJECTOR, Player, Watch

START_S = 30.0
LINK = re.compile(r"(Play|Host) +(http://(\S+?)/(play|host)/\S+)")


async def _links(output: asyncio.StreamReader) -> dict[str, tuple[str, str]]:
    """Return the links that were printed, and their host, by what they are for."""
    found: dict[str, tuple[str, str]] = {}
    while len(found) < 2:
        line = (await output.readline()).decode()
        assert line, "it ended without a word"
        match = LINK.search(line)
        if match:
            found[match[1]] = (match[2], match[3])
    return found


async def test_the_demo_is_ready_to_play(browser: Browser, tmp_path: Path) -> None:
    """The one link leads it, the other joins it; a simulated player is there."""
    command = ["-m", "quizd", "demo", "--port", "0", "--bots", "1", "--data-dir"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, tmp_path, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    try:
        links = await asyncio.wait_for(_links(process.stdout), START_S)
        watch = Watch(links["Host"][1])
        big = await browser.new_context(viewport=PROJECTOR, locale="en-GB")
        host = Host(await big.new_page())
        watch.page(host.page)
        await host.page.goto(links["Host"][0])
        await host.sees("1 player")
        ann = Player(await (await browser.new_context(locale="en-GB")).new_page())
        watch.page(ann.page)
        await ann.page.goto(links["Play"][0])
        await ann.page.get_by_label("Your name").fill("Ann")
        await ann.page.get_by_role("button", name="Join", exact=True).click()
        # Two are in, so it starts by itself.
        await host.presses("Start now")
        await expect(ann.page.locator(".option").first).to_be_visible()
        await expect(host.page.locator(".pick").first).to_be_visible()
        for page in (ann.page, host.page):
            await page.context.close()
        assert watch.problems == []
    finally:
        process.terminate()
        await process.wait()

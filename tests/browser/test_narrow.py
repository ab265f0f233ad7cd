"""Phones as narrow as they come: nothing lies over anything else."""

import pytest
from playwright.async_api import Page, ViewportSize

from tests.browser.host_page import leading
from tests.browser.stage import Stage

NARROW: ViewportSize = {"width": 320, "height": 640}
WIDTHS_PX = (320, 344, 360, 390)

# The boxes that their texts and pictures take, whatever box they are meant to be in.
MEETING = """(names) => {
  const boxes = names.map((name) => {
    const range = document.createRange();
    const found = document.querySelector(name);
    if (found.tagName === "IMG") range.selectNode(found);
    else range.selectNodeContents(found);
    return range.getBoundingClientRect();
  });
  return boxes.flatMap((one, index) =>
    boxes.slice(index + 1).map((other) =>
      one.left < other.right && other.left < one.right &&
      one.top < other.bottom && other.top < one.bottom));
}"""
INSIDE = """(name) => [...document.querySelectorAll(`${name}, ${name} *`)]
  .filter((one) => one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.className)"""


async def _apart(page: Page, *names: str) -> None:
    """Hold what has these *names* to lie apart, on every narrow screen."""
    for width in WIDTHS_PX:
        await page.set_viewport_size({**NARROW, "width": width})
        meeting = await page.evaluate(MEETING, list(names))
        assert not any(meeting), (width, names, meeting)


@pytest.mark.parametrize("locale", ["en-GB", "de", "es"])
async def test_the_way_in_is_read_on_a_hosts_phone(stage: Stage, locale: str) -> None:
    """The PIN beside the code, and in the head with a lock."""
    session = await stage.open()
    host = await leading(stage, session, viewport=NARROW, locale=locale)
    await host.page.locator(".invite-code").wait_for()
    await _apart(host.page, ".invite-pin", ".invite-address", ".invite-code")
    await session.lead("lock", locked=True)
    await session.lead("start")
    await host.page.locator(".host-lock").wait_for()
    await _apart(host.page, ".brand", ".host-way", ".status", "qd-settings")


async def test_a_name_of_one_long_word_is_broken(stage: Stage) -> None:
    """The last page stays as wide as the screen, whoever has won."""
    session = await stage.open()
    ann = await stage.player(viewport=NARROW, reduced_motion="reduce")
    await ann.join(session.pin, "W" * 40)
    await ann.sees("1 player")
    await session.lead("start")
    await ann.picks("mice")
    await session.lead("end")
    await ann.sees_heading("That’s it!")
    await ann.sees("1,000 points in total.")
    assert await ann.page.evaluate(INSIDE, ".ending") == []

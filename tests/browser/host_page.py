"""Somebody who leads a quiz on the host's page."""

import re
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.stage import LAPTOP, WAIT_MS, Session, Stage


@dataclass(slots=True)
class Host:
    """A host's page, and what one does on it."""

    page: Page

    async def sees(self, text: str | re.Pattern[str]) -> None:
        """Hold the page to show *text* soon."""
        shown = self.page.get_by_text(text).filter(visible=True)
        await expect(shown.first).to_be_visible(timeout=WAIT_MS)

    async def sees_heading(self, text: str | re.Pattern[str]) -> None:
        """Hold the page to have a heading with *text* soon."""
        heading = self.page.get_by_role("heading", name=text)
        await expect(heading.first).to_be_visible(timeout=WAIT_MS)

    def button(self, name: str) -> Locator:
        """Return the button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def presses(self, name: str) -> None:
        """Press a button."""
        await self.button(name).click()

    async def strikes(self, key: str) -> None:
        """Strike a key, once what is shown takes one."""
        await self.main()
        await self.page.keyboard.press(key)

    async def main(self) -> Locator:
        """Return the main button, once a press of it counts."""
        main = self.page.locator(".desk-main")
        await expect(main).to_have_attribute("aria-disabled", "false")
        return main

    def line(self, option: str) -> Locator:
        """Return the line of *option* in the question."""
        return self.page.locator(".pick", has_text=option)


async def host_page(stage: Stage, **options: Any) -> Host:  # noqa: ANN401
    """Return somebody with a browser of their own, who has opened nothing yet."""
    player = await stage.player(**{"viewport": LAPTOP, **options})
    return Host(player.page)


async def leading(stage: Stage, session: Session, **options: Any) -> Host:  # noqa: ANN401
    """Return somebody who has opened the host's link of *session*."""
    host = await host_page(stage, **options)
    await host.page.goto(link(session))
    return host


def link(session: Session) -> str:
    """Return the host's link, as ``quizd demo`` prints it."""
    return f"/host/{session.quiz_id}#token={session.opened['hostToken']}"

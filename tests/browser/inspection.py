"""Looking closely at a page: by axe-core's rules, and as pictures for people.

axe-core comes from npm, into a folder of the system's temporary files; without it, and
without network, there are only pictures. Pictures are taken where the environment
names a folder for them in ``QUIZD_TEST_SHOTS``.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from playwright.async_api import Page, ViewportSize

from tests.browser.stage import LAPTOP, PHONE, PROJECTOR

AXE = "axe-core-4.14.1"
NPM_S = 60
SHOTS = os.environ.get("QUIZD_TEST_SHOTS", "")
SIZES = {"phone": PHONE, "laptop": LAPTOP, "projector": PROJECTOR}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A theme is another set of colours and nothing else.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
RUN = """async (only) => {
  const { violations } = await axe.run(document, {
    runOnly: only,
    rules: only.type === "tag" ? { "target-size": { enabled: true } } : {},
  });
  return violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.map((node) => node.html).join(" | ").slice(0, 400)}`);
}"""
PAINTED = "(theme) => document.documentElement.dataset.theme === theme"
# As narrow as WCAG 2.2 wants no scrolling sideways (1.4.10), a laptop at 400 % zoom.
NARROW: ViewportSize = {"width": 320, "height": 640}
WIDER = "() => document.documentElement.scrollWidth - innerWidth"
STILL = """() => document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
  .forEach((one) => one.finish())"""


@cache
def axe() -> str:
    """Return axe-core's source, ``""`` where it can't be had."""
    folder = Path(tempfile.gettempdir()) / "quizd-tests"
    archive = folder / f"{AXE}.tgz"
    npm = shutil.which("npm")
    if not archive.exists() and npm is not None:
        folder.mkdir(exist_ok=True)
        name, _, version = AXE.rpartition("-")
        command = [npm, "pack", "--silent", f"{name}@{version}"]
        try:
            subprocess.run(  # noqa: S603 - a fixed name and version
                command, cwd=folder, timeout=NPM_S, check=False, capture_output=True
            )
        except subprocess.TimeoutExpired:
            return ""
    if not archive.exists():
        return ""
    with tarfile.open(archive) as packed:
        member = packed.extractfile("package/axe.min.js")
        return member.read().decode() if member else ""


@dataclass(slots=True)
class Inspection:
    """Looks at states of pages, and keeps what is wrong with them."""

    seen: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    async def look(self, page: Page, state: str) -> None:
        """Inspect *page* in this *state*, in light and dark, and on a narrow screen."""
        self.seen.append(state)
        for theme in THEMES:
            await page.emulate_media(color_scheme=theme)
            await page.wait_for_function(PAINTED, arg=theme)
            await page.evaluate(STILL)
            await self._judge(page, f"{state}, {theme}", theme)
            if SHOTS:
                await self._shoot(page, f"{len(self.seen):02}-{state}", theme)
        await page.emulate_media(color_scheme="light")
        await self._narrow(page, state)

    async def _narrow(self, page: Page, state: str) -> None:
        before = page.viewport_size
        await page.set_viewport_size(NARROW)
        wider_px = await page.evaluate(WIDER)
        if wider_px > 0:
            self.found.append(f"{state}: {wider_px} px wider than the screen")
        if before:
            await page.set_viewport_size(before)

    async def _judge(self, page: Page, state: str, theme: str) -> None:
        if not axe():
            return
        if not await page.evaluate("() => 'axe' in globalThis"):
            await page.evaluate(axe())
        only: dict[str, object] = {"type": "tag", "values": RULES}
        if theme != THEMES[0]:
            only = {"type": "rule", "values": COLOUR_RULES}
        self.found += [f"{state}: {line}" for line in await page.evaluate(RUN, only)]

    async def _shoot(self, page: Page, state: str, theme: str) -> None:
        before = page.viewport_size
        for size, viewport in SIZES.items():
            await page.set_viewport_size(viewport)
            await page.screenshot(path=Path(SHOTS) / f"{state}-{size}-{theme}.png")
        if before:
            await page.set_viewport_size(before)

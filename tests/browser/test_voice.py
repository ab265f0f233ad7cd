"""What is said in live regions: enough, and no more than anybody can listen to."""

from playwright.async_api import Page, Request, expect

from tests.browser.script import Script
from tests.browser.stage import Player, Stage

LISTEN = """() => {
  const region = document.getElementById("say");
  globalThis.said = [];
  new MutationObserver(() => said.push(region.textContent.trim()))
    .observe(region, { childList: true, characterData: true, subtree: true });
}"""


async def _scripted(stage: Stage) -> tuple[Player, Script]:
    session = await stage.open()
    ann = await stage.player()
    await ann.page.clock.install()
    script = await Script.of(ann.page)
    await ann.join(session.pin, "Ann")
    await script.connected()
    await ann.sees_heading("You’re in, Ann!")
    return ann, script


async def _counts(page: Page, script: Script, *counts: int) -> None:
    """Have so many players in, one count after another, and the page show each."""
    for participants in counts:
        script.version += 1
        changed = {"participants": participants, "joined": [], "left": 0}
        script.say("participants_changed", changed, version=script.version)
        count = page.locator(".lobby-count")
        await expect(count).to_have_text(f"{participants} players")


async def test_a_growing_crowd_is_told_every_now_and_then(stage: Stage) -> None:
    """At once when somebody comes; of those in the next five seconds, how many then."""
    ann, script = await _scripted(stage)
    await ann.page.evaluate(LISTEN)
    await _counts(ann.page, script, 4, 5, 6, 7)
    assert await ann.page.evaluate("said") == ["4 players"]
    await ann.page.clock.run_for(5000)
    assert await ann.page.evaluate("said") == ["4 players", "7 players"]
    await ann.page.clock.run_for(5000)
    assert await ann.page.evaluate("said") == ["4 players", "7 players"]


async def test_a_long_list_is_not_asked_for_at_each_removal(stage: Stage) -> None:
    """It would not tell who has gone; a list that is whole does."""
    ann, script = await _scripted(stage)
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/leaderboard" in request.url:
            asked.append(request.url)

    ann.page.on("request", note)
    await _counts(ann.page, script, 40, 39, 38, 25)
    async with ann.page.expect_request("**/leaderboard*"):
        await _counts(ann.page, script, 24)
    assert len(asked) == 1


async def test_who_comes_late_is_told_the_time_that_is_left(stage: Stage) -> None:
    """Eight seconds before the end nobody hears of thirty."""
    ann, script = await _scripted(stage)
    await ann.page.evaluate(LISTEN)
    began, ends = "2026-01-31T09:28:38.000Z", "2026-01-31T09:30:08.000Z"
    script.ask("poll", "tea", "coffee", startTime=began, endTime=ends)
    await ann.sees_heading("What is it?")
    await ann.page.clock.run_for(1000)
    assert await ann.page.evaluate("said") == ["10 seconds left."]

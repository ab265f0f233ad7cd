"""The client module on its own, as other people's pages use it."""

from tests.browser.stage import Stage

MAKE = """async () => {
  const { QuizClient } = await import("/quizd.js");
  globalThis.client = new QuizClient({ memory: "another" });
}"""
ONLINE = "() => client.state === 'online'"
OPEN = "() => client.picture.open && client.now() >= client.picture.question.startMs"


async def test_another_page_plays_with_the_module_alone(stage: Stage) -> None:
    """As its documentation tells: join, follow the picture, answer, come back."""
    session = await stage.open()
    await stage.idle(session)
    page = (await stage.player()).page
    await page.goto("/")  # any page may; this one has nothing to do yet
    await page.evaluate(MAKE)
    await page.evaluate("(pin) => client.join(pin, 'Ann')", session.pin)
    await page.wait_for_function(ONLINE)
    assert await page.evaluate("client.picture.title") == "English in five minutes"
    await session.lead("start")
    await page.wait_for_function(OPEN)
    result = await page.evaluate("client.answer('mice')")
    assert (result["correct"], result["points"]) == (True, 1000)
    await session.lead("next")
    await page.wait_for_function("() => client.picture.reveal")
    await page.reload()
    await page.evaluate(MAKE)
    assert await page.evaluate("client.resume()") is True
    await page.wait_for_function(ONLINE)
    reveal = await page.evaluate("client.picture.reveal")
    assert reveal["correctOptions"] == ["mice"]
    board = await page.evaluate("client.leaderboard()")
    assert (board["total"], board["you"]["rank"]) == (2, 1)
    await page.evaluate("client.leave()")
    assert await page.evaluate("client.resume()") is False

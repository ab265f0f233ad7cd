"""The client module on its own, as other people's pages use it."""

from tests.browser.stage import Stage

MAKE = """async () => {
  const { QuizClient } = await import("/quizd.js");
  globalThis.client = new QuizClient({ memory: "another" });
}"""
ONLINE = "() => client.state === 'online'"
# Eight heartbeats, ten seconds apart; then the machine sleeps, and one more comes.
SLEPT = """async () => {
  const { ServerClock } = await import("/quizd.js");
  let [ownMs, serverMs] = [0, 1e12];
  const clock = new ServerClock(() => ownMs);
  const pass = (ms) => {
    ownMs += ms;
    serverMs += ms;
  };
  const beat = (roundTripMs) => {
    const sentMs = clock.stamp();
    pass(roundTripMs / 2);
    const heardMs = serverMs;
    pass(roundTripMs / 2);
    clock.heard(heardMs, sentMs);
    return clock.now() - serverMs;
  };
  const awake = [40, 60, 35, 200, 40, 90, 41, 40].map((ms) => {
    pass(10_000);
    return beat(ms);
  });
  serverMs += 25_000;
  return [...awake, beat(60)];
}"""
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


async def test_the_clock_is_right_again_after_a_sleep(stage: Stage) -> None:
    """A device's own clock may stand meanwhile; the next heartbeat makes up for it."""
    page = (await stage.player()).page
    await page.goto("/")
    wrong_ms = await page.evaluate(SLEPT)
    assert len(wrong_ms) == 9
    assert max(map(abs, wrong_ms)) < 100

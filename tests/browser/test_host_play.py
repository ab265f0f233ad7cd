"""Leading a quiz on the host's page, with players on theirs."""

import asyncio
import re

from playwright.async_api import Route, expect

from tests.browser.host_page import host_page, leading, link
from tests.browser.stage import PHONE, PROJECTOR, Stage

LOADED = "(image) => image.complete && image.naturalWidth > 0"

TWICE = "(button) => { button.click(); button.click(); }"

# Twice at once, and again as soon as the button says what comes next.
THRICE = """(button) => {
  const strike = () => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key: "n", bubbles: true }),
  );
  const said = button.textContent;
  new MutationObserver((_, observer) => {
    if (button.textContent === said) return;
    observer.disconnect();
    strike();
  }).observe(button, { childList: true, subtree: true, characterData: true });
  strike();
  strike();
}"""


async def test_a_quiz_is_led_from_the_lobby_to_the_podium(stage: Stage) -> None:
    """Two players and a host, who presses one button all the way."""
    session = await stage.open(countdown_s=1)
    host = await leading(stage, session, viewport=PROJECTOR)
    await host.sees_heading("English in five minutes")
    assert host.page.url.endswith(f"/host/{session.quiz_id}")
    await host.sees(f"{session.pin[:3]} {session.pin[3:]}")
    code = host.page.get_by_role("img", name=f"/play/{session.pin}")
    assert await code.evaluate(LOADED)
    ann, bob = await stage.joined(session, "Ann", "Bob")
    await expect(host.page.locator(".name")).to_have_text(["Bob", "Ann"])
    await host.sees("2 players")
    await host.presses("Start")
    await host.sees_heading("Get ready")
    await host.sees_heading("One hungry mouse")
    await host.sees("0of 2 answered")
    await ann.picks("mice")
    await host.sees("1of 2 answered")
    await expect(host.page.locator(".pick-count")).to_have_count(0)
    await host.presses("Close question")
    await expect(host.line("mice")).to_have_class(re.compile("right"))
    await expect(host.line("mice")).to_contain_text("1 player chose this.")
    await expect(host.line("mouses")).to_contain_text("0%")
    await host.sees("Mouse → mice")
    board = host.page.locator(".ranks-line")
    await expect(board.first).to_contain_text("Ann1,000")
    await host.strikes("Space")
    await bob.sees_heading("The plural of")
    # All have answered, so it closes by itself.
    await ann.picks("True")
    await bob.picks("False")
    await expect(board.first).to_contain_text("Bob11 place up+2,0002,000")
    await host.strikes("b")
    await host.sees_heading("Leaderboard")
    await host.strikes("n")
    await host.sees_heading("Which of these words")
    await host.strikes("Enter")
    await host.presses("Finish")
    await host.sees_heading("The winners")
    podium = host.page.locator(".podium-step")
    await expect(podium.first).to_contain_text("Bob2,000 points1st")
    await expect(host.page.locator(".rows-line")).to_have_count(2)
    await ann.sees_heading("That’s it!")
    await host.presses("Open a new session")
    await host.sees_heading("Lead this quiz")


async def test_the_author_token_opens_a_session(stage: Stage) -> None:
    """A wrong one is told, the right one not kept; a newer link changes over."""
    stage.watch.forgiven = "401"
    session = await stage.open()
    await session.lead("end")
    host = await host_page(stage)
    await host.page.goto(f"/host/{session.quiz_id}")
    await host.page.get_by_label("Author token").fill("wrong")
    await host.presses("Open the quiz")
    await host.sees("This is not the server’s author token.")
    await host.page.get_by_label("Author token").fill(stage.server.author_token)
    await host.presses("Open the quiz")
    await host.sees("with the PIN")
    kept = await host.page.evaluate("JSON.stringify({...sessionStorage})")
    assert stage.server.author_token not in kept
    await host.presses("End")
    await host.presses("End the quiz")
    await host.sees_heading("That’s it!")  # nobody has won, as nobody came
    async with stage.server.api(stage.server.author_token) as api:
        opened = await api.post(f"/quizzes/{session.quiz_id}/open")
    session.opened.update(opened.json())
    await host.page.goto(link(session))
    await host.sees(f"{session.pin[:3]} {session.pin[3:]}")
    assert "token" not in host.page.url


async def test_somebody_is_removed_for_good(stage: Stage) -> None:
    """Found by the name, gone from the lobby, and not let in again."""
    stage.watch.forgiven = "403"
    session = await stage.open()
    host = await leading(stage, session)
    _, bob = await stage.joined(session, "Ann", "Bob")
    await host.presses("Players")
    await host.page.get_by_label("Search by name").fill("BO")
    await host.sees("1 of 2 found")
    await host.presses("Remove Bob")
    await host.page.get_by_label("Keep this name out").check()
    await host.presses("Remove")
    await host.sees("1 player")
    await host.presses("Done")
    await bob.sees_heading("You were removed")
    await expect(host.page.locator(".name")).to_have_text(["Ann"])
    again = await stage.player()
    await again.join(session.pin, "Bob")
    await again.sees("You can't join this quiz with this name.")


async def test_two_devices_lead_the_same_quiz(stage: Stage) -> None:
    """Both see the same; where both press for the same, it moves on once."""
    session = await stage.open()
    await stage.joined(session, "Ann")
    big = await leading(stage, session, viewport=PROJECTOR)
    phone = await leading(stage, session, viewport=PHONE)
    await phone.presses("Start")
    for host in (big, phone):
        await host.sees_heading("One hungry mouse")
    await phone.presses("Pause")
    await big.sees("Paused")
    await big.presses("Resume")
    await phone.presses("Close question")
    await big.sees("Mouse → mice")
    # The same press on both, the phone's being long under way.
    gate = asyncio.Event()

    async def late(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await phone.page.route("**/next", late)
    async with phone.page.expect_response("**/next"):
        await phone.presses("Next question")
        await big.presses("Next question")
        for host in (big, phone):
            await host.sees_heading("The plural of")
        gate.set()
    await expect(phone.button("Skip")).to_be_enabled()
    for host in (big, phone):
        await host.sees_heading("The plural of")
        await host.sees("Close question")
    await big.page.close()
    await phone.presses("Skip")
    await phone.sees_heading("Which of these words")


async def test_a_press_too_many_does_nothing(stage: Stage) -> None:
    """Neither a double click nor a key that is struck three times moves on twice."""
    session = await stage.open()
    await stage.joined(session, "Ann")
    host = await leading(stage, session)
    await (await host.main()).evaluate(TWICE)
    await host.sees_heading("One hungry mouse")
    await (await host.main()).evaluate(THRICE)
    await host.sees("Mouse → mice")
    await expect(host.button("Next question")).to_be_enabled()
    assert (await session.lead("lock", locked=False))["phase"] == "reveal"
    await host.presses("End")
    await host.presses("Cancel")
    await expect(host.button("End")).to_be_focused()


async def test_keys_are_for_the_quiz_only_where_nobody_writes(stage: Stage) -> None:
    """P pauses, L locks, ? tells; a search takes letters, and a switch ends them."""
    stage.watch.forgiven = "40[39]|423"
    session = await stage.open()
    await stage.joined(session, "Ann")
    host = await leading(stage, session)
    await host.sees_heading("English in five minutes")
    await host.strikes("l")
    await host.sees("Locked: nobody can join now")
    late = await stage.player()
    await late.join(session.pin, "Late")
    await late.sees("This quiz takes no more players.")
    await host.strikes("?")
    await host.sees("pause and resume")
    await host.page.keyboard.press("n")
    await host.page.keyboard.press("Escape")
    await host.presses("Players")
    await host.page.get_by_label("Search by name").press_sequentially("np n")
    await host.presses("Done")
    await host.sees("Locked: nobody can join now")
    await host.strikes("n")
    await host.sees_heading("One hungry mouse")
    await host.strikes("p")
    await host.sees("Paused")
    await host.strikes("p")
    await expect(host.page.locator(".paused-bar")).to_be_hidden()
    await host.presses("Settings")
    await host.page.get_by_label("Lead with single keys").uncheck()
    await host.page.locator("dialog[open]").get_by_text("Done").click()
    await host.page.keyboard.press("n")
    await host.page.keyboard.press("p")
    await host.sees("Close question")


async def test_hosts_have_their_languages(stage: Stage) -> None:
    """What the browser speaks, and what is chosen; plurals are the language's."""
    session = await stage.open()
    host = await leading(stage, session, locale="de-AT")
    await host.sees("mit der PIN")
    await stage.joined(session, "Ann")
    await host.sees("1 Person")
    await host.presses("Einstellungen")
    await host.page.get_by_text("Español").click()
    await host.presses("Listo")
    await host.sees("con el PIN")
    await host.presses("Empezar")
    await host.sees("Cerrar la pregunta")


async def test_the_list_of_players_is_whole_again(stage: Stage) -> None:
    """What is searched for while one is asked about removing is there after it."""
    session = await stage.open()
    for number in range(12):
        await session.server.join(session.pin, f"Kid {number}")
    host = await leading(stage, session)
    await host.presses("Players")
    lines = host.page.locator(".rows-line")
    await expect(lines).to_have_count(12)
    await host.presses("Remove Kid 3")
    await host.page.get_by_label("Search by name").fill("kid")
    await host.sees("12 of 12 found")
    await host.presses("Cancel")
    await expect(lines).to_have_count(12)
    await expect(host.page.get_by_label("Search by name")).to_be_focused()

"""A whole quiz, as its players see it."""

import re

from playwright.async_api import expect

from tests.browser.stage import MICE, NOUNS, SHEEP, Player, Stage, quiz


async def _standing(player: Player) -> str:
    return await player.page.locator(".own-rank").inner_text()


async def test_two_players_play_a_whole_quiz(stage: Stage) -> None:
    """From the lobby to the podium: right and wrong answers, ranks and gaps."""
    session = await stage.open()
    ann, bob = await stage.joined(session, "Ann", "Bob")
    await ann.sees("2 players")
    await ann.sees("English in five minutes")
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await bob.sees_heading("One hungry mouse")
    await ann.picks("mice")
    assert await ann.result() == "Right!"
    await ann.sees("+1,000")
    await ann.sees("Waiting for the others")
    await bob.picks("mouses")
    # Everybody has answered, so this is the reveal already.
    await bob.sees("Mouse → mice, just like louse → lice.")
    assert await bob.result() == "Not right."
    assert await _standing(ann) == "1st\nof 2"
    assert await _standing(bob) == "2nd\nof 2"
    await bob.sees("1,000 points to the next place")
    await ann.sees("You are in the lead")
    right = ann.page.locator(".option.right")
    await expect(right).to_have_count(1)
    await expect(right).to_contain_text("mice")
    await expect(bob.page.locator(".option.wrong")).to_contain_text("Your answer")

    await session.lead("next")
    await ann.sees_heading("The plural of “sheep” is “sheeps”.")
    await ann.sees("Double points")
    await ann.picks("False")
    await bob.picks("False")
    await bob.sees("+2,000")
    await ann.sees("2 right in a row")

    await session.lead("next")
    await ann.sees_heading("Which of these words are nouns?")
    send = ann.page.get_by_role("button", name="Send answer")
    await expect(send).to_be_disabled()
    await ann.picks("window")
    await ann.picks("table")
    await send.click()
    assert await ann.result() == "Right!"
    await session.lead("next")
    await bob.sees("No answer this time.")

    await session.lead("next")
    await ann.sees_heading("That’s it!")
    await ann.sees("Ann, you came 1st of 2. 4,000 points in total.")
    await bob.sees("Bob, you came 2nd of 2. 2,000 points in total.")
    steps = ann.page.locator(".podium-step")
    await expect(steps).to_have_count(2)
    await expect(steps.first).to_contain_text("Ann")
    await ann.page.get_by_role("button", name="Play another quiz").click()
    await ann.sees_heading("Join a quiz")
    assert ann.page.url == f"{stage.server.url}/"


async def test_the_list_leads_into_a_quiz(stage: Stage) -> None:
    """Nobody needs a PIN for what is listed as open."""
    await stage.open_quiz({**quiz(), "title": "French in ten minutes"})
    ann = await stage.player()
    await ann.page.goto("/")
    await ann.page.get_by_role("button", name=re.compile("French in ten")).click()
    await expect(ann.page.get_by_label("Your name")).to_be_focused()
    await ann.page.keyboard.type("Ann")
    await ann.page.keyboard.press("Enter")
    await ann.sees_heading("You’re in, Ann!")


async def test_a_pin_is_typed_with_blanks_or_without(stage: Stage) -> None:
    """A wrong one is told so, and the form is still there for the right one."""
    session = await stage.open()
    ann = await stage.player()
    stage.watch.forgiven = "404"
    await ann.page.goto("/")
    await ann.page.get_by_label("PIN", exact=True).fill("000 000")
    await ann.page.get_by_label("Your name").fill("Ann")
    await ann.page.keyboard.press("Enter")
    await ann.sees("There is no open quiz with this PIN.")
    pin = ann.page.get_by_label("PIN", exact=True)
    await expect(pin).to_be_focused()
    await pin.fill(f"{session.pin[:3]} {session.pin[3:]}")
    await ann.page.keyboard.press("Enter")
    await ann.sees_heading("You’re in, Ann!")
    assert ann.page.url.endswith(f"/play/{session.pin}")


async def test_keys_choose_options(stage: Stage) -> None:
    """Digits and letters choose, Enter sends, and a switch turns the keys off."""
    session = await stage.open_quiz(quiz(NOUNS, MICE, SHEEP))
    (ann,) = await stage.joined(session, "Ann")
    await stage.idle(session)
    keyboard = ann.page.keyboard
    await session.lead("start")
    await ann.sees_heading("Which of these words")
    await keyboard.press("1")
    await keyboard.press("c")
    await keyboard.press("c")
    await keyboard.press("B")
    await keyboard.press("Enter")
    assert await ann.result() == "Right!"
    await session.lead("skip")
    await ann.sees_heading("One hungry mouse")
    await expect(ann.page.locator("h1")).to_be_focused()
    await keyboard.press("Control+a")
    await keyboard.press("7")
    await expect(ann.page.locator(".option[aria-pressed=true]")).to_have_count(0)
    await ann.page.get_by_role("button", name="Settings").click()
    await ann.page.get_by_role("switch").uncheck()
    await ann.page.get_by_role("button", name="Done").click()
    await keyboard.press("a")
    await expect(ann.page.locator(".option[aria-pressed=true]")).to_have_count(0)
    await ann.page.get_by_role("button", name="Settings").click()
    await ann.page.get_by_role("switch").check()
    await keyboard.press("Escape")
    await keyboard.press("a")
    assert await ann.result() == "Right!"


async def test_a_pause_stops_clock_and_answers(stage: Stage) -> None:
    """Nothing is taken while it lasts; afterwards it goes on where it was."""
    session = await stage.open()
    (ann,) = await stage.joined(session, "Ann")
    await stage.idle(session)
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await session.lead("pause")
    await ann.sees("Paused. It goes on as soon as the host says so.")
    await expect(ann.page.locator(".clock.stopped")).to_be_visible()
    await ann.page.locator(".option", has_text="mice").click(force=True)
    await expect(ann.page.locator(".result")).to_have_count(0)
    await session.lead("resume")
    await expect(ann.page.locator(".clock.stopped")).to_have_count(0)
    await ann.picks("mice")
    assert await ann.result() == "Right!"


async def test_feedback_may_come_at_the_close_only(stage: Stage) -> None:
    """Until then one is told no more than that the answer is in."""
    session = await stage.open(feedback="on_close")
    (ann,) = await stage.joined(session, "Ann")
    await stage.idle(session)
    await session.lead("start")
    await ann.picks("mice")
    assert await ann.result() == "Your answer is in."
    await session.lead("next")
    await ann.sees("Right!")
    await ann.sees("+1,000")


async def test_who_is_removed_is_told(stage: Stage) -> None:
    """The page says so, forgets the place, and leads back to the start."""
    session = await stage.open()
    ann, bob = await stage.joined(session, "Ann", "Bob")
    people = await session.participants()
    await session.lead("kick", participantId=people["Bob"])
    await bob.sees_heading("You were removed")
    await ann.sees("1 player")
    await expect(ann.page.locator(".name", has_text="Bob")).to_have_count(0)
    await bob.page.reload()
    await bob.sees_heading("Join a quiz")
    await bob.page.get_by_label("Your name").fill("Bobby")
    await bob.page.keyboard.press("Enter")
    await bob.sees_heading("You’re in, Bobby!")


async def test_one_place_is_played_in_one_window(stage: Stage) -> None:
    """The newer window goes on; the older one says so and may take it back."""
    session = await stage.open()
    (ann,) = await stage.joined(session, "Ann")
    kept = await ann.page.evaluate("() => ({ ...sessionStorage })")
    twin = await ann.page.context.new_page()
    stage.watch.page(twin)
    await twin.goto("/")
    await twin.evaluate("(kept) => Object.assign(sessionStorage, kept)", kept)
    await twin.goto(f"/play/{session.pin}")
    await Player(twin).sees_heading("You’re in, Ann!")
    await ann.sees_heading("You are playing somewhere else")
    await ann.page.get_by_role("button", name="Play here").click()
    await ann.sees_heading("You’re in, Ann!")
    await Player(twin).sees_heading("You are playing somewhere else")


async def test_nothing_leads_back_to_what_was_left(stage: Stage) -> None:
    """Back goes to what was before the quiz, not to a lobby where nothing happens."""
    session = await stage.open()
    ann = await stage.player()
    await ann.page.goto("/?before")
    await ann.join(session.pin, "Ann")
    await ann.sees_heading("You’re in, Ann!")
    await ann.page.get_by_role("button", name="Leave").click()
    await ann.sees_heading("Join a quiz")
    await ann.page.evaluate("() => void setTimeout(() => history.back())")
    await ann.page.wait_for_url("**/?before", wait_until="commit")
    await ann.sees_heading("Join a quiz")

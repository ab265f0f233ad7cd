"""One element per type of question, each with what the protocol takes for it."""

from playwright.async_api import expect

from tests.browser.inspection import Inspection
from tests.browser.script import Script
from tests.browser.stage import Player, Stage


async def _scripted(stage: Stage) -> tuple[Player, Script]:
    session = await stage.open()
    ann = await stage.player()
    script = await Script.of(ann.page)
    await ann.join(session.pin, "Ann")
    await script.connected()
    return ann, script


async def test_a_text_is_written(stage: Stage) -> None:
    """It is sent trimmed by Enter; nothing is no answer; the reveal tells the truth."""
    ann, script = await _scripted(stage)
    look = Inspection()
    script.ask("text")
    await ann.sees_heading("What is it?")
    field = ann.page.get_by_role("textbox")
    await ann.page.get_by_role("button", name="Send answer").click()
    await ann.sees("Write your answer first.")
    await field.fill("  a café ")
    await look.look(ann.page, "type-text")
    await field.press("Enter")
    assert (await script.hears("answer_submission"))["text"] == "a café"
    script.accept(correct=True, points=870, score=870, rank=1)
    await ann.sees("+870")
    await expect(field).to_have_attribute("readonly", "")
    script.close_question(["café", "coffee house"])
    await ann.sees("Right answer: café · coffee house")
    await look.look(ann.page, "type-text-reveal")
    assert look.found == []


async def test_a_number_is_written_in_the_ways_of_people(stage: Stage) -> None:
    """With a decimal comma or point; words are told to be none."""
    ann, script = await _scripted(stage)
    script.ask("numeric")
    await ann.sees_heading("What is it?")
    field = ann.page.get_by_role("textbox")
    await field.fill("many")
    await field.press("Enter")
    await ann.sees("Enter a number, such as 12 or 3.5.")
    await field.fill("1.234,5")
    await field.press("Enter")
    assert (await script.hears("answer_submission"))["number"] == 1234.5
    script.accept()
    await ann.sees("Your answer is in.")


async def test_an_order_is_tapped(stage: Stage) -> None:
    """In any way of changing one's mind; it is sent when it is whole."""
    ann, script = await _scripted(stage)
    look = Inspection()
    script.ask("ordering", "three", "one", "two")
    await ann.sees_heading("What is it?")
    send = ann.page.get_by_role("button", name="Send answer")
    await ann.picks("three")
    await ann.picks("three")
    await ann.page.keyboard.press("2")
    await ann.page.keyboard.press("c")
    await expect(send).to_be_disabled()
    await look.look(ann.page, "type-order")
    await ann.picks("three")
    await expect(ann.page.locator("#say")).to_contain_text("three: number 3.")
    await send.click()
    given = await script.hears("answer_submission")
    assert given["order"] == ["one", "two", "three"]
    script.accept(correct=True, points=870, score=870, rank=1)
    script.close_question(["one", "two", "three"])
    await expect(ann.page.locator(".option.right")).to_have_count(3)
    await look.look(ann.page, "type-order-reveal")
    assert look.found == []


async def test_a_poll_has_no_right_and_wrong(stage: Stage) -> None:
    """An answer counts, and the reveal shows how many chose what."""
    ann, script = await _scripted(stage)
    look = Inspection()
    script.ask("poll", "tea", "coffee", points=0)
    await ann.picks("tea")
    assert (await script.hears("answer_submission"))["selectedOption"] == "tea"
    script.accept(correct=False, points=0, score=0, rank=2)
    await ann.sees("Your answer is in.")
    distribution = [{"option": "tea", "count": 5}, {"option": "coffee", "count": 2}]
    script.close_question([], distribution=distribution)
    await ann.sees("Thank you, your answer counts.")
    await expect(ann.page.locator(".tally").first).to_contain_text("5")
    await expect(ann.page.locator(".option.wrong")).to_have_count(0)
    await look.look(ann.page, "type-poll-reveal")
    assert look.found == []


async def test_a_type_from_later_is_asked_by_what_it_offers(stage: Stage) -> None:
    """Twenty options have a letter each, and one is chosen."""
    ann, script = await _scripted(stage)
    options = [f"option {number}" for number in range(1, 21)]
    script.ask("single_choice", *options)
    await ann.sees_heading("What is it?")
    await expect(ann.page.locator(".badge").last).to_have_text("T")
    await ann.page.keyboard.press("t")
    given = await script.hears("answer_submission")
    assert given["selectedOption"] == "option 20"


async def test_pictures_have_their_words(stage: Stage) -> None:
    """A question's picture is shown with its text for who can't see it."""
    ann, script = await _scripted(stage)
    url = "/assets/nothing.png"
    stage.watch.forgiven = "404"
    media = {"kind": "image", "url": url, "alt": "A mouse"}
    script.ask("true_false", "True", "False", media=media)
    await expect(ann.page.get_by_role("img", name="A mouse")).to_have_attribute(
        "src", url
    )


async def test_a_question_is_shown_at_its_start(stage: Stage) -> None:
    """By the server's clock, whatever the device's says; until then nobody sees it."""
    ann, script = await _scripted(stage)
    script.ask("poll", "tea", "coffee", startTime="2026-01-31T09:30:01.500Z")
    await ann.sees_heading("Here it comes …")
    await expect(ann.page.get_by_text("What is it?")).to_have_count(0)
    await ann.sees_heading("What is it?")


async def test_what_was_missed_is_repaired(stage: Stage) -> None:
    """A broadcast out of turn makes the page connect again for the whole picture."""
    ann, script = await _scripted(stage)
    script.seq += 1
    script.ask("poll", "tea", "coffee")
    await script.connected()
    script.ask("poll", "tea", "coffee")
    await ann.sees_heading("What is it?")


async def test_the_line_is_closed_for_good(stage: Stage) -> None:
    """A close code after which nobody should come back ends in words."""
    ann, script = await _scripted(stage)
    await script.close(4001)
    await ann.sees_heading("Your place has expired")
    await ann.page.get_by_role("button", name="Back to the start").click()
    await ann.sees_heading("Join a quiz")


async def test_the_focus_goes_back_to_the_question(stage: Stage) -> None:
    """What it was on is gone with the answer; reading goes on from the question."""
    ann, script = await _scripted(stage)
    heading = ann.page.locator("#question")
    send = ann.page.get_by_role("button", name="Send answer")
    script.ask("multiple_choice", "tea", "coffee", text="Several?")
    await ann.sees_heading("Several?")
    await ann.page.get_by_label("tea").press("Space")
    await ann.page.keyboard.press("Enter")  # as a form has it, from one of its boxes
    await script.hears("answer_submission")
    await expect(heading).to_be_focused()
    script.ask("ordering", "one", "two", text="Which first?", questionId="q2")
    await ann.sees_heading("Which first?")
    await ann.picks("one")
    await ann.picks("two")
    await send.press("Enter")
    await script.hears("answer_submission")
    await expect(heading).to_be_focused()
    script.ask("text", text="Which word?", questionId="q3")
    await ann.sees_heading("Which word?")
    await ann.page.get_by_role("textbox").fill("café")
    await send.press("Enter")
    await script.hears("answer_submission")
    await expect(heading).to_be_focused()

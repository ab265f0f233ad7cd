"""Every state of the player's page, by the rules of accessibility."""

import pytest

from tests.browser.inspection import Inspection, axe
from tests.browser.stage import Player, Session, Stage

NAMES = ("Ann", "Bob", "Çağla", "Dmitri", "Eve", "Farid", "Grace")


@pytest.fixture
def inspection() -> Inspection:
    """Who looks."""
    if not axe():
        pytest.skip("axe-core can't be had from npm")
    return Inspection()


async def _answer(session: Session, name: str, option: str) -> None:
    """Answer the open question over REST, as *name*."""
    ticket = await session.server.join(session.pin, name)
    async with session.server.api(ticket["token"]) as api:
        state = (await api.get(f"/quizzes/{session.quiz_id}/state")).json()
        body = {
            "questionId": state["question"]["questionId"],
            "selectedOption": option,
        }
        answer = await api.post(f"/quizzes/{session.quiz_id}/answers", json=body)
        assert answer.status_code == 200, answer.text


async def _way_in(stage: Stage, look: Inspection) -> tuple[Session, Player, Player]:
    session = await stage.open(countdown_s=1.5)
    ann, bob = await stage.player(), await stage.player()
    await ann.page.goto("/")
    await ann.sees("English in five minutes")
    await look.look(ann.page, "join")
    await ann.page.get_by_role("button", name="Join", exact=True).click()
    await ann.sees("Enter the PIN first.")
    await look.look(ann.page, "join-problem")
    await ann.page.goto(f"/play/{session.pin}")
    await ann.sees("Your name")
    await look.look(ann.page, "join-by-link")
    await ann.page.get_by_role("button", name="Settings").click()
    await look.look(ann.page, "settings")
    await ann.page.get_by_role("button", name="Done").click()
    await ann.join(session.pin, "Ann")
    await bob.join(session.pin, "Bob")
    # Whoever does not answer keeps the questions open.
    await stage.idle(session)
    for name in NAMES[2:]:
        await session.server.join(session.pin, name)
    await ann.sees("8 players")
    await ann.sees("Grace")
    await look.look(ann.page, "lobby")
    return session, ann, bob


async def _first_question(look: Inspection, session: Session, ann: Player) -> None:
    await session.lead("start")
    await ann.sees_heading("Get ready")
    await session.lead("pause")
    await ann.sees("Paused.")
    await look.look(ann.page, "countdown")
    await session.lead("resume")
    await ann.sees_heading("One hungry mouse")
    await look.look(ann.page, "question")
    await ann.picks("mice")
    await ann.sees("Right!")
    await look.look(ann.page, "right")
    await session.lead("pause")
    await ann.sees("Paused.")
    await look.look(ann.page, "paused")
    await session.lead("resume")


async def _first_reveal(
    look: Inspection, session: Session, ann: Player, bob: Player
) -> None:
    await bob.picks("mouses")
    await bob.sees("Not right.")
    await look.look(bob.page, "wrong")
    await _answer(session, "Farid", "mice")
    await session.lead("next")
    await ann.sees_heading("Leaderboard")
    await look.look(ann.page, "reveal-right")
    await bob.sees_heading("Leaderboard")
    await look.look(bob.page, "reveal-wrong")


async def _other_types(
    look: Inspection, session: Session, ann: Player, bob: Player
) -> None:
    await session.lead("next")
    await ann.sees_heading("The plural of")
    await look.look(ann.page, "true-or-false")
    await bob.picks("False")
    await session.lead("skip")
    await ann.sees_heading("Which of these words")
    await ann.picks("table")
    await ann.picks("window")
    await look.look(ann.page, "several")
    await ann.page.get_by_role("button", name="Send answer").click()
    await bob.picks("quickly")
    await bob.page.get_by_role("button", name="Send answer").click()
    await bob.sees("Not right.")
    await session.lead("next")
    await bob.sees_heading("Leaderboard")
    await look.look(bob.page, "reveal-several")


async def test_no_state_of_a_quiz_breaks_a_rule(
    stage: Stage, inspection: Inspection
) -> None:
    """From the way in to the podium, in light and dark."""
    look = inspection
    session, ann, bob = await _way_in(stage, look)
    await _first_question(look, session, ann)
    await _first_reveal(look, session, ann, bob)
    late = await stage.player()
    await late.join(session.pin, "Late")
    await late.sees("No answer this time.")
    await look.look(late.page, "reveal-late")
    people = await session.participants()
    await session.lead("kick", participantId=people["Late"])
    await late.sees_heading("You were removed")
    await look.look(late.page, "removed")
    await _other_types(look, session, ann, bob)
    await session.lead("next")
    await ann.sees_heading("That’s it!")
    await look.look(ann.page, "ending")
    assert look.found == []

"""Every state of the host's page, by the rules of accessibility."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.host_page import Host, host_page, leading
from tests.browser.inspection import Inspection, axe
from tests.browser.stage import PROJECTOR, Session, Stage

NAMES = (
    *("Ann", "Bob", "Çağla", "Dmitri", "Eve", "Farid", "Grace", "Hüseyin", "Ines"),
    *("Jonas", "Kofi", "Lea", "Mateo", "Noor", "Olga", "Paweł", "Quinn", "Rosa"),
    *("Sven", "Tomoko", "Uma", "Víctor", "Wanda", "Xenia", "Yusuf", "Zoë"),
)


@pytest.fixture
def inspection() -> Inspection:
    """Who looks."""
    if not axe():
        pytest.skip("axe-core can't be had from npm")
    return Inspection()


async def _crowd(session: Session) -> list[str]:
    """Have everybody join over REST; return their tokens."""
    async with session.server.api() as api:
        tickets = [await session.server.join(session.pin, n, api) for n in NAMES]
    return [ticket["token"] for ticket in tickets]


async def _answer(session: Session, tokens: list[str], *options: str) -> None:
    """Answer the open question over REST, each with the next of *options*."""
    async with session.server.api() as api:
        path = f"/quizzes/{session.quiz_id}"
        headers = [{"authorization": f"Bearer {token}"} for token in tokens]
        state = (await api.get(f"{path}/state", headers=headers[0])).json()
        question = state["question"]["questionId"]
        calls = (
            api.post(
                f"{path}/answers",
                headers=header,
                json={
                    "questionId": question,
                    "selectedOption": options[index % len(options)],
                },
            )
            for index, header in enumerate(headers)
        )
        for answer in await asyncio.gather(*calls):
            assert answer.status_code == 200, answer.text


async def _way_in(stage: Stage, look: Inspection) -> tuple[Session, Host]:
    session = await stage.open(countdown_s=8)
    stranger = await host_page(stage)
    await stranger.page.goto(f"/host/{session.quiz_id}")
    await stranger.presses("Open the quiz")
    await stranger.sees("Paste the author token first.")
    await look.look(stranger.page, "host-enter")
    host = await leading(stage, session, viewport=PROJECTOR)
    await host.sees_heading("English in five minutes")
    await look.look(host.page, "host-lobby-empty")
    # Whoever has a line and does not answer keeps the questions open.
    await stage.idle(session)
    return session, host


async def _lobby(host: Host, look: Inspection) -> None:
    """Look at all that there is in the lobby; press Start."""
    await host.sees("Zoë")
    await look.look(host.page, "host-lobby")
    await host.presses("Players")
    await host.sees("27 players")
    await look.look(host.page, "host-players")
    await host.presses("Remove Dmitri")
    await look.look(host.page, "host-kick")
    await host.presses("Cancel")
    await host.presses("Done")
    await host.presses("Lock")
    await host.sees("Locked: nobody can join now")
    await look.look(host.page, "host-locked")
    await host.presses("Unlock")
    for dialog in ("Keys", "Devices"):
        await host.presses(dialog)
        await look.look(host.page, f"host-{dialog.lower()}")
        await host.presses("Done")
    await host.presses("Start")


async def test_no_state_of_the_host_page_breaks_a_rule(
    stage: Stage, inspection: Inspection
) -> None:
    """From the way in to the podium, in light and dark."""
    look = inspection
    session, host = await _way_in(stage, look)
    tokens = await _crowd(session)
    await _lobby(host, look)
    await host.sees_heading("Get ready")
    await host.presses("Pause")
    await host.sees("Paused")
    await look.look(host.page, "host-countdown-paused")
    await host.presses("Resume")
    await host.presses("Start now")
    await host.sees_heading("One hungry mouse")
    await _answer(session, tokens[:18], "mice", "mouses", "mice", "mouse", "mice")
    await expect(host.page.locator(".answered strong")).to_have_text("18")
    await look.look(host.page, "host-question")
    await host.presses("Pause")
    await look.look(host.page, "host-paused")
    await host.presses("Resume")
    await host.presses("Close question")
    await host.sees("Top 5")
    await host.sees("1,000")
    await look.look(host.page, "host-reveal")
    await host.presses("Next question")
    await host.sees_heading("The plural of")
    await _answer(session, tokens[4:], "False", "False", "True")
    await host.presses("Close question")
    await host.sees("+2,000")
    await host.presses("Board")
    await host.sees_heading("Leaderboard")
    await host.sees("3,000")
    await look.look(host.page, "host-board")
    await host.presses("End")
    await look.look(host.page, "host-end")
    await host.presses("End the quiz")
    await host.sees_heading("The winners")
    await look.look(host.page, "host-ending")
    assert look.found == []

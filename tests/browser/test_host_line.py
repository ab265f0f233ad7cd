"""The host's page on lines that break, or are slow, or have another name."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from tests.browser.host_page import Host, host_page, leading, link
from tests.browser.stage import Stage
from tests.support.server import Server

NO_SOCKET = "() => { delete globalThis.WebSocket; }"
REFUSED = "WebSocket connection|ERR_CONNECTION_REFUSED|Failed to load resource"


async def test_a_reload_comes_back_to_where_it_was(stage: Stage) -> None:
    """In a question; at its reveal with answers, gains and lock; and at the end.

    A device that comes then is shown the same, but for what has moved on the board.
    """
    session = await stage.open()
    ann, idle = await stage.joined(session, "Ann", "Idle")
    host = await leading(stage, session)
    await host.presses("Start")
    await ann.picks("mice")
    await host.sees("1of 2 answered")
    await host.page.reload()
    await host.sees_heading("One hungry mouse")
    await host.sees("1of 2 answered")
    await host.presses("Close question")
    await host.presses("Next question")
    await host.presses("Lock")
    await idle.picks("False")
    await host.presses("Close question")
    stayed = await _settled(host, "1 place up")
    assert "+2,000" in stayed
    await host.page.reload()
    assert await _settled(host, "1 place up") == stayed
    await host.page.evaluate("sessionStorage.removeItem('quizd.host')")
    second = await leading(stage, session)
    seen = await _settled(second, "2,000")
    assert seen == stayed.replace("1 1 place up +2,000 ", "")
    await host.presses("End")
    await host.presses("End the quiz")
    await host.sees_heading("The winners")
    await host.page.reload()
    await host.sees_heading("The winners")


async def _settled(host: Host, text: str) -> str:
    """Return all that the page says at a reveal, once its board has *text*."""
    await expect(host.page.locator(".ranks")).to_contain_text(text)
    shown = await host.page.locator("#page").inner_text()
    return " ".join(shown.split())


async def test_a_killed_server_is_waited_for(stage: Stage) -> None:
    """The page says so, tells what it could not do, and goes on by itself.

    A link that is no good is told as well, and leads to the other way in.
    """
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    await stage.joined(session, "Ann")
    host = await leading(stage, session)
    broken = link(session)[:-4]
    await host.presses("Start")
    await host.sees_heading("One hungry mouse")
    await stage.server.kill()
    await host.sees("Reconnecting …")
    await host.presses("Pause")
    await host.sees("That did not work: the server can’t be reached. Try again.")
    await stage.server.start()
    await host.sees("Connected")
    await host.presses("Close question")
    await host.sees("Mouse → mice")
    await expect(host.page.locator(".desk-problem")).to_be_empty()
    await host.page.goto(broken)
    await host.sees_heading("This host’s link doesn’t work")
    await host.presses("Open a new session")
    await host.sees_heading("Lead this quiz")


async def test_a_network_without_sockets_is_led_by_requests(stage: Stage) -> None:
    """The same quiz; figures that only sockets bring are left out."""
    session = await stage.open()
    host = await host_page(stage)
    await host.page.add_init_script(f"({NO_SOCKET})()")
    await host.page.goto(link(session))
    await host.sees("Slow connection")
    await stage.joined(session, "Ann")
    await expect(host.page.locator(".name")).to_have_text(["Ann"])
    await host.presses("Start")
    await host.sees_heading("One hungry mouse")
    await expect(host.page.locator(".answered")).to_be_hidden()
    await host.presses("Close question")
    await expect(host.line("mice")).to_have_class(re.compile("right"))
    await host.sees("Mouse → mice")
    await host.presses("Lock")
    await host.sees("Locked")
    await host.presses("Next question")
    await host.sees_heading("The plural of")


async def test_what_is_meant_in_any_case_waits_for_its_turn(stage: Stage) -> None:
    """Locking is slow; who is removed meanwhile is removed, and the end is the end."""
    session = await stage.open()
    host = await leading(stage, session)
    ann, bob = await stage.joined(session, "Ann", "Bob")
    gate = asyncio.Event()

    async def late(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await host.page.route("**/lock", late)
    await host.presses("Lock")
    await host.presses("Players")
    await host.presses("Remove Bob")
    await host.presses("Remove")
    gate.set()
    await bob.sees_heading("You were removed")
    await host.presses("Done")
    await host.sees("Locked: nobody can join now")
    gate.clear()
    await host.presses("Unlock")
    await host.presses("End")
    await host.presses("End the quiz")
    gate.set()
    await ann.sees_heading("That’s it!")


async def test_the_screen_tells_the_public_address(
    browser: Browser, tmp_path: Path
) -> None:
    """Where players join is what the server says; the socket is the page's own."""
    options = {"server.public_url": "https://quiz.example.org"}
    async with Server(tmp_path / "data", options) as server:
        stage = Stage(server, browser)
        try:
            session = await stage.open()
            host = await host_page(stage)
            await host.page.goto(f"/host/{session.quiz_id}")
            await host.page.get_by_label("Author token").fill(server.author_token)
            await host.presses("Open the quiz")
            address = host.page.locator(".invite-address")
            for _ in range(2):
                await expect(address).to_have_text("quiz.example.org")
                await host.sees("Connected")
                await host.page.reload()
        finally:
            await stage.close()
        assert stage.watch.problems == []

"""Lines that break: reloads, killed servers, networks that block sockets."""

import re

from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.inspection import Inspection
from tests.browser.script import QUESTION, Script
from tests.browser.stage import Stage

SLOW_CLOCK = "{ const now = Date.now; Date.now = () => now() - 3_600_000; }"
NO_SOCKET = "() => { delete globalThis.WebSocket; }"
REFUSED = "WebSocket connection|ERR_CONNECTION_REFUSED|Failed to load resource"


async def test_a_reload_in_a_question_comes_back_to_it(stage: Stage) -> None:
    """Answered is answered, with its result, and the clock goes on."""
    session = await stage.open()
    ann, bob = await stage.joined(session, "Ann", "Bob")
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await ann.picks("mouses")
    assert await ann.result() == "Not right."
    await ann.page.reload()
    await ann.sees_heading("One hungry mouse")
    assert await ann.result() == "Not right."
    chosen = ann.page.locator(".option[aria-pressed=true]")
    await expect(chosen).to_contain_text("mouses")
    await expect(ann.page.locator(".option[aria-disabled=false]")).to_have_count(0)
    await bob.page.reload()
    await bob.picks("mice")
    await bob.sees("+1,000")
    # Both have answered, so this is the reveal, which a reload keeps as well.
    await ann.sees("Mouse → mice")
    await ann.page.reload()
    await ann.sees("Mouse → mice")
    assert await ann.result() == "Not right."
    await session.lead("end")
    await ann.sees_heading("That’s it!")
    await ann.page.reload()
    await ann.sees_heading("That’s it!")


async def test_a_join_that_got_lost_is_tried_again(stage: Stage) -> None:
    """The page says so; an answer lost on the way back makes no second player."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        lost += 1
        if lost > 1:
            await route.continue_()
            return
        await route.fetch()
        await route.abort()

    await ann.page.route("**/join", lose)
    await ann.join(session.pin, "Ann")
    await ann.sees("No answer. Try 2 of 3 …")
    await ann.sees_heading("You’re in, Ann!")
    assert list(await session.participants()) == ["Ann"]


async def test_joining_in_vain_has_an_end(stage: Stage) -> None:
    """After three tries the page says what is wrong, and the form is still there."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    tries = 0

    async def lose(route: Route) -> None:
        nonlocal tries
        tries += 1
        await route.abort()

    await ann.page.route("**/join", lose)
    await ann.join(session.pin, "Ann")
    await ann.sees("No answer. Try 3 of 3 …")
    await ann.sees("The server can't be reached.")
    assert tries == 3
    await ann.page.unroute("**/join")
    await ann.page.get_by_role("button", name="Join", exact=True).click()
    await ann.sees_heading("You’re in, Ann!")


async def test_a_join_that_a_proxy_lost_is_the_same_one(stage: Stage) -> None:
    """An error page says nothing of the server: it may have taken the player in."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    keys: list[str] = []

    async def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 3:
            await route.continue_()
            return
        await route.fetch()
        await route.fulfill(status=502, body="Bad Gateway")

    await ann.page.route("**/join", lose)
    await ann.join(session.pin, "Ann")
    await ann.sees("Something went wrong on the server. Try again.")
    await ann.page.get_by_role("button", name="Join", exact=True).click()
    await ann.sees_heading("You’re in, Ann!")
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert list(await session.participants()) == ["Ann"]


async def test_a_wrong_device_clock_changes_nothing(stage: Stage) -> None:
    """Time is the server's: the question is shown at once, with all of its time."""
    session = await stage.open()
    ann = await stage.player()
    await ann.page.add_init_script(SLOW_CLOCK)
    await ann.join(session.pin, "Ann")
    await ann.sees_heading("You’re in, Ann!")
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await ann.sees(re.compile("^(10:00|9:5[0-9])$"))


async def test_an_answer_that_only_the_server_knows_is_shown_as_given(
    stage: Stage,
) -> None:
    """A reload that lost what was kept says that there is an answer, and takes none."""
    session = await stage.open()
    (ann,) = await stage.joined(session, "Ann")
    await stage.idle(session)
    await session.lead("start")
    await ann.picks("mice")
    await ann.result()
    await ann.page.evaluate(
        """() => {
          const kept = JSON.parse(sessionStorage["quizd.session"]);
          delete kept.picture;
          globalThis.addEventListener("pagehide", () => {
            sessionStorage["quizd.session"] = JSON.stringify(kept);
          });
        }"""
    )
    await ann.page.reload()
    await ann.sees("Your answer is in.")
    await expect(ann.page.locator(".option[aria-disabled=false]")).to_have_count(0)


async def test_a_killed_server_is_waited_for(stage: Stage) -> None:
    """The page says so, tries again by itself, and goes on where it was."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    (ann,) = await stage.joined(session, "Ann")
    await stage.idle(session)
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await stage.server.kill()
    await ann.sees("Reconnecting …")
    await ann.sees(re.compile(r"Try \d+ of 12"))
    said = ann.page.locator("#say")
    await expect(said).to_contain_text("The connection is lost. Reconnecting.")
    look = Inspection()
    await look.look(ann.page, "line-away")
    # Given while nobody is there, and sent as soon as somebody is.
    await ann.picks("mice")
    await ann.sees("Sending …")
    await stage.server.start()
    await ann.sees("Connected")
    await expect(said).not_to_contain_text("The connection is lost.")
    assert await ann.result() == "Right!"
    assert look.found == []


async def test_trying_again_has_an_end(stage: Stage) -> None:
    """After the last try the page says so, and one may begin again."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    await ann.page.clock.install()
    await ann.join(session.pin, "Ann")
    await ann.sees_heading("You’re in, Ann!")
    await stage.server.kill()
    await ann.sees("Reconnecting …")
    for _ in range(60):
        await ann.page.clock.run_for(3000)
        if await ann.page.get_by_role("heading", name="The server can").count():
            break
    await ann.sees_heading("The server can’t be reached")
    look = Inspection()
    await look.look(ann.page, "line-failed")
    await stage.server.start()
    await ann.page.get_by_role("button", name="Try again").click()
    await ann.page.clock.run_for(1000)
    await ann.sees_heading("You’re in, Ann!")
    assert look.found == []


async def test_a_network_without_sockets_is_played_by_requests(stage: Stage) -> None:
    """The same quiz, answers and results; the page says that it is slower."""
    session = await stage.open()
    ann = await stage.player()
    await ann.page.add_init_script(f"({NO_SOCKET})()")
    await ann.join(session.pin, "Ann")
    await ann.sees("Slow connection")
    look = Inspection()
    await look.look(ann.page, "line-slow")
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")
    await ann.picks("mice")
    assert await ann.result() == "Right!"
    await session.lead("next")
    await ann.sees("Mouse → mice")
    await expect(ann.page.locator(".option.right")).to_contain_text("mice")
    await ann.sees("1st")
    await session.lead("next")
    await ann.sees_heading("The plural of")
    await session.lead("end")
    await ann.sees_heading("That’s it!")
    await ann.sees("Ann, you came 1st of 1. 1,000 points in total.")
    assert look.found == []


async def test_a_proxy_sends_nobody_away(stage: Stage) -> None:
    """Only the server knows who may play: what has no problem of its own is waited for.

    It is so for pages of errors, and for JSON of something else.
    """
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    await ann.page.add_init_script(f"({NO_SOCKET})()")
    await ann.join(session.pin, "Ann")
    await ann.sees("Slow connection")
    told = 0

    async def between(route: Route) -> None:
        nonlocal told
        told += 1
        if told == 1:
            await route.fulfill(status=404, body="page not found")
        elif told == 2:
            await route.fulfill(status=403, json={"code": "forbidden"})
        else:
            await route.continue_()

    await ann.page.route("**/state", between)
    await ann.sees("Reconnecting …")
    await ann.sees("Slow connection")
    assert told > 2
    await session.lead("start")
    await ann.sees_heading("One hungry mouse")


async def test_an_answer_is_sent_until_it_is_decided(stage: Stage) -> None:
    """A server that asks to have it again has refused nothing; the page waits on."""
    session = await stage.open()
    ann = await stage.player()
    script = await Script.of(ann.page)
    await ann.join(session.pin, "Ann")
    await script.connected()
    script.ask("poll", "tea", "coffee")
    await ann.picks("tea")
    given = await script.hears("answer_submission")
    for reason in ("shard_unavailable", "internal"):
        details = {"questionId": "q1"}
        script.say("error", {"reason": reason, "details": details})
    own = {"questionType": "poll", "options": ["tea", "coffee"], "remainingMs": 9000}
    question = {**QUESTION, **own, "answered": False}
    script.say("welcome", script.welcome(epoch=2, phase="question", question=question))
    assert await script.hears("answer_submission") == given
    await ann.sees("Sending …")
    script.accept()
    assert await ann.result() == "Your answer is in."


async def test_a_socket_that_is_let_through_later_is_taken(stage: Stage) -> None:
    """Polling goes on looking for a better line, and changes over without a word."""
    stage.watch.forgiven = REFUSED
    session = await stage.open()
    ann = await stage.player()
    blocked = True

    async def gate(route: WebSocketRoute) -> None:
        if blocked:
            await route.close(code=1001)
        else:
            route.connect_to_server()

    await ann.page.route_web_socket(re.compile("/ws"), gate)
    await ann.join(session.pin, "Ann")
    await ann.sees("Slow connection")
    blocked = False
    await ann.sees("Connected")
    await session.lead("start")
    await ann.picks("mice")
    assert await ann.result() == "Right!"

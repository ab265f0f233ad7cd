"""Browsers that play: pages that are watched, and what people do on them."""

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
)

from tests.support.server import Server
from tests.support.socket_player import Player as SocketPlayer

PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1366, "height": 768}
PROJECTOR: ViewportSize = {"width": 1920, "height": 1080}
WAIT_MS = 10_000

SETTINGS = {
    "scoring": "fixed",
    "start": "host",
    "advance": "host",
    "countdown_s": 0,
    "reveal_s": 0,
}
LONG_S = 600


def choice(text: str, *options: str, **more: object) -> dict[str, Any]:
    """Return a question that is open for long; the first of *options* is correct."""
    return {
        "type": "single_choice",
        "text": text,
        "options": list(options),
        "correct": [options[0]],
        "time_s": LONG_S,
        **more,
    }


MICE = choice(
    "One hungry mouse, two hungry ____ …",
    "mice",
    "mouses",
    "mouse",
    "mousen",
    explanation="Mouse → mice, just like louse → lice. But house → houses!",
)
SHEEP = {
    "type": "true_false",
    "text": "The plural of “sheep” is “sheeps”.",
    "correct": ["False"],
    "time_s": LONG_S,
    "points": 2000,
}
NOUNS = choice(
    "Which of these words are nouns?",
    "table",
    "window",
    "quickly",
    "run",
    type="multiple_choice",
    correct=["table", "window"],
)


def quiz(*questions: Mapping[str, Any], **settings: object) -> dict[str, Any]:
    """Return a quiz of *questions* that a host leads, or of three of three types."""
    return {
        "title": "English in five minutes",
        "level": "A2",
        "settings": {**SETTINGS, **settings},
        "questions": list(questions or (MICE, SHEEP, NOUNS)),
    }


@dataclass  # without slots: Playwright keeps its wrappers of our methods on us
class Watch:
    """What no page may do: complain, fail, or speak to anybody else.

    A test that breaks the line says so by *forgiven*, a pattern of the browser's own
    complaints about that.
    """

    origin: str
    forgiven: str = ""
    problems: list[str] = field(default_factory=list)

    def page(self, page: Page) -> None:
        """Watch *page* from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._address(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if self.forgiven and re.search(self.forgiven, message.text):
            return
        self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and parts.netloc != self.origin:
            self.problems.append(f"another origin: {url}")


@dataclass(slots=True)
class Session:
    """A session on *server*, led over REST."""

    server: Server
    opened: dict[str, Any]

    @property
    def pin(self) -> str:
        """The PIN."""
        return str(self.opened["pin"])

    @property
    def quiz_id(self) -> str:
        """The quiz's id."""
        return str(self.opened["quizId"])

    async def lead(self, command: str, **body: object) -> dict[str, Any]:
        """Do a host's command."""
        async with self.server.api(self.opened["hostToken"]) as api:
            answer = await api.post(f"/quizzes/{self.quiz_id}/{command}", json=body)
            assert answer.status_code == 200, answer.text
            reply: dict[str, Any] = answer.json()
            return reply

    async def end(self) -> None:
        """End it, unless it is over already."""
        async with self.server.api(self.opened["hostToken"]) as api:
            await api.post(f"/quizzes/{self.quiz_id}/end")

    async def participants(self) -> dict[str, str]:
        """Return the participants' ids by their names."""
        async with self.server.api(self.opened["hostToken"]) as api:
            answer = await api.get(f"/quizzes/{self.quiz_id}/leaderboard")
            lines = answer.json()["leaderboard"]
        return {line["participantName"]: line["participantId"] for line in lines}


@dataclass(slots=True)
class Player:
    """Somebody in front of a page."""

    page: Page
    name: str = ""

    async def join(self, address: str, name: str) -> Self:
        """Join by the link of a QR code, and see the lobby."""
        await self.page.goto(f"/play/{address}")
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_role("button", name="Join", exact=True).click()
        self.name = name
        return self

    async def sees(self, text: str | re.Pattern[str]) -> None:
        """Hold the page to show *text* soon."""
        shown = self.page.get_by_text(text).filter(visible=True)
        await expect(shown.first).to_be_visible(timeout=WAIT_MS)

    async def sees_heading(self, text: str | re.Pattern[str]) -> None:
        """Hold the page to have a heading with *text* soon."""
        heading = self.page.get_by_role("heading", name=text)
        await expect(heading.first).to_be_visible(timeout=WAIT_MS)

    async def picks(self, option: str) -> None:
        """Click an option."""
        await self.page.locator(".option", has_text=option).click()

    async def result(self) -> str:
        """Return the line under the own answer, once the server has spoken."""
        line = self.page.locator(".result:not(.sending) strong")
        return await line.inner_text(timeout=WAIT_MS)


class Stage:
    """A server, a browser, and the pages on it."""

    def __init__(self, server: Server, browser: Browser) -> None:
        self.server = server
        self.browser = browser
        self.watch = Watch(urlsplit(server.url).netloc)
        self.contexts: list[BrowserContext] = []
        self.sessions: list[Session] = []
        self._lines = AsyncExitStack()

    async def open(self, **settings: object) -> Session:
        """Open a session of the usual quiz."""
        return await self.open_quiz(quiz(**settings))

    async def open_quiz(self, definition: Mapping[str, Any]) -> Session:
        """Open a session of *definition*."""
        session = Session(self.server, await self.server.open_quiz(definition))
        self.sessions.append(session)
        return session

    async def context(self, **options: Any) -> BrowserContext:  # noqa: ANN401
        """Return a browser of somebody's own: storage and all."""
        made = await self.browser.new_context(
            base_url=self.server.url,
            **{"viewport": PHONE, "locale": "en-GB", **options},
        )
        made.set_default_timeout(WAIT_MS)
        self.contexts.append(made)
        return made

    async def player(self, **options: Any) -> Player:  # noqa: ANN401
        """Return somebody with a browser of their own."""
        page = await (await self.context(**options)).new_page()
        self.watch.page(page)
        return Player(page)

    async def joined(self, session: Session, *names: str) -> list[Player]:
        """Return players who are in the lobby of *session*."""
        players = [await (await self.player()).join(session.pin, n) for n in names]
        for player in players:
            await player.sees_heading(f"You’re in, {player.name}!")
        return players

    async def idle(self, session: Session) -> None:
        """Have somebody there who never answers, so that questions stay open."""
        ticket = await self.server.join(session.pin, "Idle")
        await self._lines.enter_async_context(SocketPlayer.of(ticket))

    async def close(self) -> None:
        """Close every page, and end every session; have a killed server back."""
        for context in self.contexts:
            await context.close()
        await self._lines.aclose()
        try:
            for session in self.sessions:
                await session.end()
        except httpx.ConnectError:
            await self.server.start()

"""Ten thousand players on the host's page: what it costs the page to show them.

The page is the real one; its socket is a fake inside of it, so that nothing but the
page is measured. Frame times are the distances of animation frames on 1920x1080, drawn
by the processor alone; long tasks are what the browser calls so (50 ms and more).
A machine that is busy gets more than one try.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.host_page import Host, host_page
from tests.browser.quiet import best_of_some
from tests.browser.stage import PROJECTOR, Stage
from tests.support.contract import check_server_message

pytestmark = pytest.mark.alone

P95_MS = 25.0
TASK_MAX_MS = 100.0
PLAYERS = 10_000
BOARD_LINES = 1_000
NAMES_SHOWN = 60
ROWS_MAX = 60
FRAMES_MIN = 60
AT = "2026-01-31T09:30:00.000Z"

FAKE = """() => {
  class Fake {
    static CONNECTING = 0;
    static OPEN = 1;
    readyState = 0;
    constructor() {
      globalThis.line = this;
      setTimeout(() => {
        this.readyState = 1;
        globalThis.say(globalThis.welcome);
      });
    }
    send(text) {
      const { type, payload } = JSON.parse(text);
      if (type !== "heartbeat") return;
      const own = { serverTime: new Date().toISOString(), sentAt: payload.sentAt };
      globalThis.say(JSON.stringify({ type, payload: own }));
    }
    close() {}
  }
  globalThis.WebSocket = Fake;
  globalThis.say = (data) => globalThis.line.onmessage?.({ data });
  globalThis.measure = async (act) => {
    const tasks = [];
    const watch = new PerformanceObserver((list) => tasks.push(...list.getEntries()));
    watch.observe({ type: "longtask" });
    const frames = [];
    let last = performance.now();
    let on = true;
    const frame = () => {
      const now = performance.now();
      frames.push(now - last);
      last = now;
      if (on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    await act();
    on = false;
    watch.disconnect();
    frames.sort((one, other) => one - other);
    return {
      frames: frames.length,
      p50: frames[Math.floor(frames.length / 2)],
      p95: frames[Math.floor(frames.length * 0.95)],
      worst: frames.at(-1),
      task: Math.max(0, ...tasks.map(({ duration }) => duration)),
    };
  };
  globalThis.feed = (texts, everyMs) => globalThis.measure(() =>
    new Promise((done) => {
      let at = 0;
      const timer = setInterval(() => {
        if (at < texts.length) globalThis.say(texts[at++]);
        else {
          clearInterval(timer);
          setTimeout(done, 500);
        }
      }, everyMs);
    }));
}"""
FEED = "([texts, everyMs]) => feed(texts, everyMs)"
SCROLL = """() => measure(() => new Promise((done) => {
  const rows = document.querySelector(".rows");
  let step = 0;
  const scroll = () => {
    rows.scrollTop = (rows.scrollHeight * step) / 120;
    step += 1;
    if (step <= 120) requestAnimationFrame(scroll);
    else done();
  };
  scroll();
}))"""


def message(kind: str, payload: object, **numbers: int) -> str:
    """Return a message that the server might send."""
    text = orjson.dumps({"type": kind, **numbers, "payload": payload}).decode()
    check_server_message(text, "host")
    return text


def player(index: int) -> dict[str, str]:
    """Return a player, as newcomers are told."""
    return {"participantId": f"p{index}", "participantName": f"Player number {index}"}


def board(seed: int, size: int) -> list[dict[str, Any]]:
    """Return the *size* best lines; where players stand differs by *seed*."""
    first = [(index * 7919 + seed * 104_729) % PLAYERS for index in range(size)]
    return [
        {**player(index), "score": 100_000 - rank, "rank": rank}
        for rank, index in enumerate(first, 1)
    ]


WELCOME = message(
    "welcome",
    {
        "sessionId": "s1",
        "quizId": "quiz",
        "pin": "123456",
        "participantId": None,
        "epoch": 1,
        "seq": 0,
        "resumed": False,
        "phase": "lobby",
        "serverTime": AT,
        "participants": 0,
        "you": {"role": "host"},
    },
)


async def _stand_in(route: Route) -> None:
    """Answer for the REST calls: every page of the board has its thousand lines."""
    url = route.request.url
    if "/leaderboard" not in url:
        await route.fulfill(json={"quizzes": []})
        return
    query = dict(pair.split("=") for pair in url.partition("?")[2].split("&"))
    offset, limit = int(query["offset"]), int(query["limit"])
    lines = board(0, PLAYERS)[offset : offset + limit]
    await route.fulfill(json={"leaderboard": lines, "total": PLAYERS})


Arrive = Callable[[], Awaitable[Host]]
Seen = dict[str, float]


@pytest.fixture
def arrive(stage: Stage) -> Arrive:
    """Open a host's page on a big screen, before anybody has come."""

    async def opened() -> Host:
        host = await host_page(stage, viewport=PROJECTOR)
        await host.page.add_init_script(f"({FAKE})()")
        await host.page.add_init_script(f"globalThis.welcome = {WELCOME!r}")
        await host.page.route("**/api/v1/**", _stand_in)
        await host.page.goto("/host/quiz#token=any")
        await host.sees("123 456")
        return host

    return opened


async def _smooth(run: Callable[[], Awaitable[Seen]]) -> None:
    """Hold *run* to the bounds."""

    def good(seen: Seen) -> bool:
        assert seen["frames"] > FRAMES_MIN
        return seen["p95"] < P95_MS and seen["task"] <= TASK_MAX_MS

    await best_of_some(run, good)


def _crowd() -> list[str]:
    """Return 10,000 newcomers, 20 at a time as the server tells them."""
    return [
        message(
            "participants_changed",
            {
                "participants": index + 20,
                "joined": [player(one) for one in range(index, index + 20)],
                "left": 0,
            },
            version=index,
        )
        for index in range(0, PLAYERS, 20)
    ]


async def _say(page: Page, *texts: str) -> None:
    await page.evaluate("(texts) => texts.forEach((text) => say(text))", list(texts))


async def _feed(page: Page, texts: list[str], every_ms: int) -> Seen:
    seen: Seen = await page.evaluate(FEED, [texts, every_ms])
    return seen


async def _scroll(page: Page) -> Seen:
    seen: Seen = await page.evaluate(SCROLL)
    return seen


async def _show_board(arrive: Arrive) -> Host:
    """Take a page to the board of a closed question of 10,000 players."""
    question = {
        "questionId": "q1",
        "text": "What is it?",
        "options": ["this", "that"],
        "startTime": AT,
        "endTime": "2026-01-31T09:30:20.000Z",
        "index": 0,
        "total": 5,
        "points": 1000,
        "questionType": "single_choice",
    }
    counts = [{"option": "this", "count": 6000}, {"option": "that", "count": 4000}]
    closed = {
        "questionId": "q1",
        "correctOptions": ["this"],
        "distribution": counts,
        "answered": PLAYERS,
    }
    host = await arrive()
    await _say(
        host.page,
        _crowd()[-1],
        message("new_question", question, seq=1),
        message("question_closed", closed, seq=2),
    )
    await host.sees_heading("What is it?")
    await host.strikes("b")
    await host.sees_heading("Leaderboard")
    return host


async def test_ten_thousand_names_come_smoothly(arrive: Arrive) -> None:
    """10,000 in four seconds, 60 times as many as the server tells; all count."""
    texts = _crowd()

    async def run() -> Seen:
        page = (await arrive()).page
        seen = await _feed(page, texts, 8)
        await expect(page.locator(".crowd-count")).to_have_text("10,000")
        assert await page.locator(".name").count() == NAMES_SHOWN
        await expect(page.locator(".name").first).to_have_text("Player number 9999")
        return seen

    await _smooth(run)


async def test_boards_of_ten_thousand_move_smoothly(arrive: Arrive) -> None:
    """The largest boards that can be configured, ten a second; then all is shown."""
    boards = [
        message(
            "leaderboard_changed", {"leaderboard": board(n, BOARD_LINES)}, version=n
        )
        for n in range(20)
    ]
    ended = message("quiz_ended", {"finalLeaderboard": board(1, PLAYERS)}, seq=3)
    hosts: list[Host] = []

    async def run() -> Seen:
        hosts.append(await _show_board(arrive))
        seen = await _feed(hosts[-1].page, [*boards, ended], 100)
        await hosts[-1].sees_heading("The winners")
        assert await hosts[-1].page.locator(".rows-line").count() < ROWS_MAX
        return seen

    await _smooth(run)
    page = hosts[-1].page
    await _smooth(lambda: _scroll(page))
    await expect(page.locator(".rows-line").last).to_contain_text("10,000")


async def test_a_list_of_ten_thousand_is_searched_smoothly(arrive: Arrive) -> None:
    """Who is to go is found by typing, and by scrolling from end to end."""
    host = await arrive()
    page = host.page
    await _say(page, _crowd()[-1])
    await host.presses("Players")
    await host.sees("10,000 players")
    await _smooth(lambda: _scroll(page))
    await page.get_by_label("Search by name").press_sequentially("number 4711")
    await host.sees("1 of 10,000 found")
    await expect(page.locator(".rows-line")).to_have_count(1)

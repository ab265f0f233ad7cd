"""The events in ``docs/events.md`` are those of a game that is played here."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from quizd.clock import ManualClock
from quizd.events import STREAMS, EventOptions, frame, stream_key
from quizd.events.frame import Span
from quizd.events.translate import Told
from quizd.journal.memory import MemoryJournal
from quizd.owner.runner import Runner
from quizd.redis_client import Client
from quizd.session import events as ev
from tests.events.stage import EVERYTHING, Event, Shard, on, shard
from tests.session.play import LEAD_MS, quiz, single
from tests.support.redis_server import needs_redis

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
EXAMPLE = re.compile(r"^```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)

SESSION = "4f1d0c8a9b2e7d36"
BEGIN_MS = 1_793_966_400_000
ANN = "0b8f3c52-6a1e-4d0f-9c55-2f6f1a7e9b10"
BEN = "7d2c9e14-3b6a-4f8d-8e21-5a0c4b9f6d33"
EVE = "c3a5f7e9-1d2b-4c6e-a8f0-9b7d5e3c1a24"


async def play(one: Shard) -> None:
    """Play the documented game; each step is told before the next one."""
    runner = await one.open(SESSION, quiz(single("green"), advance="host"))
    ids = {"Ann": ANN, "Ben": BEN, "Eve": EVE}
    joining = (ev.ParticipantJoined(who, name, "") for name, who in ids.items())
    await asyncio.gather(*(runner.submit(each) for each in joining))
    await step(one, runner, ev.HostStarted(), 400)
    await step(one, runner, ev.HostAdvanced(LEAD_MS), LEAD_MS + 2_000)
    answers = (answer(one, 0, "green"), answer(one, 1, "blue"))
    await asyncio.gather(*(runner.submit(each) for each in answers))
    await step(one, runner, ev.HostLocked(locked=True), 1_000)
    await step(one, runner, ev.HostPaused(), 60_000)
    await step(one, runner, ev.HostResumed(LEAD_MS), 1_000)
    await step(one, runner, ev.HostKicked(EVE, ban=True), 1_000)
    await step(one, runner, ev.HostAdvanced(LEAD_MS), 5_000)
    await step(one, runner, ev.HostAdvanced(LEAD_MS), 0)
    one.events.anchored(SESSION, runner.index, bytes(range(32)))
    await one.told()


async def step(one: Shard, runner: Runner, event: ev.Event, wait_ms: int) -> None:
    """Have what has happened told, then *event*; let *wait_ms* pass."""
    await one.told()
    await runner.submit(event)
    await one.told()
    one.clock.advance(wait_ms)


def answer(one: Shard, who: int, option: str) -> ev.AnswerSubmitted:
    """Return an answer to the only question, given now."""
    payload = {"questionId": "q1", "selectedOption": option}
    return ev.AnswerSubmitted(who, one.clock.now_ms(), payload)


@pytest_asyncio.fixture(loop_scope="module")
async def told(client: Client) -> AsyncIterator[dict[str, list[Event]]]:
    """Return what the documented game came to, by stream."""
    clock = ManualClock(BEGIN_MS)
    async with MemoryJournal() as journal:
        async with shard(journal, client, EVERYTHING, clock) as one:
            await play(one)
        yield {stream: await on(client, stream) for stream in STREAMS}


def documented() -> list[Event]:
    """Return the events on the page."""
    found: list[Event] = [
        orjson.loads(text) for text in EXAMPLE.findall(PAGE.read_text())
    ]
    return found


async def test_every_documented_event_is_told(told: dict[str, list[Event]]) -> None:
    """As it stands there, on the stream that its heading names."""
    examples = documented()
    assert {each["type"] for each in examples} == {*STREAMS, "gap", "anchor"}
    everything = [event for events in told.values() for event in events]
    for example in examples:
        if example["type"] != "gap":
            assert example in everything, orjson.dumps(example).decode()


async def test_the_documented_gap_is_one() -> None:
    """It is what forgotten batches come to, on each stream the same."""
    (example,) = [each for each in documented() if each["type"] == "gap"]
    missed = Told()
    missed.miss(1, 10)
    span = Span(SESSION, "colours", 1, 12, BEGIN_MS)
    events = list(frame.told(span, missed, quiz(), STREAMS))
    assert [stream for stream, _ in events] == list(STREAMS)
    assert [orjson.loads(text) for _, text in events] == [example] * len(STREAMS)


async def test_the_page_says_what_is_told_by_default() -> None:
    """All streams are there, and the ones that have to be switched on are known."""
    rows = dict(
        re.findall(
            r"^\| `quizd:events:(\w+)` .*\| (.*) \|$", PAGE.read_text(), re.MULTILINE
        )
    )
    by_default = {name for name, told in rows.items() if told == "unless switched off"}
    assert by_default == set(EventOptions().streams)
    assert rows.keys() == {*STREAMS, "logins"}
    assert f"{EventOptions().max_length:,} events" in PAGE.read_text()


async def test_every_change_of_phase_is_documented(
    told: dict[str, list[Event]],
) -> None:
    """The page names each, and the fields that it has beside the common ones."""
    page = PAGE.read_text()
    common = documented()[0].keys() - {"joined", "removed"}
    for event in told["phases"]:
        line = re.search(rf"^\| `{event['change']}` \|.*$", page, re.MULTILINE)
        assert line is not None, event["change"]
        fields = event.keys() - common - {"change"}
        assert set(re.findall(r"`(\w+)`", line[0])) == fields | {event["change"]}


async def test_events_name_nobody(told: dict[str, list[Event]], client: Client) -> None:
    """People are ids: erasing a name in the store is all that erasing takes."""
    assert told["joins"]
    for stream in STREAMS:
        text = str(await client.xrange(stream_key(stream)))
        assert not re.search(r"\b(Ann|Ben|Eve)\b", text)

"""A joining that was lost with the end of the journal: its token opens nothing.

As after a crash of owner and Redis together, or with a database from a backup: the
participant's index is then given to whoever joins next.
"""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import patch

import httpx
import pytest

from quizd.accounts.tokens import Role
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Limits, Runner
from tests.api.stage import API, LEAD_MS, Json, Opened, Recorder, Stage, bearer


class ForgetfulStage(Stage):
    """A stage whose journal may lose its end."""

    async def lose_last_batch(self, session: Opened) -> None:
        """Let the journal be without its latest batch, and a new owner read it."""
        kept = self.journal._sessions[session.session_id]
        del kept.log[kept.last_index]
        kept.last_index -= 1
        kept.hash = kept.log[kept.last_index].hash
        await self.owner.stop()
        settings = OwnerSettings(
            sessions=10, capacity=100, runner=Limits(1000, LEAD_MS)
        )
        self.owner = Owner(self.journal, self.clock, settings, lambda _: Recorder())
        await self.owner.recover()
        self.owner.start()
        self.rebuild(sessions=self.owner)

    async def state_of(self, ticket: Json) -> httpx.Response:
        """Ask for the state with a ticket's token."""
        url = f"{API}/quizzes/words/state"
        return await self.api.get(url, headers=bearer(ticket["token"]))


@pytest.fixture
async def stage() -> AsyncIterator[ForgetfulStage]:
    """Return a stage that runs."""
    async with ForgetfulStage() as running:
        yield running


async def _lose(stage: ForgetfulStage) -> tuple[Opened, Json]:
    """Open a session and lose the second player's joining; return its ticket."""
    session = await stage.open()
    await stage.join("Ann")
    lost = await stage.join("Lost")
    await stage.lose_last_batch(session)
    return session, lost


def _told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_who_was_lost_is_to_join_again(stage: ForgetfulStage) -> None:
    """401 as long as nobody has the index; joining with the token makes one new."""
    _, lost = await _lose(stage)
    assert _told(await stage.state_of(lost)) == (401, "unauthorized")
    answer = await stage.ask_to_join("Lost", **bearer(lost["token"]))
    assert _told(answer) == (200, "")
    assert answer.json()["participantId"] != lost["participantId"]
    assert _told(await stage.state_of(answer.json())) == (200, "")


async def test_who_was_lost_plays_in_nobodys_name(stage: ForgetfulStage) -> None:
    """When somebody new has the index, the token opens nothing of theirs."""
    session, lost = await _lose(stage)
    bea = await stage.join("Bea")
    await stage.ask_first_question(session)
    assert _told(await stage.state_of(lost)) == (401, "unauthorized")
    assert _told(await stage.answer(lost, "no")) == (401, "unauthorized")
    right = await stage.answer(bea, "yes")
    assert (right.status_code, right.json()["correct"]) == (200, True)
    answer = await stage.ask_to_join("Lost", **bearer(lost["token"]))
    assert answer.json()["participantName"] == "Lost"
    known = {lost["participantId"], bea["participantId"]}
    assert answer.json()["participantId"] not in known


async def test_a_token_that_names_nobody_still_opens_its_place(
    stage: ForgetfulStage,
) -> None:
    """As those did that were given out before tokens said whose they are."""
    session = await stage.open()
    ticket = await stage.join("Ann")
    token = stage.token(Role.PARTICIPANT, session.session_id)
    assert _told(await stage.state_of({"token": token})) == (200, "")
    answer = await stage.ask_to_join("Ann", **bearer(token))
    assert answer.json()["participantId"] == ticket["participantId"]


async def test_who_may_be_in_is_waited_for(stage: ForgetfulStage) -> None:
    """A shard that follows may hear of a joining later than the player: no refusal."""
    session = await stage.open()
    token = stage.token(Role.PARTICIPANT, session.session_id)
    heard, asked = asyncio.Event(), asyncio.Queue[int]()

    async def expect(participant: int) -> None:
        asked.put_nowait(participant)
        await heard.wait()

    with patch.object(
        Runner, "expect", lambda _, who: asyncio.ensure_future(expect(who))
    ):
        reading = asyncio.ensure_future(stage.state_of({"token": token}))
        joining = asyncio.ensure_future(stage.ask_to_join("Ann", **bearer(token)))
        assert [await asked.get(), await asked.get()] == [0, 0]
        ticket = await stage.join("Ann")
        heard.set()
        answers = await asyncio.gather(reading, joining)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["participantId"] == ticket["participantId"]

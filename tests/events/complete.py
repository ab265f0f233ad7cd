"""Whether all that a journal has was told, however often and in however many pieces."""

from collections.abc import Sequence
from typing import Any

from quizd.journal.base import Journal
from quizd.redis_client import Client
from quizd.session import records as rec
from tests.events.stage import Event, journalled, on
from tests.oracle import packed
from tests.oracle.game import recount

Answers = dict[tuple[int, str], int]


async def assert_all_told(
    journal: Journal, client: Client, session_id: str = "s1"
) -> None:
    """Fail unless the streams have all of a session that has ended, and no gap."""
    records = await journalled(journal, session_id)
    for stream in ("joins", "phases", "answers", "scores", "leaderboard", "results"):
        assert not [e for e in await on(client, stream) if e["type"] == "gap"]
    ids = [r.participant_id for r in records if isinstance(r, rec.ParticipantAdded)]
    assert joined(await on(client, "joins")) == set(ids)
    assert answers_told(await on(client, "answers")) == answers_in(records, ids)
    assert_phases(await on(client, "phases"), records)
    assert_standings(
        await on(client, "scores"), await on(client, "results"), records, ids
    )


def joined(events: Sequence[Event]) -> set[str]:
    """Return who has joined."""
    return {each["participantId"] for event in events for each in event["joined"]}


def answers_told(events: Sequence[Event]) -> Answers:
    """Return the points of each answer, by question and participant."""
    return {
        (event["index"], each["participantId"]): each["points"]
        for event in events
        for each in event["answers"]
    }


def answers_in(records: Sequence[rec.Record], ids: Sequence[str]) -> Answers:
    """Return the same, as the oracle reads the records."""
    found: Answers = {}
    for record in records:
        if isinstance(record, rec.AnswersAccepted):
            question, answers = packed.unpack(record.packed)
            for each in answers:
                found[question, ids[each.participant]] = each.points
    return found


def assert_phases(events: Sequence[Event], records: Sequence[rec.Record]) -> None:
    """Fail unless each question was opened and closed, in order, and the end came.

    What was told again counts where it was told last.
    """
    last: dict[str, Event] = {}
    for event in events:
        last.pop(event["id"], None)
        last[event["id"]] = event
    shown = [(e["change"], e.get("index")) for e in last.values()]
    expected: list[tuple[str, Any]] = []
    for record in records:
        if isinstance(record, rec.QuestionOpened):
            expected.append(("question", record.index))
        elif isinstance(record, rec.QuestionClosed):
            expected.append(("reveal", record.index))
        elif isinstance(record, rec.SessionEnded):
            expected.append(("ended", None))
    kinds = ("question", "reveal", "ended")
    assert [each for each in shown if each[0] in kinds] == expected


def assert_standings(
    scores: Sequence[Event],
    results: Sequence[Event],
    records: Sequence[rec.Record],
    ids: Sequence[str],
) -> None:
    """Fail unless the latest scores and the results are those of the oracle."""
    counted = recount(records).standings
    final = {
        who: (each.score, each.rank)
        for who, each in zip(ids, counted, strict=True)
        if each.rank
    }
    latest: dict[str, int] = {}
    for event in sorted(scores, key=lambda each: each["through"]):
        latest |= {each["participantId"]: each["score"] for each in event["scores"]}
    assert {who: latest.get(who, 0) for who in final} == {
        who: score for who, (score, _) in final.items()
    }
    board = max(results, key=lambda each: each["through"])["leaderboard"]
    lines = {each["participantId"]: (each["score"], each["rank"]) for each in board}
    assert lines == final

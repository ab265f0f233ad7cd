# ruff: noqa: INP001 - a program, not a package
"""Adds up everybody's points from the event streams, for each session that ends.

    python examples/event_scores.py redis://127.0.0.1:6379/0 [GROUP [CONSUMER]]

Prints a JSON line per session: ``{"sessionId", "scores": {participantId: points}}``, or
``{"sessionId", "gap": true}`` where events were lost. Needs redis-py and nothing else,
and a quizd that tells answers, which it does not unless asked:

    QUIZD_EVENTS__STREAMS=joins,phases,answers,leaderboard,results quizd serve

What was read is acknowledged when the line is out. So after a crash the next start is
given the same events again, and adds them up again: events may come twice, and an
answer is known by who gave it to which question.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import redis

ANSWERS, JOINS, RESULTS = (
    f"quizd:events:{name}" for name in ("answers", "joins", "results")
)
STREAMS = (ANSWERS, JOINS, RESULTS)
COUNT = 100
BLOCK_MS = 1000
TRIMMED = b'{"type": "trimmed"}'

Places = dict[Any, Any]
"""From where on each stream is read; ``>`` is what nobody of the group was given."""


@dataclass
class Session:
    """What is known of a session so far, and the entries that say so."""

    points: dict[tuple[str, str], int] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    answers: int | None = None
    gap: bool = False
    entries: list[tuple[str, bytes]] = field(default_factory=list)

    def take(self, event: dict[str, Any]) -> None:
        """Note what an event says; hearing it twice changes nothing."""
        match event["type"]:
            case "answers":
                for answer in event["answers"]:
                    key = (answer["participantId"], event["questionId"])
                    self.points[key] = answer["points"]
            case "joins":
                self.joined |= {each["participantId"] for each in event["joined"]}
                self.removed |= {each["participantId"] for each in event["removed"]}
            case "results":
                self.answers = event["answers"]
            case "gap":
                self.gap = True

    @property
    def complete(self) -> bool:
        """Whether it is over, and every answer is here or can't come any more."""
        if self.answers is None:
            return False
        return self.gap or len(self.points) == self.answers

    def scores(self) -> dict[str, int]:
        """Return what everybody has who was in at the end."""
        scores = dict.fromkeys(self.joined - self.removed, 0)
        for (participant, _), points in self.points.items():
            if participant in scores:
                scores[participant] += points
        return scores


class Reader:
    """One consumer of a group, on all streams."""

    def __init__(self, url: str, group: str, consumer: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._group = group
        self._consumer = consumer
        for stream in STREAMS:
            try:
                self._client.xgroup_create(stream, group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def entries(self) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
        """Yield what was given out and not acknowledged, then what is new."""
        places: Places = dict.fromkeys(STREAMS, "0")
        while places[ANSWERS] != ">":
            found = 0
            for stream, number, event in self._read(places, None):
                places[stream] = number
                found += 1
                yield stream, number, event
            if not found:
                places = dict.fromkeys(STREAMS, ">")
        while True:
            yield from self._read(places, BLOCK_MS)

    def _read(
        self, places: Places, block_ms: int | None
    ) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
        reply: Any = self._client.xreadgroup(
            self._group, self._consumer, places, COUNT, block_ms
        )
        for stream, entries in reply or ():
            for number, fields in entries:
                yield stream.decode(), number, json.loads(fields.get(b"event", TRIMMED))

    def acknowledge(self, entries: list[tuple[str, bytes]]) -> None:
        """Say that these need not come again."""
        for stream, number in entries:
            self._client.xack(stream, self._group, number)


def main(url: str, group: str = "scores", consumer: str = "one") -> None:
    """Read until stopped."""
    reader = Reader(url, group, consumer)
    sessions: defaultdict[str, Session] = defaultdict(Session)
    finished: set[str] = set()
    for stream, number, event in reader.entries():
        session_id = event.get("sessionId")
        if session_id is None or session_id in finished:
            reader.acknowledge([(stream, number)])
            continue
        session = sessions[session_id]
        session.entries.append((stream, number))
        session.take(event)
        if session.complete:
            outcome = {"gap": True} if session.gap else {"scores": session.scores()}
            line = json.dumps({"sessionId": session_id, **outcome})
            print(line, flush=True)  # noqa: T201 - what it is for
            reader.acknowledge(sessions.pop(session_id).entries)
            finished.add(session_id)


if __name__ == "__main__":
    main(*sys.argv[1:])

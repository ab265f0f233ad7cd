"""A session, its hub and its lines, without a server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from quizd.edge.hub import Hub
from quizd.owner.runner import Runner
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session.live import LiveSession
from quizd.settings import Settings
from tests.support.wires import StageRunner, session

SETTLED_S = 30.0


@dataclass
class Stage:
    """A session, its hub, and a way to let things happen."""

    live: LiveSession
    hub: Hub
    runner: StageRunner
    now_ms: int = 0

    def does(self, *events: ev.Event) -> None:
        """Let *events* happen, one tick for all of them."""
        effects: list[fx.Effect] = []
        for event in events:
            for record in self.live.decide(event, self.now_ms):
                effects.extend(self.live.apply(record))
        self.hub.release(effects)

    def opens_question(self) -> None:
        """Start, and open the first question."""
        self.does(ev.HostStarted())
        self.does(ev.HostAdvanced())

    def answers(self, participant: int, option: str) -> None:
        """Let *participant* answer the open question."""
        question = self.live.state.question
        assert question is not None
        payload = {"questionId": question.id, "selectedOption": option}
        self.does(ev.AnswerSubmitted(participant, self.now_ms, payload))


def stage(players: int, settings: Settings | None = None, **quiz: object) -> Stage:
    """Return a stage with *players* who have joined; needs a running loop."""
    live = session(players, **quiz)
    runner = StageRunner(live.state)
    return Stage(live, Hub(cast("Runner", runner), settings or Settings()), runner)


def only(kind: str, messages: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the payload of the one message of *kind*."""
    (found,) = [one["payload"] for one in messages if one["type"] == kind]
    payload: dict[str, Any] = found
    return payload


def seqs(messages: Iterable[dict[str, Any]]) -> list[int]:
    """Return the numbers of the broadcasts among *messages*."""
    return [message["seq"] for message in messages if "seq" in message]


def boards(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the payloads of the boards among *messages*."""
    return [m["payload"] for m in messages if m["type"] == "leaderboard_changed"]

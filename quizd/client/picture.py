"""What a client knows of its session: kept from messages alone, no socket in sight.

The order of broadcasts is checked here. After ``welcome`` with seq S only S+1, S+2 …
may come; anything else means that something was missed, and only a new welcome helps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from quizd.client.faults import Gap
from quizd.client.messages import Message, Question, instant_ms

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of a leaderboard."""

    participant_id: str
    name: str
    score: int
    rank: int


@dataclass(slots=True)
class Picture:
    """The session as this participant sees it; before a welcome, nothing is known."""

    epoch: int | None = None
    seq: int | None = None
    phase: str = "lobby"
    participants: int = 0
    score: int = 0
    rank: int | None = None
    of: int | None = None
    streak: int = 0
    question: Question | None = None
    leaderboard: tuple[Standing, ...] = ()
    _phase_before_pause: str = "lobby"
    _versions: dict[str, int] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether the quiz has ended."""
        return self.phase == "ended"

    def apply(self, message: Message) -> bool:
        """Take *message* in; return ``False`` if it is older than what is known.

        Raises :class:`Gap` where a broadcast is not the next one, and ``KeyError``,
        ``TypeError`` or ``ValueError`` where the payload is not what its type has.
        """
        if message.seq is not None:
            self._count(message.seq)
        if message.version is not None and self._outdated(message):
            return False
        handler = self._HANDLERS.get(message.type)
        if handler is not None:
            handler(self, message.payload)
        return True

    def _count(self, seq: int) -> None:
        due = None if self.seq is None else self.seq + 1
        if seq != due:
            raise Gap(due, seq)
        self.seq = seq

    def _outdated(self, message: Message) -> bool:
        version = message.version or 0
        if version < self._versions.get(message.type, 0):
            return True
        self._versions[message.type] = version
        return False

    def _welcome(self, payload: Payload) -> None:
        self.epoch, self.seq = payload["epoch"], payload["seq"]
        self.phase = payload["phase"]
        self.participants = payload["participants"]
        self._versions.clear()
        question = payload.get("question")
        self.question = Question.from_payload(question) if question else None
        self._phase_before_pause = "question" if question else "reveal"
        self._rank_me(payload)
        self._rank_all(payload.get("leaderboard"))

    def _participants_changed(self, payload: Payload) -> None:
        self.participants = payload["participants"]

    def _quiz_starting(self, _payload: Payload) -> None:
        self.phase = "starting"

    def _new_question(self, payload: Payload) -> None:
        self.phase = "question"
        self.question = Question.from_payload(payload)

    def _answer_result(self, payload: Payload) -> None:
        self.score = payload.get("score", self.score)
        self.rank = payload.get("rank", self.rank)

    def _question_closed(self, payload: Payload) -> None:
        self.phase = "reveal"
        self.question = None
        self._rank_me(payload)

    def _board(self, payload: Payload) -> None:
        self._rank_me(payload)
        self._rank_all(payload["leaderboard"])

    def _quiz_paused(self, _payload: Payload) -> None:
        self._phase_before_pause, self.phase = self.phase, "paused"

    def _quiz_resumed(self, payload: Payload) -> None:
        self.phase = self._phase_before_pause
        if "startsAt" in payload:
            self.phase = "starting"
        if "endTime" in payload:
            self.phase = "question"
            self._prolong(instant_ms(payload["endTime"]))

    def _prolong(self, end_ms: int) -> None:
        if self.question is not None:
            self.question = replace(self.question, end_ms=end_ms)

    def _quiz_ended(self, payload: Payload) -> None:
        self.phase = "ended"
        self.question = None
        self._rank_me(payload)
        self._rank_all(payload["finalLeaderboard"])

    def _rank_me(self, payload: Payload) -> None:
        """Take ``you``, which a host's messages lack or fill otherwise."""
        you = payload.get("you", {})
        self.score = you.get("score", self.score)
        self.rank = you.get("rank", self.rank)
        self.of = you.get("of", self.of)
        self.streak = you.get("streak", self.streak)

    def _rank_all(self, board: list[Payload] | None) -> None:
        if board is None:
            return
        self.leaderboard = tuple(
            Standing(
                participant_id=line["participantId"],
                name=line.get("participantName") or line["participantId"],
                score=line["score"],
                rank=line["rank"],
            )
            for line in board
        )

    _HANDLERS: ClassVar[dict[str, Callable[["Picture", Payload], None]]] = {
        "welcome": _welcome,
        "participants_changed": _participants_changed,
        "quiz_starting": _quiz_starting,
        "new_question": _new_question,
        "answer_result": _answer_result,
        "question_closed": _question_closed,
        "leaderboard_changed": _board,
        "leaderboard_data": _board,
        "quiz_paused": _quiz_paused,
        "quiz_resumed": _quiz_resumed,
        "quiz_ended": _quiz_ended,
    }

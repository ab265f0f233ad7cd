"""One question's answers in plain Python: the model of a compiled sheet."""

from dataclasses import dataclass, field

from tests.oracle.packed import Packed
from tests.oracle.rules import bonus, worth

FULL_CREDIT = 1000

Wanted = tuple[int, int, bytes, bytes, bytes]
"""What came in: participant, instant, question's id, option, claimed instant."""


@dataclass(slots=True)
class Judged:
    """What judging a tick's answers comes to, as ``Verdicts`` has it."""

    accepted: list[Packed] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    general: list[Wanted] = field(default_factory=list)


@dataclass(slots=True)
class SheetModel:
    """The same as a sheet that is given these, with a dict for a memory."""

    points: int
    time_ms: int
    speed: bool
    streak_bonus: bool
    graded: bool
    start_ms: int
    end_ms: int
    previous: "SheetModel | None" = None
    answers: dict[int, Packed] = field(default_factory=dict)
    carried: dict[int, int] = field(default_factory=dict)

    def judge(
        self,
        wanted: list[Wanted],
        question_id: bytes,
        options: tuple[bytes, ...],
        correct: int,
        removed: set[int],
    ) -> Judged:
        """Judge *wanted* in their order, each knowing those before it."""
        judged = Judged()
        given = {who: answer.response for who, answer in self.answers.items()}
        for who, received_ms, asked, option, claim in wanted:
            if who in removed:
                judged.refused.append((who, "forbidden"))
            elif asked != question_id:
                judged.general.append((who, received_ms, asked, option, claim))
            elif option not in options:
                judged.refused.append((who, "invalid_option"))
            else:
                place = options.index(option)
                response = bytes([place])
                verdict = self.verdict(given, who, received_ms, response)
                if verdict == "accepted":
                    credit = FULL_CREDIT if place == correct else 0
                    packed = self.packed(who, received_ms, response, credit, claim)
                    judged.accepted.append(packed)
                    given[who] = response
                elif verdict == "repeated":
                    judged.repeated.append(who)
                else:
                    judged.refused.append((who, verdict))
        return judged

    def verdict(
        self, given: dict[int, bytes], who: int, received_ms: int, response: bytes
    ) -> str:
        """Return what becomes of *response*, where *given* are the earlier ones."""
        if who in given:
            return "repeated" if given[who] == response else "already_answered"
        return "too_late" if received_ms > self.end_ms else "accepted"

    def packed(
        self, who: int, received_ms: int, response: bytes, credit: int, claim: bytes
    ) -> Packed:
        """Return the answer as it is to be recorded."""
        elapsed_ms = max(received_ms - self.start_ms, 0)
        points = self.worth(who, elapsed_ms, credit)
        return Packed(who, received_ms, elapsed_ms, points, credit, response, claim)

    def worth(self, who: int, elapsed_ms: int, credit: int) -> int:
        """Return the points of an answer, its share of them rounded half up."""
        if not credit:
            return 0
        points = worth(self.points, elapsed_ms, self.time_ms, speed=self.speed)
        share = (points * credit + FULL_CREDIT // 2) // FULL_CREDIT
        if self.streak_bonus and self.points and self.graded:
            share += bonus(self.before(who))
        return share

    def apply(self, answers: list[Packed]) -> None:
        """Enter *answers*."""
        for answer in answers:
            self.answers[answer.participant] = answer

    def before(self, who: int) -> int:
        """Return the correct answers in a row before this question."""
        return self.previous.streak(who) if self.previous else 0

    def streak(self, who: int) -> int:
        """Return the correct answers in a row, this question included."""
        if who in self.carried:
            return self.carried[who]
        answer = self.answers.get(who)
        return self.before(who) + 1 if answer and answer.credit else 0

    def close(self, participants: int) -> None:
        """Let the streaks of a question that is not graded go on."""
        if not self.graded:
            self.carried = {who: self.before(who) for who in range(participants)}

    def result(self, who: int) -> tuple[int, int, bool, int]:
        """Return instant, points, correctness and streak; zeros without an answer."""
        answer = self.answers.get(who)
        if answer is None:
            return 0, 0, False, self.streak(who)
        return answer.received_ms, answer.points, answer.credit > 0, self.streak(who)

    def distribution(self, buckets: int) -> list[int]:
        """Return how many answers fell in each bucket."""
        chosen = [place for a in self.answers.values() for place in a.response]
        return [chosen.count(bucket) for bucket in range(buckets)]

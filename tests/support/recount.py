"""A recount by the names that players know: participants and questions by id."""

from collections.abc import Sequence
from typing import Any

import orjson

from quizd.session import records as rec
from tests.oracle.game import recount
from tests.oracle.rules import Answer, Line


class Recount:
    """A game counted again from *records*."""

    def __init__(self, records: Sequence[rec.Record]) -> None:
        opened = records[0]
        assert isinstance(opened, rec.SessionOpened)
        self.game = recount(records)
        questions = orjson.loads(opened.quiz)["questions"]
        self.questions = [question["id"] for question in questions]
        self.ids = [
            record.participant_id
            for record in records
            if isinstance(record, rec.ParticipantAdded)
        ]

    def answers_of(self, participant_id: str) -> dict[str, Answer]:
        """Return a participant's answers by question."""
        index = self.ids.index(participant_id)
        return {
            self.questions[answer.question]: answer
            for answer in self.game.answers
            if answer.participant == index
        }

    def place_of(self, participant_id: str) -> tuple[int, int]:
        """Return a participant's final score and rank."""
        standing = self.game.standings[self.ids.index(participant_id)]
        return standing.score, standing.rank

    def outcomes_of(self, participant_id: str) -> dict[str, dict[str, Any]]:
        """Return what each ``question_closed`` has to tell a participant."""
        index = self.ids.index(participant_id)
        return {
            self.questions[reveal.question]: {
                "correct": reveal.outcomes[index].correct,
                "points": reveal.outcomes[index].points,
                "score": reveal.outcomes[index].standing.score,
                "rank": reveal.outcomes[index].standing.rank,
                "of": reveal.outcomes[index].of,
                "gapToNext": reveal.outcomes[index].standing.gap,
                "streak": reveal.outcomes[index].standing.streak,
                "percentile": reveal.outcomes[index].standing.percentile,
            }
            for reveal in self.game.reveals
        }

    def board(self, size: int) -> list[dict[str, Any]]:
        """Return the first *size* lines of the final board, as messages have them."""
        return [self._line(line) for line in self.game.board[:size]]

    def _line(self, line: Line) -> dict[str, Any]:
        index, score, rank = line
        return {
            "participantId": self.ids[index],
            "participantName": self.game.names[index],
            "score": score,
            "rank": rank,
        }

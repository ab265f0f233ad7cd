"""What only all players together show: whether ranks are right, to the last one."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from bench.load.fleet import FAULTS_MAX, Violations

BOARD_FIELDS = ("participantId", "score", "rank")


@dataclass(frozen=True, slots=True)
class Standings:
    """What all players were told at one moment; 0 for who was told nothing."""

    scores: Sequence[int]
    ranks: Sequence[int]
    ofs: Sequence[int]

    @classmethod
    def of_parts(
        cls, scores: Sequence[bytes], ranks: Sequence[bytes], ofs: Sequence[bytes]
    ) -> Self:
        """Join the parts of several processes: packed int64, by player."""
        return cls(unpacked(scores), unpacked(ranks), unpacked(ofs))


def unpacked(parts: Sequence[bytes]) -> Sequence[int]:
    """Return the packed int64 of all *parts*, one after the other."""
    numbers = array("q")
    for part in parts:
        numbers.frombytes(part)
    return numbers


def check_standings(moment: str, told: Standings) -> Violations:
    """Hold ranks against the scores of all, who are everybody in the session.

    A rank is one more than there are players with a strictly greater score ("1224"),
    and ``of`` is how many there are. *moment* is for the texts.
    """
    count, texts = 0, []
    for text in _wrong_standings(told):
        count += 1
        if count <= FAULTS_MAX:
            texts.append(f"{moment}: {text}")
    return Violations(count, tuple(texts))


def _wrong_standings(told: Standings) -> Iterator[str]:
    ascending = sorted(told.scores)
    players = len(ascending)
    lines = zip(told.scores, told.ranks, told.ofs, strict=True)
    for number, (score, rank, of) in enumerate(lines):
        right = players - bisect_right(ascending, score) + 1
        if rank == 0:
            yield f"{number}: was told no rank"
        elif rank != right:
            yield f"{number}: rank {rank} with score {score}, {right} is right"
        elif of != players:
            yield f"{number}: rank is of {of}, {players} are there"


def check_board(
    final: bytes, participant_ids: Sequence[str], told: Standings
) -> Violations:
    """Hold the board in ``quiz_ended``'s payload against what players were told.

    It has to be the best ones, in order, none twice, each as told.
    """
    lines = orjson.loads(final)["finalLeaderboard"]
    texts = tuple(_wrong_lines(lines, participant_ids, told))
    return Violations(len(texts), texts[:FAULTS_MAX])


def _wrong_lines(
    lines: Sequence[dict[str, Any]], participant_ids: Sequence[str], told: Standings
) -> Iterator[str]:
    number_of = {name: number for number, name in enumerate(participant_ids)}
    descending = sorted(told.scores, reverse=True)
    if len({line["participantId"] for line in lines}) != len(lines):
        yield "the final board has somebody twice"
    for place, line in enumerate(lines):
        name, score, rank = (line[field] for field in BOARD_FIELDS)
        number = number_of.get(name)
        if number is None:
            yield f"the final board has {name}, who is none of us"
        elif (score, rank) != (told.scores[number], told.ranks[number]):
            yield f"{number}: the final board has rank {rank} with score {score}"
        elif score != descending[place]:
            yield f"{number}: the final board is out of order at place {place + 1}"

"""The rules of a board in their plainest form: a dict, sorted for every question."""

from dataclasses import dataclass
from typing import NamedTuple

from quizd._fast.ranking import Board, Ranking

MAX_SCORE = 2**31 - 1


class Standing(NamedTuple):
    """What a frozen ranking says of one participant."""

    rank: int
    gap: int
    below: int
    score: int
    percentile: int


@dataclass
class Entry:
    """One participant: points, and the board's counter when they were reached."""

    score: int
    turn: int
    ranked: bool = True


class BoardModel:
    """The same calls as the board, for valid arguments only."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.entries: dict[int, Entry] = {}
        self.turn = 0

    def __len__(self) -> int:
        """Return how many are ranked."""
        return len(self._ranked())

    def add(self) -> int:
        """Add a participant with 0 points; return the index."""
        index = len(self.entries)
        self.turn += 1
        self.entries[index] = Entry(score=0, turn=self.turn)
        return index

    def set_score(self, index: int, score: int) -> int:
        """Set a score, taking a turn if that is a change."""
        entry = self.entries[index]
        if score != entry.score:
            self.turn += 1
            entry.score, entry.turn = score, self.turn
        return score

    def add_points(self, index: int, points: int) -> int:
        """Change a score; return the new one."""
        return self.set_score(index, self.entries[index].score + points)

    def remove(self, index: int) -> bool:
        """Unrank a participant; return whether they were ranked."""
        was_ranked = self.entries[index].ranked
        self.entries[index].ranked = False
        return was_ranked

    def score(self, index: int) -> int:
        """Return a score, also of a removed participant."""
        return self.entries[index].score

    def rank(self, index: int) -> int:
        """Return one more than the number of better ones; 0 if removed."""
        if not self.entries[index].ranked:
            return 0
        score = self.score(index)
        return 1 + sum(entry.score > score for entry in self._ranked().values())

    def page(self, offset: int, limit: int) -> list[tuple[int, int, int]]:
        """Return a slice of the listing as (index, score, rank)."""
        rows: list[tuple[int, int, int]] = []
        ranked = self._ranked().items()
        listing = sorted(ranked, key=lambda item: (-item[1].score, item[1].turn))
        for place, (index, entry) in enumerate(listing, 1):
            shared = rows and rows[-1][1] == entry.score
            rows.append((index, entry.score, rows[-1][2] if shared else place))
        return rows[offset : offset + limit]

    def top(self, n: int) -> list[tuple[int, int, int]]:
        """Return the first *n* of the listing."""
        return self.page(0, n)

    def standings(self) -> list[Standing]:
        """Return what a ranking frozen now says of every index."""
        return [self._standing(index) for index in self.entries]

    def _standing(self, index: int) -> Standing:
        score = self.score(index)
        if not self.entries[index].ranked:
            return Standing(rank=0, gap=0, below=0, score=score, percentile=0)
        scores = [entry.score for entry in self._ranked().values()]
        below = sum(other < score for other in scores)
        better = [other for other in scores if other > score]
        return Standing(
            rank=1 + len(better),
            gap=min(better) - score if better else 0,
            below=below,
            score=score,
            percentile=100 * below // (len(scores) - 1) if len(scores) > 1 else 100,
        )

    def _ranked(self) -> dict[int, Entry]:
        return {i: entry for i, entry in self.entries.items() if entry.ranked}


def standings_of(ranking: Ranking) -> list[Standing]:
    """Read everything that a frozen ranking says."""
    return [
        Standing(
            ranking.rank(index),
            ranking.gap(index),
            ranking.below(index),
            ranking.score(index),
            ranking.percentile(index),
        )
        for index in range(ranking.indices)
    ]


def check(board: Board, model: BoardModel) -> None:
    """Compare all that can be asked; tops before the page, which keeps an order."""
    listing = model.page(0, len(model))
    for n in (0, 1, 3, len(model), len(model) + 1):
        assert board.top(n) == listing[:n]
    middle = len(model) // 2
    assert board.page(middle, 2) == listing[middle : middle + 2]
    assert board.page(0, MAX_SCORE) == listing
    assert board.page(len(model), 5) == []
    assert board.top(3) == listing[:3]
    assert (len(board), board.indices) == (len(model), len(model.entries))
    for index in model.entries:
        assert board.score(index) == model.score(index)
        assert board.rank(index) == model.rank(index)
    frozen = board.freeze()
    assert (frozen.of, frozen.indices) == (len(model), len(model.entries))
    assert standings_of(frozen) == model.standings()


def filled(*scores: int) -> tuple[Board, BoardModel]:
    """Return a board and its model with these scores, reached in this order."""
    board, model = Board(), BoardModel()
    for score in scores:
        board.set_score(board.add(), score)
        model.set_score(model.add(), score)
    return board, model

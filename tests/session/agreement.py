"""Holding a session's state against the game counted from its records."""

from collections.abc import Iterable

from quizd._fast.ranking import Ranking
from quizd.session import effects as fx
from quizd.session import picture as pic
from quizd.session.phases import Phase
from quizd.session.state import State
from tests.oracle.rules import Game, Outcome, Reveal, Standing

EVERYBODY = 2**31 - 1


def agree(state: State, game: Game) -> None:
    """Fail unless *state* says what *game* says, where both say anything."""
    assert state.phase == game.phase
    assert state.deadline_ms == game.deadline_ms
    assert state.seq == game.seq
    assert tuple(state.names) == game.names
    assert state.removed == game.removed
    assert state.participants == len(game.names) - len(game.removed)
    assert tuple(state.board.page(0, EVERYBODY)) == game.board
    _clocks(state, game)
    _answers(state, game)
    shown = state.active_phase is not Phase.QUESTION or state.immediate
    for who, standing in enumerate(game.standings):
        assert _standing(state.board.freeze(), who) == _without_streak(standing)
        own = pic.own(state, who)
        assert (own.score, own.rank) == (standing.score, standing.rank)
        if shown:
            assert own.streak == standing.streak


def _clocks(state: State, game: Game) -> None:
    if state.sheet is None:
        assert game.clock is None
        return
    assert (state.sheet.start_ms, state.sheet.end_ms) == game.clock
    if state.active_phase is Phase.QUESTION:
        assert state.deadline_ms == state.sheet.end_ms


def _answers(state: State, game: Game) -> None:
    given = {(a.question, a.participant): a for a in game.answers}
    for index, sheet in enumerate(state.sheets):
        for who in range(len(game.names) + 1):
            answer = given.get((index, who))
            assert (who in sheet) == (answer is not None)
            if answer is not None:
                received_ms, points, correct, _ = sheet.result(who)
                told = (answer.received_ms, answer.points, answer.correct)
                assert (received_ms, points, correct) == told
        of_question = [a for (question, _), a in given.items() if question == index]
        assert sheet.answered == len(of_question)
        assert sheet.correct == sum(answer.correct for answer in of_question)


def _standing(ranking: Ranking, who: int) -> tuple[int, int, int, int]:
    return (
        ranking.score(who),
        ranking.rank(who),
        ranking.gap(who),
        ranking.percentile(who),
    )


def _without_streak(standing: Standing) -> tuple[int, int, int, int]:
    return standing.score, standing.rank, standing.gap, standing.percentile


def agree_on_reveals(effects: Iterable[fx.Effect], game: Game) -> None:
    """Fail unless the reveals among *effects* are the last ones of *game*."""
    reveals = [effect for effect in effects if isinstance(effect, fx.RevealQuestion)]
    counted = game.reveals[len(game.reveals) - len(reveals) :]
    for effect, reveal in zip(reveals, counted, strict=True):
        _agree_on_reveal(effect, reveal)


def _agree_on_reveal(effect: fx.RevealQuestion, reveal: Reveal) -> None:
    assert effect.distribution == reveal.distribution
    assert effect.answered == reveal.answered
    assert effect.ranking.indices == len(reveal.outcomes)
    for who, outcome in enumerate(reveal.outcomes):
        assert outcome_of(effect, who) == outcome


def outcome_of(effect: fx.RevealQuestion, who: int) -> Outcome:
    """Return what *effect* says to participant *who*."""
    _, points, correct, streak = effect.sheet.result(who)
    standing = Standing(*_standing(effect.ranking, who), streak)
    return Outcome(correct, points, standing, effect.ranking.of)

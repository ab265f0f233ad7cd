"""Replay: the same records, however they were grouped, are the same game."""

import random
from collections.abc import Iterable, Iterator
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quizd._fast import scoring
from quizd.session import records as rec
from quizd.session.live import LiveSession
from tests.oracle import packed
from tests.oracle.game import recount
from tests.session.agreement import agree, agree_on_reveals
from tests.session.random_game import RandomGame
from tests.session.snapshot import snapshot
from tests.session.transcript import transcript
from tests.support.contract import check_server_message

SEEDS = st.integers(0, 2**32 - 1)


def rebatched(records: list[rec.Record], rng: random.Random) -> list[rec.Record]:
    """Return *records* as read from batches of any sizes."""
    found: list[rec.Record] = []
    at = 0
    while at < len(records):
        stop = at + rng.randint(1, 5)
        found.extend(rec.unpack(rec.pack(records[at:stop])))
        at = stop
    return found


def regrouped(records: list[rec.Record], rng: random.Random) -> Iterator[rec.Record]:
    """Yield *records* with runs of answers cut elsewhere than they were."""
    for is_answers, run in groupby(
        records, lambda record: isinstance(record, rec.AnswersAccepted)
    ):
        together = list(run)
        yield from recut(together, rng) if is_answers else together


def recut(run: Iterable[rec.Record], rng: random.Random) -> Iterator[rec.Record]:
    """Yield the answers of *run*, all to one question, in other records."""
    single: list[tuple[int, int, packed.Packed]] = []
    for record in run:
        assert isinstance(record, rec.AnswersAccepted)
        question, answers = packed.unpack(record.packed)
        single += [(record.at_ms, question, answer) for answer in answers]
    while single:
        size = rng.randint(1, len(single))
        piece, single = single[:size], single[size:]
        assert len({question for _, question, _ in piece}) == 1
        at_ms, question, _ = piece[-1]
        yield rec.AnswersAccepted(
            at_ms, packed.pack(question, [answer for *_, answer in piece])
        )


def ungrouped(state: dict[str, object]) -> dict[str, object]:
    """Return a snapshot without what counts records, which is not numbered."""
    return {name: value for name, value in state.items() if name != "version"}


@pytest.mark.parametrize("seed", range(12))
def test_a_random_game_is_what_the_oracle_counts(seed: int) -> None:
    """Scores, ranks, streaks, clocks and reveals of whole games, at every step."""
    game = RandomGame(seed)
    for _ in range(150):
        if game.play.state.phase == "ended":
            break
        game.step()
        counted = recount(game.play.records)
        agree(game.play.state, counted)
        agree_on_reveals(game.play.effects, counted)


def test_random_games_are_worth_counting() -> None:
    """The games of these tests have all that they are meant to have in them."""
    kinds: set[str] = set()
    answers = bonuses = several = shared = 0
    for seed in range(12):
        play = RandomGame(seed).play_on()
        game = recount(play.records)
        kinds.update(play.kinds())
        answers += len(game.answers)
        worth = [question.points for question in play.state.quiz.questions]
        bonuses += sum(a.points > worth[a.question] for a in game.answers)
        several += sum(len(answer.chosen) > 1 for answer in game.answers)
        scores = [standing.score for standing in game.standings if standing.score]
        shared += len(scores) - len(set(scores))
    by_sessions = {kind.__name__ for kind in rec.KINDS.values()} - {
        "Compacted",
        "EpochBegun",
        "Released",
    }
    assert kinds == by_sessions  # owners write the others
    assert answers > 200
    assert min(bonuses, several, shared) > 5


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, cut=SEEDS)
def test_any_grouping_is_the_same_game(seed: int, cut: int) -> None:
    """Batches and records of answers cut anywhere: equal broadcasts, scores, ranks."""
    play = RandomGame(seed).play_on()
    rng = random.Random(cut)
    records = rebatched(list(regrouped(play.records, rng)), rng)
    assert transcript(records) == play.texts
    replayed = LiveSession.replay(records)
    assert ungrouped(snapshot(replayed.state)) == ungrouped(snapshot(play.state))
    agree(replayed.state, recount(records))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, stop=st.floats(0, 1))
def test_a_game_goes_on_from_any_record(seed: int, stop: float) -> None:
    """Replaying a part and applying the rest is the same as never having stopped."""
    play = RandomGame(seed).play_on()
    cut = 1 + round(stop * (len(play.records) - 1))
    session = LiveSession.replay(play.records[:cut])
    for record in play.records[cut:]:
        session.apply(record)
    assert snapshot(session.state) == snapshot(play.state)


@pytest.mark.parametrize("seed", range(4))
def test_broadcasts_keep_the_contract(seed: int) -> None:
    """Every broadcast of a random game is what the published schemas say."""
    texts = RandomGame(seed).play_on().texts
    seqs = [check_server_message(text)["seq"] for text in texts]
    assert seqs == sorted(seqs)
    assert set(seqs) == set(range(1, seqs[-1] + 1))


@given(seed=SEEDS, at=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_the_oracle_notices_a_forged_point(seed: int, at: int) -> None:
    """One point more in any recorded answer, and the count fails."""
    play = RandomGame(seed).play_on()
    places = [
        place
        for place, record in enumerate(play.records)
        if isinstance(record, rec.AnswersAccepted)
    ]
    if not places:
        return
    place = places[at % len(places)]
    play.records[place] = forged(play.records[place], at)
    with pytest.raises(AssertionError, match=r"recorded .* counted"):
        recount(play.records)


def forged(record: rec.Record, at: int) -> rec.Record:
    """Return *record* with one point more in one of its answers."""
    assert isinstance(record, rec.AnswersAccepted)
    question, answers = packed.unpack(record.packed)
    answer = answers[at % len(answers)]
    fields = {name: getattr(answer, name) for name in packed.Packed.__match_args__}
    answers[at % len(answers)] = packed.Packed(
        **{**fields, "points": answer.points + 1}
    )
    return rec.AnswersAccepted(record.at_ms, packed.pack(question, answers))


def test_the_core_reads_a_record_as_the_oracle_does() -> None:
    """Both readers of the packed format find the same answers."""
    play = RandomGame(7).play_on()
    found = 0
    for record in play.records:
        if isinstance(record, rec.AnswersAccepted):
            question, answers = packed.unpack(record.packed)
            assert scoring.question_of(record.packed) == question
            read = scoring.answers_in(record.packed)
            found += len(read)
            assert [
                packed.Packed(
                    **{**row, "answered_at": row["answered_at"].encode()}  # type: ignore[arg-type]
                )
                for row in read
            ] == answers
            assert packed.pack(question, answers) == record.packed
    assert found > 5

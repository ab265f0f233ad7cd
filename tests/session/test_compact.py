"""A compacted log is shorter and gives the same session."""

import random
from collections.abc import Iterable

import pytest

from quizd.session import records as rec
from quizd.session.compact import Compactor
from quizd.session.live import LiveSession
from tests.session.play import OPTIONS, Play
from tests.session.random_game import RandomGame
from tests.session.snapshot import snapshot


def compact(batches: Iterable[bytes]) -> bytes:
    """Return what a compactor makes of *batches*."""
    compactor = Compactor()
    for batch in batches:
        compactor.add(batch)
    return compactor.end()


@pytest.mark.parametrize("seed", range(20))
def test_replay_gives_the_same_state(seed: int) -> None:
    """However the log is cut into snapshots and the rest, at every cut."""
    chance = random.Random(seed)
    game = RandomGame(seed).play_on()
    batches = [rec.pack([record]) for record in game.records]
    cuts = sorted(chance.sample(range(len(batches)), 5))
    parts = [
        compact(batches[start:stop])
        for start, stop in zip([0, *cuts], [*cuts, len(batches)], strict=True)
    ]
    for kept in range(len(parts) + 1):
        start = [0, *cuts, len(batches)][kept]
        log = [*parts[:kept], *batches[start:]]
        records = [record for batch in log for record in rec.unpack(batch)]
        assert snapshot(LiveSession.replay(records).state) == snapshot(game.state)


def test_compacting_again_changes_nothing() -> None:
    """What is compact stays as it is."""
    game = RandomGame(7).play_on()
    once = compact([rec.pack(game.records)])
    records = list(rec.unpack(once))
    assert snapshot(LiveSession.replay(records).state) == snapshot(game.state)
    assert compact([once]) == once


def test_a_run_of_answers_takes_less_room() -> None:
    """They are one record then, without what players claimed."""
    play = Play()
    play.join(*(f"P{number}" for number in range(100)))
    play.start()
    for who in range(100):
        play.answer(who, OPTIONS[who % 3])
    answers = [r for r in play.records if isinstance(r, rec.AnswersAccepted)]
    assert len(answers) == 100
    batches = [rec.pack([record]) for record in answers]
    assert len(compact(batches)) < sum(map(len, batches)) * 0.8


def test_what_is_no_answer_stays_as_it_is() -> None:
    """Byte for byte, in its place; and what is no batch is refused."""
    play = Play()
    play.join("Ann", "Ben")
    batch = rec.pack(play.records)
    assert compact([batch]) == batch
    for broken in (batch[:-1], batch + b"\1"):
        with pytest.raises(rec.BadRecord):
            compact([broken])

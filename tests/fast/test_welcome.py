"""The parts of ``welcome`` that are put together in C."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast.welcome import Front, own_part
from quizd.clock import iso

signed = st.integers(-(2**63) + 1, 2**63 - 1)
texts = st.binary(max_size=300)


@given(
    parts=st.lists(texts, min_size=8, max_size=8),
    now_ms=st.integers(0, 4_000_000_000_000),
    resumed=st.booleans(),
)
def test_parts_follow_each_other(
    parts: list[bytes],
    now_ms: int,
    resumed: bool,
) -> None:
    """Of any length, with the time and the flag between them, and nothing else."""
    names, numbers, phase, crowd, rest, own_id, you, left = parts
    front = Front(names=names, numbers=numbers, phase=phase, crowd=crowd, rest=rest)
    flag = b"true" if resumed else b"false"
    time = iso(now_ms).encode()
    expected = names + own_id + numbers + flag + phase + time + crowd + you + rest
    assert front.text(own_id, you, now_ms, resumed, left) == expected + left


@given(st.text(max_size=50), st.text(max_size=50), signed, signed, signed, signed)
def test_own_part_is_json(
    own_id: str, name: str, score: int, rank: int, of: int, streak: int
) -> None:
    """Any numbers fit."""
    numbers = (score, rank, of, streak)
    text = own_part(orjson.dumps(own_id), orjson.dumps(name), *numbers)
    assert orjson.loads(text) == {
        "participantId": own_id,
        "participantName": name,
        **dict(zip(("score", "rank", "of", "streak"), numbers, strict=True)),
    }

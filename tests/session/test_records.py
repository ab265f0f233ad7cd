"""Records on their way through bytes: nothing is lost, and nothing wrong gets in."""

from dataclasses import fields
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd.session import records as rec
from quizd.session.live import LiveSession
from tests.session.play import opening, quiz

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES: dict[object, st.SearchStrategy[object]] = {
    int: NUMBERS,
    bool: st.booleans(),
    str: TEXTS,
    bytes: st.binary(max_size=60),
}
SAMPLES: tuple[rec.Record, ...] = (
    opening(quiz()),
    rec.ParticipantAdded(1, "p0", "Zoë 🟩", "key"),
    rec.CountdownStarted(2, 3),
    rec.QuestionOpened(3, 0, 4, 5),
    rec.AnswersAccepted(4, b"\x00\x01packed"),
    rec.QuestionClosed(5, 0, "time"),
    rec.SessionPaused(6),
    rec.SessionResumed(7, 8),
    rec.SessionLocked(8, locked=True),
    rec.ParticipantRemoved(9, 0, banned=False),
    rec.SessionEnded(10, "finished"),
    rec.OutageEnded(11, 12),
    rec.Released(12),
    rec.Compacted(13, 7),
    rec.EpochBegun(14, 2),
)


def any_record(kind: type[rec.Record]) -> st.SearchStrategy[rec.Record]:
    """Return records of *kind* with any values of their fields' types."""
    hints = get_type_hints(kind)
    values = {field.name: VALUES[hints[field.name]] for field in fields(kind)}
    return st.builds(kind, **values)


RECORDS = st.lists(
    st.one_of([any_record(kind) for kind in rec.KINDS.values()]), max_size=8
)


def test_there_is_a_sample_of_every_kind() -> None:
    """Kinds are numbered without a gap, and none is missing here."""
    assert {type(record) for record in SAMPLES} == set(rec.KINDS.values())
    assert sorted(rec.KINDS) == list(range(1, len(SAMPLES) + 1))


@given(RECORDS)
def test_records_come_back_as_they_were(records: list[rec.Record]) -> None:
    """Packing and unpacking gives equal records, in order."""
    assert list(rec.unpack(rec.pack(records))) == records


@given(st.lists(RECORDS, max_size=4))
def test_batches_are_runs_of_records(batches: list[list[rec.Record]]) -> None:
    """Batches put end to end are the batch of all their records."""
    joined = b"".join(rec.pack(batch) for batch in batches)
    everything = [record for batch in batches for record in batch]
    assert joined == rec.pack(everything)
    assert list(rec.unpack(joined)) == everything


def test_the_header_is_what_it_says() -> None:
    """Version, kind and size of the body, little-endian, then the body."""
    batch = rec.pack([rec.SessionPaused(258)])
    assert batch == b"\x01\x07\x0d\x00\x00\x00" + b'{"at_ms":258}'


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_a_batch_cut_short_anywhere(record: rec.Record) -> None:
    """Every byte less is a bad record, after those that are still whole."""
    whole = rec.SessionPaused(6)
    batch = rec.pack([whole, record])
    first = len(rec.pack([whole]))
    for size in range(first + 1, len(batch)):
        reader = rec.unpack(batch[:size])
        assert next(reader) == whole
        with pytest.raises(rec.BadRecord, match="cut short"):
            next(reader)
    for size in range(1, first):
        with pytest.raises(rec.BadRecord, match="cut short"):
            next(rec.unpack(batch[:size]))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_an_unknown_version_is_named(version: int) -> None:
    """A record that another version wrote is refused, not guessed at."""
    batch = bytes([version]) + rec.pack([rec.SessionPaused(6)])[1:]
    with pytest.raises(rec.BadRecord, match=f"version {version} "):
        list(rec.unpack(batch))


@pytest.mark.parametrize("kind", [0, len(SAMPLES) + 1, 255])
def test_an_unknown_kind_is_named(kind: int) -> None:
    """A kind that does not exist is refused."""
    batch = rec.HEADER.pack(rec.VERSION, kind, 2) + b"{}"
    with pytest.raises(rec.BadRecord, match=f"kind {kind} "):
        list(rec.unpack(batch))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"text"',
        b"{}",
        b'{"at_ms":1}',
        b'{"at_ms":1,"locked":true,"more":1}',
        b'{"at_ms":1,"kind":9,"locked":true}',
        b'{"at_ms":1,"locked":tru}',
        b'\xff{"at_ms":1,"locked":true}',
        b"[" * 5000,
    ],
)
def test_a_body_that_is_none(body: bytes) -> None:
    """What is not JSON, not an object, or lacks or adds a field, is a bad record."""
    batch = rec.HEADER.pack(rec.VERSION, rec.SessionLocked.kind, len(body)) + body
    with pytest.raises(rec.BadRecord, match="SessionLocked"):
        list(rec.unpack(batch))


@pytest.mark.parametrize("size", range(8))
def test_answers_without_their_instant(size: int) -> None:
    """The first eight bytes are the instant: fewer are a bad record."""
    batch = rec.HEADER.pack(rec.VERSION, rec.AnswersAccepted.kind, size) + bytes(size)
    with pytest.raises(rec.BadRecord, match="AnswersAccepted"):
        list(rec.unpack(batch))


BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([record.body() for record in SAMPLES]),
)
NEARLY_BATCHES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.builds(
            lambda version, kind, body, more: (
                rec.HEADER.pack(version, kind, max(len(body) + more, 0)) + body
            ),
            st.sampled_from([1, 1, 1, 0, 2]),
            st.integers(0, 14),
            BODIES,
            st.sampled_from([0, 0, 0, 1, -1, 2**31]),
        ),
        max_size=4,
    ).map(b"".join),
)


@given(NEARLY_BATCHES)
def test_any_bytes_are_records_or_a_bad_record(batch: bytes) -> None:
    """Whatever is read, the only complaint is ``BadRecord``."""
    records: list[rec.Record] = []
    try:
        records.extend(rec.unpack(batch))
    except rec.BadRecord:
        return
    assert all(type(record) in rec.KINDS.values() for record in records)


@given(st.data())
def test_a_changed_byte_is_noticed_or_makes_another_record(data: st.DataObject) -> None:
    """One byte overwritten, anywhere: no other error, and never the same records."""
    records = data.draw(RECORDS.filter(bool))
    batch = bytearray(rec.pack(records))
    at = data.draw(st.integers(0, len(batch) - 1))
    batch[at] ^= data.draw(st.integers(1, 255))
    try:
        found = list(rec.unpack(bytes(batch)))
    except rec.BadRecord:
        return
    assert found != records


@pytest.mark.parametrize("records", [[], SAMPLES[1:], SAMPLES[3:4]])
def test_a_replay_begins_with_an_opening(records: list[rec.Record]) -> None:
    """Without it there is no session."""
    with pytest.raises(rec.BadRecord, match="opening"):
        LiveSession.replay(records)

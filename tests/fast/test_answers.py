"""The answer parser: what it takes is what a general decoder reads, and no more."""

import ctypes
import itertools
import json
import mmap
import re
from collections.abc import Callable, Iterable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast.answers import parse, valid_utf8

TYPE = "answer_submission"
KNOWN = ("questionId", "selectedOption", "answeredAt", "participantId")
OF_OTHER_TYPES = ("selectedOptions", "text", "number", "order")
SAMPLE = (
    '{"type":"answer_submission","payload":{"questionId":"q-17","selectedOption":'
    '"Zürich 🏔","answeredAt":"2026-01-31T09:30:00.000Z","x":-1.5e+3,"y":"\\u00e9\\n"}}'
).encode()

Fields = dict[str, object]


def expected(message: bytes) -> tuple[bytes | None, ...]:
    """Return what a general decoder reads in a text that was taken for an answer."""
    decoded = orjson.loads(message)
    assert decoded["type"] == TYPE
    assert not decoded["payload"].keys() & set(OF_OTHER_TYPES)
    texts = [decoded["payload"].get(name) for name in KNOWN]
    assert texts == [json.loads(message)["payload"].get(name) for name in KNOWN]
    return tuple(None if text is None else text.encode() for text in texts)


def taken(message: bytes) -> bool:
    """Parse; return whether it was taken, then hold it against the decoder."""
    parsed = parse(message)
    if parsed is not None:
        assert parsed == expected(message)
    return parsed is not None


def plain_texts(last: str) -> st.SearchStrategy[str]:
    """Return texts up to character *last* that JSON may hold without escapes."""
    characters = st.characters(
        min_codepoint=0x20,
        max_codepoint=ord(last),
        exclude_categories=["Cs"],
        exclude_characters='"\\',
    )
    return st.text(characters)


def is_unknown(name: str) -> bool:
    """Return whether the parser may skip a field of this name."""
    return name not in {*KNOWN, *OF_OTHER_TYPES, "type", "payload"}


ASCII = plain_texts("~")
UNICODE = plain_texts("\U0010ffff")
# Within what is skipped without the decoder: no more than two exponent digits.
FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False)
    .map(lambda x: float(f"{x:.9e}"))
    .filter(lambda x: x == 0 or 1e-90 < abs(x) < 1e90)
)
PLAIN_VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS


KNOWN_NAMES = st.sets(st.sampled_from(KNOWN[2:])).map({*KNOWN[:2]}.union).map(sorted)


@st.composite
def plain_answers(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> Fields:
    """Draw an answer with plain unknown fields at both levels, keys in any order."""
    further = st.dictionaries(
        texts.filter(is_unknown), texts | PLAIN_VALUES, max_size=3
    )
    payload: Fields = {name: draw(texts) for name in draw(KNOWN_NAMES)}
    payload |= draw(further)
    payload = dict(draw(st.permutations(list(payload.items()))))
    message = {"type": TYPE, "payload": payload, **draw(further)}
    return dict(draw(st.permutations(list(message.items()))))


@given(plain_answers(UNICODE))
def test_every_canonical_message_is_taken(message: Fields) -> None:
    """What the usual encoders write of a plain answer needs no general decoder."""
    assert taken(orjson.dumps(message))
    assert taken(json.dumps(message, ensure_ascii=False).encode())
    assert taken(json.dumps(message, ensure_ascii=False, indent="\t").encode())


@given(plain_answers(ASCII))
def test_ascii_messages_are_taken_from_escaping_encoders(message: Fields) -> None:
    """An encoder that escapes all but ASCII changes nothing for ASCII texts."""
    assert taken(json.dumps(message).encode())


UNKNOWN_NAMES = UNICODE.filter(is_unknown)
SPACES = st.text(" \t\n\r", max_size=2)
NUMBERS = st.from_regex(
    re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?"),
    fullmatch=True,
)
ESCAPED_TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "é",
            "🏔",
            *(rf"\{c}" for c in '"\\/bfnrt'),
            r"\u0000",
            r"\u00E9",
            r"\ud7ff",
        ]
    )
).map(lambda pieces: f'"{"".join(pieces)}"')
SKIPPED_VALUES = st.one_of(
    NUMBERS, ESCAPED_TEXTS, st.sampled_from(["true", "false", "null", '""'])
)
ODD_VALUES = [
    *("01", "1.", ".5", "+1", "-", "1e", "1e+", "0x1", "1e999", "9" * 400, "NaN"),
    *("tru", "nul", "True", "", '"', "'a'", '"\\', r'"\x"', r'"\u12"', r'"\u00g0"'),
    *(r'"\ud800"', r'"\uDFFF"', r'"\ud83d\ude00"', '"\n"', '"\x00"', '"\x1f"'),
    *("[]", "{}", "[1]", '{"a":1}', '"a" "b"', "1 2", "/**/1"),
]
ODD_NAMES = st.sampled_from(
    [*OF_OTHER_TYPES, *KNOWN, "type", "payload", r"question\u0049d", "typ", "payloads"]
)


@st.composite
def objects(draw: st.DrawFn, members: list[tuple[str, str]]) -> str:
    """Draw a way to write *members* (name, JSON text) down, in any order."""
    written = [
        f'{draw(SPACES)}"{name}"{draw(SPACES)}:{draw(SPACES)}{value}{draw(SPACES)}'
        for name, value in draw(st.permutations(members))
    ]
    return "{" + ",".join(written) + "}"


@st.composite
def messages(
    draw: st.DrawFn, names: st.SearchStrategy[str], values: st.SearchStrategy[str]
) -> bytes:
    """Draw an answer's text with further fields of these names and values."""
    further = st.lists(st.tuples(names, values), max_size=2)
    texts = [(name, f'"{draw(UNICODE)}"') for name in draw(KNOWN_NAMES)]
    payload = draw(objects(texts + draw(further)))
    fields = [("type", f'"{TYPE}"'), ("payload", payload)]
    text = draw(objects(fields + draw(further)))
    return f"{draw(SPACES)}{text}{draw(SPACES)}".encode()


@given(messages(UNKNOWN_NAMES, SKIPPED_VALUES))
def test_any_white_space_order_and_skipped_field_is_taken(message: bytes) -> None:
    """Unknown fields may hold any text, number or literal that JSON knows."""
    assert taken(message)


@given(
    messages(
        UNICODE | ODD_NAMES, SKIPPED_VALUES | st.sampled_from(ODD_VALUES) | UNICODE
    )
)
def test_whatever_is_taken_is_what_the_decoder_reads(message: bytes) -> None:
    """Duplicates, escapes, nesting and broken values are left to the decoder."""
    taken(message)


def edited(message: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Replace *size* bytes at a place by others, edit by edit."""
    for place, size, by in edits:
        at = place % (len(message) + 1)
        message = message[:at] + by + message[at + size :]
    return message


EDITS = st.lists(
    st.tuples(
        st.integers(0, 4096),
        st.integers(0, 3),
        st.binary(max_size=2)
        | st.sampled_from(
            [b'"', b"\\", b",", b"{", b"}", b":", b"0", b"\x00", b"\xed\xa0"]
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(messages(UNKNOWN_NAMES, SKIPPED_VALUES), EDITS)
def test_mutated_messages_never_disagree(
    message: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    """A damaged message is either left alone or read as the decoder reads it."""
    taken(edited(message, changes))


@given(st.binary())
def test_arbitrary_bytes_never_disagree(message: bytes) -> None:
    """Bytes that are no message are not taken for one."""
    taken(message)


def test_every_single_byte_change_of_a_sample() -> None:
    """Each byte replaced by each other, doubled or dropped: no disagreement."""
    for at, byte in itertools.product(range(len(SAMPLE)), range(256)):
        taken(SAMPLE[:at] + bytes([byte]) + SAMPLE[at + 1 :])
        taken(SAMPLE[:at] + bytes([byte]) + SAMPLE[at:])
    for at in range(len(SAMPLE)):
        taken(SAMPLE[:at] + SAMPLE[at + 1 :])


def test_every_beginning_of_a_sample_is_incomplete() -> None:
    """A message cut anywhere is not an answer; the whole one is."""
    assert not any(taken(SAMPLE[:size]) for size in range(len(SAMPLE)))
    assert taken(SAMPLE)


def wrapped(payload: str) -> bytes:
    """Return an answer's text around the inside of a payload."""
    return f'{{"type":"answer_submission","payload":{{{payload}}}}}'.encode()


BOTH = '"questionId":"q","selectedOption":"o"'


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b"null",
        b"[" + wrapped(BOTH) + b"]",
        b"\xef\xbb\xbf" + wrapped(BOTH),
        wrapped(BOTH) + b"{}",
        wrapped(BOTH) + b"\x00",
        wrapped(BOTH)[:-1] + b",}",
        wrapped(BOTH + ","),
        wrapped("," + BOTH),
        wrapped(""),
        wrapped('"questionId":"q"'),
        wrapped('"selectedOption":"o"'),
        wrapped('"questionId":1,"selectedOption":"o"'),
        wrapped('"questionId":"q","selectedOption":null'),
        wrapped(BOTH + ',"answeredAt":null'),
        wrapped(BOTH + ',"participantId":7'),
        wrapped(BOTH + ',"questionId":"q"'),
        wrapped(r'"questionId":"\u0071","selectedOption":"o"'),
        wrapped(r'"question\u0049d":"q","selectedOption":"o"'),
        wrapped('"questionId":"q","selectedOption":"\t"'),
        wrapped(BOTH).replace(b'"o"', b'"\xff"'),
        wrapped(BOTH).replace(b"answer_submission", b"heartbeat"),
        wrapped(BOTH)[:-1] + b',"type":"answer_submission"}',
        wrapped(BOTH)[:-1] + b',"payload":{}}',
        b'{"type":"answer_submission",' + BOTH.encode() + b"}",
        *(wrapped(f'{BOTH},"{name}":"a"') for name in OF_OTHER_TYPES),
        *(wrapped(f'{BOTH},"x":{value}') for value in ("[]", "{}", "1" * 33, "1e100")),
    ],
)
def test_left_to_the_general_decoder(message: bytes) -> None:
    """What is wrong, unusual or of another question type is not taken."""
    assert parse(message) is None


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_value_of_an_unknown_field_is_left_to_the_decoder(value: str) -> None:
    """Broken, nested and ambiguous values are not skipped, at either level."""
    assert parse(wrapped(f'{BOTH},"x":{value}')) is None
    assert parse(wrapped(BOTH)[:-1] + f',"x":{value}}}'.encode()) is None


def test_empty_texts_are_not_absent_ones() -> None:
    """An empty string is a value; a missing field is None."""
    payload = '"selectedOption":"","questionId":"","answeredAt":""'
    assert parse(wrapped(payload)) == (b"", b"", b"", None)


def test_only_bytes_can_be_parsed() -> None:
    """Text has no bytes to point into."""
    calls: tuple[Callable[[bytes], object], ...] = (parse, valid_utf8)
    for call in calls:
        with pytest.raises(TypeError):
            call("{}")  # type: ignore[arg-type]


def decodes(data: bytes) -> bool:
    """Return whether the interpreter takes *data* as UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(
    st.lists(st.binary(max_size=4) | st.text(max_size=9).map(str.encode)).map(b"".join)
)
def test_utf8_is_what_the_interpreter_decodes(data: bytes) -> None:
    """Random bytes among valid text, at every alignment."""
    for start in range(len(data) + 1):
        assert valid_utf8(data[start:]) == decodes(data[start:])


def test_utf8_around_every_limit() -> None:
    """Leads and continuations beside each limit of the definition, cut and padded."""
    leads = bytes.fromhex("7f80bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f8feff")
    seconds = bytes.fromhex("007f808f909fa0bfc0ff")
    others = bytes.fromhex("7f80bfc0")
    for sequence in itertools.product(leads, seconds, others, others):
        for size in range(1, 5):
            data = bytes(sequence[:size])
            assert valid_utf8(data) == decodes(data)
            assert valid_utf8(b"1234567" + data + b"89") == decodes(data + b"89")


def test_utf8_of_every_character() -> None:
    """Every code point is valid but the surrogates, and no surrogate is."""
    surrogates = range(0xD800, 0xE000)
    everything = "".join(chr(c) for c in range(0x110000) if c not in surrogates)
    assert valid_utf8(everything.encode())
    for code in surrogates:
        assert not valid_utf8(chr(code).encode("utf-8", "surrogatepass"))


class Fence:
    """Memory between two pages that kill whoever touches them."""

    def __init__(self) -> None:
        """Map three pages and forbid the outer two."""
        self.map = mmap.mmap(-1, 3 * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for page in (0, 2):
            assert mprotect(start + page * mmap.PAGESIZE, mmap.PAGESIZE, 0) == 0

    def both_ends(self, data: bytes) -> Iterable[memoryview]:
        """Place *data* right behind the first fence, then right before the second."""
        for at in (mmap.PAGESIZE, 2 * mmap.PAGESIZE - len(data)):
            self.map[at : at + len(data)] = data
            yield memoryview(self.map)[at : at + len(data)]


def test_nothing_outside_the_text_is_read() -> None:
    """Texts cut anywhere, with forbidden memory on either side, read as ever."""
    fence = Fence()
    texts = [SAMPLE, wrapped(BOTH), json.dumps(orjson.loads(SAMPLE), indent=1).encode()]
    texts += [wrapped(f'"x":{x}') for x in ("-0.5e-7", "true", "null", r'"\u00e9\\"')]
    for text, size in itertools.product(texts, range(len(SAMPLE) + 80)):
        for view in fence.both_ends(text[:size]):
            assert parse(view) == parse(text[:size])
            assert valid_utf8(view) == valid_utf8(text[:size])

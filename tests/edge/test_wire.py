"""One connection's outbox, budget and messages, on one end of a socket pair.

What a whole server makes of every kind of frame is in ``tests/live``.
"""

import random
import time
from collections.abc import Callable

import orjson
import pytest
from picows import WSMsgType
from picows.picows import _make_test_ws_frame

from quizd._fast.inbox import Inbox
from quizd._fast.wire import Policy, Wire, frame, read_counters
from quizd.codes import Close
from tests.support.frames import CLOSE, PONG, TEXT, frames
from tests.support.wires import Line, policy


class Heard(Wire):
    """A wire that notes what is called."""

    def __init__(self, own: Policy, inbox: Inbox | None = None) -> None:
        super().__init__(own, inbox, 3, b"p3")
        self.texts: list[bytes] = []
        self.calls: list[str] = []

    def on_text(self, text: bytes) -> None:
        """Note it."""
        self.texts.append(text)

    def on_full(self) -> None:
        """Note it."""
        self.calls.append("full")

    def on_over_budget(self) -> None:
        """Note it."""
        self.calls.append("over budget")

    def on_gone(self) -> None:
        """Note it."""
        self.calls.append("gone")


class Pair:
    """A wire and the line it is on."""

    def __init__(self, inbox: Inbox | None = None, **bounds: float) -> None:
        self.wire = Heard(policy(**bounds), inbox)
        self.line = Line()
        self.transport = self.line.connect(self.wire)

    def hear(
        self, payload: bytes, kind: WSMsgType = WSMsgType.TEXT, *, fin: bool = True
    ) -> None:
        """Let a frame come in."""
        made = _make_test_ws_frame(kind, payload, fin, False)
        self.wire.on_ws_frame(self.transport, made)

    def fill(self) -> list[bytes]:
        """Send until the kernel takes no more; return what was sent."""
        sent: list[bytes] = []
        while not self.line.transport.kept:
            sent.append(frame(b"%06d" % len(sent) * 1000))
            self.wire.send(sent[-1])
        self.wire.pause_writing()
        return sent

    def drain(self) -> bytes:
        """Read everything, as a peer that has woken up; let the wire go on."""
        data = self.line.read() + self.line.transport.kept
        self.line.transport.kept = b""
        self.wire.resume_writing()
        return data + self.line.read()


def numbers(data: bytes) -> list[int]:
    """Return the numbers that the text frames in *data* say."""
    return [int(one.payload[:6]) for one in frames(data) if one.opcode == TEXT]


def said(number: int) -> bytes:
    """Return a frame that says *number*."""
    return frame(b"%06d" % number)


# -- out ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_frame_of_every_header_size(size: int) -> None:
    """RFC 6455 section 5.2: lengths of 7, 16 and 64 bits, the shortest that fits."""
    payload = b"x" * size
    framed = frame(payload)
    assert [one.payload for one in frames(framed)] == [payload]
    assert len(framed) - size == (2 if size < 126 else 4 if size < 65_536 else 10)


async def test_nothing_is_lost_when_the_kernel_is_full() -> None:
    """A frame that went out half is finished before anything else, in order."""
    pair = Pair(output_bytes=1_000_000)
    sent = pair.fill()
    for number in range(len(sent), len(sent) + 50):
        pair.wire.send(said(number))
    assert pair.line.transport.high_bytes == 0
    assert pair.wire.waiting_bytes == 50 * len(said(0))
    data = pair.drain()
    assert numbers(data) == list(range(len(sent) + 50))
    assert pair.wire.waiting_bytes == 0


async def test_latest_value_replaces_its_elder() -> None:
    """Of each key only the newest waits, at its own place; other frames all stay."""
    pair = Pair()
    filling = len(pair.fill())
    for number in range(filling, filling + 10):
        pair.wire.send(said(number), number % 3)
    before = read_counters()["frames_replaced"]
    pair.wire.send(said(filling + 10), 2)
    assert read_counters()["frames_replaced"] == before + 1
    waited = numbers(pair.drain())[filling:]
    plain = [n for n in range(filling, filling + 10) if n % 3 == 0]
    newest = max(n for n in range(filling, filling + 10) if n % 3 == 1)
    assert waited == sorted([*plain, newest, filling + 10])


async def test_slow_reader_is_closed_with_4008() -> None:
    """Over the bound nothing waits any more, and nothing goes out but the close."""
    pair = Pair(output_bytes=4096)
    filling = len(pair.fill())
    closed = read_counters()["slow_closed"]
    while not pair.wire.closed:
        assert pair.wire.waiting_bytes <= 4096
        pair.wire.send(said(0))
    assert pair.wire.waiting_bytes == 0
    assert read_counters()["slow_closed"] == closed + 1
    pair.wire.send(said(0))
    rest = list(frames(pair.drain()))
    assert [one.opcode for one in rest] == [TEXT] * filling + [CLOSE]
    assert rest[-1].code == Close.SLOW_CONSUMER


class Model:
    """What a peer is to read, and what waits for it: lists instead of bytes."""

    def __init__(self) -> None:
        self.gone: list[int] = []
        self.waiting: list[tuple[int, int]] = []
        self.blocked = False

    def send(self, number: int, key: int) -> None:
        """Take a message."""
        if not self.blocked:
            self.gone.append(number)
            return
        self.waiting = [one for one in self.waiting if not key or one[1] != key]
        self.waiting.append((number, key))

    def resume(self) -> None:
        """Let go what waits."""
        self.blocked = False
        self.gone += [number for number, _ in self.waiting]
        self.waiting = []


async def test_random_writes_arrive_in_order() -> None:
    """Sent, replaced, blocked, drained as it comes: order holds, nothing is twice."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    pair, model = Pair(output_bytes=1_000_000), Model()
    arrived: list[int] = []
    for number in range(3000):
        action = rng.random()
        if action < 0.05:
            pair.wire.pause_writing()
            model.blocked = True
        elif action < 0.1:
            arrived += numbers(pair.drain())
            model.resume()
        else:
            key = rng.choice([0, 0, 1, 2])
            pair.wire.send(said(number), key)
            model.send(number, key)
        assert pair.wire.waiting_bytes == len(model.waiting) * len(said(0))
    arrived += numbers(pair.drain())
    model.resume()
    assert arrived == model.gone


async def test_close_is_said_once_and_ends_everything() -> None:
    """After a close nothing is sent or taken, whatever is asked for."""
    pair = Pair()
    pair.wire.close(Close.REPLACED, "a newer connection took over")
    pair.wire.close(Close.NORMAL)
    pair.wire.send(said(1))
    pair.wire.ping()
    pair.hear(b'{"type":"heartbeat"}')
    (only,) = pair.line.frames()
    assert only.code == Close.REPLACED
    assert only.payload[2:] == b"a newer connection took over"
    assert pair.wire.texts == []


async def test_line_that_is_gone_takes_nothing() -> None:
    """What is sent after the end is dropped, and on_gone is called once."""
    pair = Pair()
    pair.fill()
    pair.wire.on_ws_disconnected(pair.transport)
    pair.wire.send(said(1))
    assert pair.wire.closed
    assert pair.wire.waiting_bytes == 0
    assert pair.wire.calls == ["gone"]


# -- in ----------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[5], [0, 5], [5, 5], [1, 2, 3, 20], [20]])
async def test_fragments_make_one_message(cuts: list[int]) -> None:
    """Wherever it is cut, empty parts included."""
    pair = Pair()
    whole = b'{"type":"heartbeat"}'
    kind = WSMsgType.TEXT
    for start, stop in zip([0, *cuts], cuts, strict=False):
        pair.hear(whole[start:stop], kind, fin=False)
        kind = WSMsgType.CONTINUATION
    pair.hear(whole[cuts[-1] :], WSMsgType.CONTINUATION)
    assert pair.wire.texts == [whole]


Step = tuple[WSMsgType, bytes, bool]

FOULS: dict[str, tuple[list[Step], Close]] = {
    "continuation-of-nothing": (
        [(WSMsgType.CONTINUATION, b"x", True)],
        Close.PROTOCOL_ERROR,
    ),
    "message-inside-a-message": (
        [(WSMsgType.TEXT, b"x", False), (WSMsgType.TEXT, b"y", True)],
        Close.PROTOCOL_ERROR,
    ),
    "too-big-in-parts": (
        [
            (WSMsgType.TEXT, b"x" * 200, False),
            (WSMsgType.CONTINUATION, b"x" * 57, False),
        ],
        Close.MESSAGE_TOO_BIG,
    ),
    "binary": ([(WSMsgType.BINARY, b"x", True)], Close.UNSUPPORTED_DATA),
    "binary-inside-a-message": (
        [(WSMsgType.TEXT, b"x", False), (WSMsgType.BINARY, b"x", True)],
        Close.UNSUPPORTED_DATA,
    ),
    "not-utf-8": ([(WSMsgType.TEXT, b"\xff", True)], Close.INVALID_TEXT),
    "character-cut-for-good": (
        [(WSMsgType.TEXT, b"\xe2", False), (WSMsgType.CONTINUATION, b"\x82", True)],
        Close.INVALID_TEXT,
    ),
}


@pytest.mark.parametrize(("steps", "code"), FOULS.values(), ids=FOULS.keys())
async def test_foul_closes_the_connection(steps: list[Step], code: Close) -> None:
    """RFC 6455 sections 5.4, 7.4 and 8.1 name the codes."""
    pair = Pair(message_bytes=256)
    for kind, payload, fin in steps:
        pair.hear(payload, kind, fin=fin)
    assert pair.line.close_code() == code
    assert pair.wire.texts == []


async def test_ping_is_answered_with_its_payload() -> None:
    """Also between the parts of a message (RFC 6455 section 5.5)."""
    pair = Pair()
    pair.hear(b'{"type":', fin=False)
    pair.hear(b"are you there?", WSMsgType.PING)
    pair.hear(b'"heartbeat"}', WSMsgType.CONTINUATION)
    (pong,) = pair.line.frames()
    assert (pong.opcode, pong.payload) == (PONG, b"are you there?")
    assert pair.wire.texts == [b'{"type":"heartbeat"}']


async def test_pings_of_who_does_not_read_cost_one_pong() -> None:
    """Only the latest is answered (section 5.5.3 allows it): nothing piles up."""
    pair = Pair()
    filling = len(pair.fill())
    kept = len(pair.line.transport.kept)
    for number in range(500):
        pair.hear(b"%d" % number, WSMsgType.PING)
    assert len(pair.line.transport.kept) == kept
    assert pair.wire.waiting_bytes == 5
    rest = list(frames(pair.drain()))[filling:]
    assert [(one.opcode, one.payload) for one in rest] == [(PONG, b"499")]


# -- the budget --------------------------------------------------------------------

RARELY = 1e-6


async def test_budget_is_a_burst_and_then_a_rate() -> None:
    """What is over it is dropped, and that is said once."""
    pair = Pair(messages_per_s=RARELY, message_burst=40)
    for _ in range(100):
        pair.hear(b"{}")
    assert len(pair.wire.texts) == 40
    assert pair.wire.calls == ["over budget"]


@pytest.mark.parametrize(
    "kind",
    [WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG],
    ids=["text", "ping", "pong"],
)
async def test_flood_is_cut_with_4029(kind: WSMsgType) -> None:
    """Whoever goes on regardless is closed, be it with control frames."""
    pair = Pair(messages_per_s=RARELY, message_burst=40)
    for number in range(241):
        assert not pair.wire.closed, number
        pair.hear(b"x" if kind is not WSMsgType.TEXT else b"{}", kind)
    assert pair.line.close_code() == Close.RATE_LIMITED


async def test_long_flood_at_a_low_rate_is_cut_too() -> None:
    """A message within the budget now and then buys no patience for ten over it."""
    pair = Pair(messages_per_s=1000.0, message_burst=1)
    for _ in range(100):
        refilled_s = time.monotonic() + 0.001
        while time.monotonic() < refilled_s:
            pass
        for _ in range(11):
            pair.hear(b"{}")
    assert pair.line.close_code() == Close.RATE_LIMITED
    assert len(pair.wire.texts) > 2


async def test_fragments_are_in_the_budget() -> None:
    """A message of ever so many parts is cut as well."""
    pair = Pair(messages_per_s=RARELY, message_burst=40)
    pair.hear(b"", fin=False)
    for _ in range(50):
        pair.hear(b"", WSMsgType.CONTINUATION, fin=False)
    assert pair.line.close_code() == Close.RATE_LIMITED


# -- answers -----------------------------------------------------------------------


def answer(**changed: object) -> bytes:
    """Return an answer_submission."""
    payload = {"questionId": "q1", "selectedOption": "run"} | changed
    return orjson.dumps({"type": "answer_submission", "payload": payload})


async def test_answer_goes_into_the_inbox() -> None:
    """In place, and the session is woken."""
    woken: list[bool] = []
    inbox = Inbox(10, lambda: woken.append(True))
    pair = Pair(inbox)
    pair.hear(answer())
    pair.hear(answer(participantId="p3", answeredAt="2026-01-31T09:30:00.000Z"))
    assert (len(inbox), woken, pair.wire.texts) == (2, [True], [])


UNUSUAL: dict[str, Callable[[], bytes]] = {
    "somebody-elses": lambda: answer(participantId="p4"),
    "longer-than-ones-own": lambda: answer(participantId="p33"),
    "long-time": lambda: answer(answeredAt="x" * 41),
    "escaped": lambda: answer().replace(b"run", b"r\\u0075n"),
    "other-kind": lambda: answer(selectedOptions=["run"]),
}


@pytest.mark.parametrize("make", UNUSUAL.values(), ids=UNUSUAL.keys())
async def test_unusual_answer_is_for_the_general_decoder(
    make: Callable[[], bytes],
) -> None:
    """Nothing that needs a second look is taken in place."""
    inbox = Inbox(10, lambda: None)
    pair = Pair(inbox)
    pair.hear(make())
    assert (len(inbox), pair.wire.texts) == (0, [make()])


async def test_full_inbox_is_said() -> None:
    """Each answer that found it full is answered, none is kept."""
    inbox = Inbox(2, lambda: None)
    pair = Pair(inbox)
    for _ in range(4):
        pair.hear(answer())
    assert (len(inbox), pair.wire.calls) == (2, ["full", "full"])


@pytest.mark.parametrize("field", ["questionId", "selectedOption"])
async def test_text_that_an_inbox_cannot_count_is_for_the_general_decoder(
    field: str,
) -> None:
    """Where messages may be long: its size has 16 bits there."""
    inbox = Inbox(100_000, lambda: None)
    pair = Pair(inbox, message_bytes=200_000)
    for size in (70_000, 65_536, 65_535):
        payload = {"questionId": "q1", "selectedOption": "blue", field: "x" * size}
        said = orjson.dumps({"type": "answer_submission", "payload": payload})
        pair.hear(said)
        if size > 65_535:
            assert pair.wire.texts.pop() == said
            assert len(inbox) == 0
    assert pair.wire.texts == []
    assert len(inbox) == 1
    assert len(inbox.pack(0)) > 65_535


async def test_host_answers_are_not_taken_in_place() -> None:
    """Without an inbox everything goes to the decoder, which refuses it."""
    pair = Pair()
    pair.hear(answer())
    assert pair.wire.texts == [answer()]


def test_policy_is_as_told() -> None:
    """The bounds a wire keeps are those of the settings."""
    own = policy(output_bytes=5000)
    assert (own.message_bytes, own.output_bytes) == (4096, 5000)

"""Frames that RFC 6455 forbids, or that our bounds do, and the close code for each."""

from tests.live.bad_messages import said
from tests.support import frames as ws
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

HEARTBEAT = said("heartbeat").encode()
BOUND_BYTES = 4096


def filled(size: int) -> bytes:
    """Return a heartbeat of exactly *size* bytes."""
    empty = said("heartbeat", filler="").encode()
    return said("heartbeat", filler="x" * (size - len(empty))).encode()


def parts(*payloads: bytes, first: int = TEXT) -> bytes:
    """Return one message in as many frames."""
    last = len(payloads) - 1
    return b"".join(
        ws.frame(first if place == 0 else CONTINUATION, payload, fin=place == last)
        for place, payload in enumerate(payloads)
    )


def option(raw: bytes) -> bytes:
    """Return an answer whose option is *raw*."""
    return (
        b'{"type":"answer_submission","payload":'
        b'{"questionId":"q1","selectedOption":"' + raw + b'"}}'
    )


SIZE_ROWS = {
    "a-byte-too-many": (ws.text(filled(BOUND_BYTES + 1)), 1009),
    "a-byte-too-many-in-parts": (
        parts(filled(BOUND_BYTES + 1)[:4000], filled(BOUND_BYTES + 1)[4000:]),
        1009,
    ),
    "part-too-big": (ws.text(b"x" * (BOUND_BYTES + 1), fin=False), 1009),
    "10k-brackets": (ws.text(b"[" * 10_000), 1009),
    "64-kib": (ws.text(b"x" * 65_536), 1009),
    "1-mib": (ws.text(b"x" * (1 << 20)), 1009),
    "1-tib-declared": (ws.text(b"", declared=1 << 40), 1009),
    "binary-too-big": (ws.frame(BINARY, b"x" * (BOUND_BYTES + 1)), 1009),
    "negative-size": (ws.text(b"", declared=1 << 63), 1002),
    "size-not-the-shortest-16": (
        b"\x81\xfe\x00\x05" + ws.MASK + ws.masked(b"hello"),
        1002,
    ),
    "size-not-the-shortest-64": (
        b"\x81\xff" + (5).to_bytes(8, "big") + ws.MASK + ws.masked(b"hello"),
        1002,
    ),
}

ORDER_ROWS = {
    "continuation-of-nothing": (ws.frame(CONTINUATION, HEARTBEAT), 1002),
    "unfinished-continuation-of-nothing": (
        ws.frame(CONTINUATION, HEARTBEAT, fin=False),
        1002,
    ),
    "text-inside-a-message": (ws.text(b"{", fin=False) + ws.text(HEARTBEAT), 1002),
    "begun-twice": (ws.text(b"{", fin=False) + ws.text(b"}", fin=False), 1002),
    "continuation-after-the-end": (
        parts(b'{"type":"heart', b'beat"}') + ws.frame(CONTINUATION, b"!"),
        1002,
    ),
    "binary": (ws.frame(BINARY, HEARTBEAT), 1003),
    "binary-in-parts": (parts(b"{", b"}", first=BINARY), 1003),
    "empty-binary": (ws.frame(BINARY), 1003),
}

UTF8_ROWS = {
    "in-an-option": (ws.text(option(b"r\xffn")), 1007),
    "in-an-unknown-field": (
        ws.text(b'{"type":"heartbeat","x":"\xc3\x28"}'),
        1007,
    ),
    "in-a-key": (ws.text(b'{"\xa0":1,"type":"heartbeat"}'), 1007),
    "not-even-json": (ws.text(b"\xfe\xff\x00h"), 1007),
    "overlong": (ws.text(option(b"\xc0\xaf")), 1007),
    "overlong-of-three": (ws.text(option(b"\xe0\x80\xaf")), 1007),
    "surrogate": (ws.text(option(b"\xed\xa0\x80")), 1007),
    "beyond-unicode": (ws.text(option(b"\xf4\x90\x80\x80")), 1007),
    "cut-at-the-end": (ws.text(b'{"type":"heartbeat"}\xe2\x82'), 1007),
    "bad-across-parts": (parts(b'{"type":"\xe2', b'\x28\xac"}'), 1007),
    "cut-by-the-last-part": (parts(b'{"type":"\xe2', b"\x82"), 1007),
}

HEADER_ROWS = {
    "unmasked": (ws.text(HEARTBEAT, mask=None), 1002),
    "unmasked-ping": (ws.frame(PING, b"x", mask=None), 1002),
    "unmasked-close": (ws.frame(CLOSE, mask=None), 1002),
    **{
        f"reserved-bit-{bit}": (ws.text(HEARTBEAT, reserved=value), 1002)
        for bit, value in ((1, 4), (2, 2), (3, 1))
    },
    "reserved-bit-of-a-part": (
        ws.text(b"{", fin=False) + ws.frame(CONTINUATION, b"}", reserved=4),
        1002,
    ),
    "reserved-bit-of-a-ping": (ws.frame(PING, b"x", reserved=4), 1002),
    **{
        f"opcode-{opcode}": (ws.frame(opcode, b"x"), 1002)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
}

CONTROL_ROWS = {
    "ping-in-parts": (ws.frame(PING, b"x", fin=False), 1002),
    "pong-in-parts": (ws.frame(PONG, b"x", fin=False), 1002),
    "close-in-parts": (ws.frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "long-ping": (ws.frame(PING, b"x" * 126), 1002),
    "long-pong": (ws.frame(PONG, b"x" * 126), 1002),
    "long-close": (ws.close(1000, b"x" * 124), 1002),
    "close-of-one-byte": (ws.frame(CLOSE, b"\x03"), 1002),
    "close-reason-not-utf-8": (ws.close(1000, b"\xff"), 1007),
    **{
        f"close-with-{code}": (ws.close(code), 1002)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
    },
}

CLOSE_ROWS = {
    **{
        f"close-with-{code}": (ws.close(code), code)
        for code in (1000, 1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999)
    },
    "close-with-a-reason": (ws.close(1000, "bye \u2713".encode()), 1000),
    "close-without-a-code": (ws.close(), 1000),
}

ROWS = {
    f"{table}-{name}": row
    for table, rows in {
        "size": SIZE_ROWS,
        "order": ORDER_ROWS,
        "utf8": UTF8_ROWS,
        "header": HEADER_ROWS,
        "control": CONTROL_ROWS,
        "end": CLOSE_ROWS,
    }.items()
    for name, row in rows.items()
}

GOOD_ROWS = {
    "exactly-the-bound": ws.text(filled(BOUND_BYTES)),
    "exactly-the-bound-in-parts": parts(
        filled(BOUND_BYTES)[:5], filled(BOUND_BYTES)[5:]
    ),
    "parts": parts(b'{"type":', b'"heart', b'beat"}'),
    "empty-parts": parts(b"", HEARTBEAT, b""),
    "character-across-parts": parts(b'{"type":"heartbeat","x":"\xe2\x82', b'\xac"}'),
    "ping-between-parts": (
        ws.text(HEARTBEAT[:9], fin=False)
        + ws.frame(PING, b"ping")
        + ws.frame(CONTINUATION, HEARTBEAT[9:])
    ),
    "pong-nobody-asked-for": ws.frame(PONG, b"x" * 125) + ws.text(HEARTBEAT),
    "mask-of-zeros": ws.text(HEARTBEAT, mask=b"\0\0\0\0"),
    "no-payload": ws.text('{"type":"heartbeat"}'),
    "unknown-fields": ws.text('{"v":[{}],"type":"heartbeat","payload":{"x":{"y":[]}}}'),
    "last-of-two-payloads": ws.text(
        '{"payload":5,"type":"heartbeat","payload":{"sentAt":1}}'
    ),
    "nested-payload": ws.text(
        '{"type":"heartbeat","payload":' + '{"a":' * 500 + "1" + "}" * 500 + "}"
    ),
    "number-of-300-digits": ws.text(
        '{"type":"heartbeat","payload":{"x":' + "9" * 300 + "}}"
    ),
    "nul-escaped": ws.text('{"type":"heartbeat","x\\u0000":"\\u0000"}'),
    "surrogate-pair": ws.text('{"type":"heartbeat","x":"\\ud83d\\ude00"}'),
}

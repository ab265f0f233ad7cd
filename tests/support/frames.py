"""RFC 6455 frames, byte by byte: what a client may send, and what it must not.

Nothing here comes from the code under test or its libraries, so that the two can be
held against each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
MASKED = 0x80
MASK = b"\x37\xfa\x21\x3d"
SIZES = {126: 2, 127: 8}
"""How many bytes of length follow a second byte of 126 or 127."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came from the server."""

    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def code(self) -> int | None:
        """The close code, ``None`` where a close frame has none."""
        assert self.opcode == CLOSE
        return int.from_bytes(self.payload[:2], "big") if self.payload else None


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    declared: int | None = None,
) -> bytes:
    """Return a client's frame.

    *reserved*: the three reserved bits, as a number. *mask*: ``None`` leaves it out.
    *declared*: the length that the header tells instead of the true one.
    """
    first = (FIN if fin else 0) | reserved << 4 | opcode
    size = len(payload) if declared is None else declared
    header = bytes([first]) + _length(size, MASKED if mask else 0)
    if mask is None:
        return header + payload
    return header + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    """Return *payload* masked, or unmasked."""
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def _length(size: int, flag: int) -> bytes:
    if size < 126:
        return bytes([flag | size])
    if size < 65_536:
        return bytes([flag | 126]) + size.to_bytes(2, "big")
    return bytes([flag | 127]) + size.to_bytes(8, "big")


def text(message: str | bytes, **parts: object) -> bytes:
    """Return a client's text frame; *parts* as of :func:`frame`."""
    payload = message.encode() if isinstance(message, str) else message
    return frame(TEXT, payload, **parts)  # type: ignore[arg-type]


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a client's close frame."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the server's frames in *data*, and the beginning of one more."""
    found = []
    while (first := _first(data)) is not None:
        one, size = first
        found.append(one)
        data = data[size:]
    return found, data


def frames(data: bytes) -> Iterator[Frame]:
    """Return the server's frames in *data*, which holds nothing else."""
    found, rest = split(data)
    assert not rest, f"the last frame is cut: {rest!r}"
    yield from found


def _first(data: bytes) -> tuple[Frame, int] | None:
    """Return the frame that *data* begins with and its size, if it is whole."""
    if len(data) < 2:
        return None
    assert not data[1] & MASKED, "a server masks nothing (RFC 6455 section 5.1)"
    assert not data[0] & 0x70, "no extension was agreed upon, so no reserved bit is set"
    size, start = data[1], 2
    if size in SIZES:
        start += SIZES[size]
        if len(data) < start:
            return None
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        return None
    payload = data[start : start + size]
    return Frame(data[0] & 0x0F, payload, bool(data[0] & FIN)), start + size

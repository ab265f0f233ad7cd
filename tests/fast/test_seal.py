"""Tokens: what they look like, and that no other opens anything."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast.seal import BadToken, Seal

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_767_225_600
SEAL = Seal(SECRET)

numbers = st.integers(0, 2**32 - 1)
ids = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


def by_the_book(secret: bytes, role: int, expires_s: int, index: int, sid: str) -> str:
    """Make a token with the standard library alone."""
    signed = struct.pack(">BII", role, expires_s, index) + sid.encode()
    mac = hmac.new(secret, signed, sha256).digest()[:16]
    return urlsafe_b64encode(signed + mac).rstrip(b"=").decode()


@given(st.binary(min_size=1, max_size=150), st.sampled_from([1, 2]), numbers, ids)
def test_token_is_an_hmac_of_what_it_says(
    secret: bytes, role: int, index: int, session_id: str
) -> None:
    """RFC 2104, with secrets shorter and longer than a block of the hash."""
    token = Seal(secret).make(role, NOW_S + 1, index, session_id)
    assert token == by_the_book(secret, role, NOW_S + 1, index, session_id)
    assert Seal(secret).read(token, NOW_S) == (role, session_id, index)


@given(numbers)
def test_token_holds_up_to_its_second(expires_s: int) -> None:
    """And not in it."""
    token = SEAL.make(1, expires_s, 0, "s")
    assert SEAL.read(token, expires_s - 1) == (1, "s", 0)
    with pytest.raises(BadToken, match="expired"):
        SEAL.read(token, expires_s)


def test_another_secret_opens_nothing() -> None:
    """Nor does ours what it has made."""
    with pytest.raises(BadToken, match="not ours"):
        Seal(SECRET[::-1]).read(SEAL.make(1, NOW_S + 1, 0, "s"), NOW_S)


def test_any_changed_byte_spoils_it() -> None:
    """In what it says as well as in its mac."""
    raw = urlsafe_b64decode(SEAL.make(1, NOW_S + 1, 7, "session") + "==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        text = urlsafe_b64encode(changed).rstrip(b"=").decode()
        with pytest.raises(BadToken, match="not ours"):
            SEAL.read(text, NOW_S)


@pytest.mark.parametrize(
    "token",
    ["", "A", "A" * 33, "A" * 201, "A" * 40 + "=", "A" * 40 + "+", "tökén" * 8],
    ids=["empty", "one", "short", "long", "padded", "other alphabet", "not ascii"],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    """Base64url of at least 25 bytes, in at most 200 characters, and nothing else."""
    with pytest.raises(BadToken, match="malformed"):
        SEAL.read(token, NOW_S)


@given(st.text(max_size=220))
def test_no_text_does_any_harm(token: str) -> None:
    """Whatever comes, it is refused."""
    with pytest.raises(BadToken):
        SEAL.read(token, NOW_S)


@given(st.binary(min_size=25, max_size=150))
def test_no_bytes_are_a_token_by_chance(raw: bytes) -> None:
    """Also what decodes well opens nothing."""
    with pytest.raises(BadToken, match="not ours"):
        SEAL.read(urlsafe_b64encode(raw).rstrip(b"=").decode(), NOW_S)

"""Tokens of participants and hosts: short, signed, checked without a look-up.

A token is base64url of ``role u8, expiry u32, participant u32, session id, mac``
(big-endian; the mac is the first 16 bytes of HMAC-SHA256 over what stands before it,
RFC 2104). The participant is the index in the session; a host's is zero.
"""

import hmac
import os
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from quizd.codes import Reason, Refused

HEAD = struct.Struct(">BII")
MAC_BYTES = 16
SECRET_BYTES = 32
TOKEN_MAX_CHARS = 200


class Role(IntEnum):
    """Whose token it is."""

    PARTICIPANT = 1
    HOST = 2


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid token says."""

    role: Role
    session_id: str
    participant: int


class Tokens:
    """Issues and checks tokens with one *secret* of at least 16 bytes.

    *ttl_s*: how long a token holds, in seconds.
    """

    def __init__(self, secret: bytes, ttl_s: int) -> None:
        if len(secret) < MAC_BYTES:
            msg = f"the secret has {len(secret)} bytes, {MAC_BYTES} at least are needed"
            raise ValueError(msg)
        self._secret = secret
        self._ttl_s = ttl_s

    def issue(self, grant: Grant, now_ms: int) -> str:
        """Return a token that says *grant* from *now_ms* on."""
        head = HEAD.pack(grant.role, now_ms // 1000 + self._ttl_s, grant.participant)
        signed = head + grant.session_id.encode()
        return urlsafe_b64encode(signed + self._mac(signed)).rstrip(b"=").decode()

    def check(self, token: str, now_ms: int) -> Grant:
        """Return what *token* says; raise ``Refused: unauthorized``.

        The comparison takes the same time wherever a wrong mac differs.
        """
        raw = _decoded(token)
        signed, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(signed)):
            raise Refused(Reason.UNAUTHORIZED, problem="token is not ours")
        role, expires_s, participant = HEAD.unpack_from(signed)
        if now_ms // 1000 >= expires_s:
            raise Refused(Reason.UNAUTHORIZED, problem="token has expired")
        return Grant(Role(role), signed[HEAD.size :].decode(), participant)

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._secret, signed, sha256)[:MAC_BYTES]


def _decoded(token: str) -> bytes:
    malformed = Refused(Reason.UNAUTHORIZED, problem="token is malformed")
    if not token.isascii() or len(token) > TOKEN_MAX_CHARS:
        raise malformed
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except NotBase64:
        raise malformed from None
    if len(raw) < HEAD.size + MAC_BYTES:
        raise malformed
    return raw


def secret_from(path: Path) -> bytes:
    """Return the secret in *path*, making it where it is missing.

    Raises as :func:`private_file` does.
    """
    return private_file(path, secrets.token_bytes(SECRET_BYTES))


def private_file(path: Path, content: bytes) -> bytes:
    """Return what is in *path*; where it is missing, make it (mode 0600) of *content*.

    Raises ``OSError`` where it can't, ``ValueError`` where others can read it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            msg = f"{path} can be read by others: chmod 600 {path}"
            raise ValueError(msg) from None
    else:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
    return path.read_bytes()

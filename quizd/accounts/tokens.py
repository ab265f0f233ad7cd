"""Tokens of participants and hosts: short, signed, checked without a look-up.

What they look like is in ``_fast/seal.pyx``. The participant is the index in the
session; a host's is zero. Behind the session's id, and a dot, stands how the id of the
participant begins: a session that has lost a joining gives its index to somebody else.
"""

import os
import secrets
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from quizd._fast.seal import BadToken, Seal
from quizd.codes import Reason, Refused

SECRET_MIN_BYTES = 16
SECRET_BYTES = 32
WHOSE_CHARS = 8


class Role(IntEnum):
    """Whose token it is."""

    PARTICIPANT = 1
    HOST = 2


ROLES = {role.value: role for role in Role}


class Grant(NamedTuple):
    """What a valid token says.

    ``whose`` is the first :data:`WHOSE_CHARS` of the participant's id. It is empty for
    a host, and in a participant's token that was issued before tokens had it.
    """

    role: Role
    session_id: str
    participant: int
    whose: str = ""

    def is_of(self, participant_id: str) -> bool:
        """Tell whether who has this id is the one at ``participant`` who was meant.

        Ids are public and the token's mac is checked, so there is no secret to compare.
        """
        return not self.whose or self.whose == participant_id[:WHOSE_CHARS]


class Tokens:
    """Issues and checks tokens with one *secret* of at least 16 bytes.

    *ttl_s*: how long a token holds, in seconds.
    """

    def __init__(self, secret: bytes, ttl_s: int) -> None:
        if len(secret) < SECRET_MIN_BYTES:
            msg = f"the secret has {len(secret)} bytes, {SECRET_MIN_BYTES} at least"
            raise ValueError(f"{msg} are needed")
        self._seal = Seal(secret)
        self._ttl_s = ttl_s

    def issue(self, grant: Grant, now_ms: int) -> str:
        """Return a token that says *grant* from *now_ms* on."""
        expires_s = now_ms // 1000 + self._ttl_s
        role, scope, participant, whose = grant
        if whose:
            scope = f"{scope}.{whose}"
        return self._seal.make(role, expires_s, participant, scope)

    def check(self, token: str, now_ms: int) -> Grant:
        """Return what *token* says; raise ``Refused: unauthorized``.

        The comparison takes the same time wherever a wrong mac differs.
        """
        try:
            role, scope, participant = self._seal.read(token, now_ms // 1000)
        except BadToken as bad:
            raise Refused(Reason.UNAUTHORIZED, problem=str(bad)) from None
        session_id, _, whose = scope.partition(".")
        return Grant(ROLES[role], session_id, participant, whose)


def secret_from(path: Path) -> bytes:
    """Return the secret in *path*, making it where it is missing.

    Raises as :func:`private_file` does.
    """
    return private_file(path, secrets.token_bytes(SECRET_BYTES))


def private_file(path: Path, content: bytes) -> bytes:
    """Return what is in *path*; where it is missing, make it (mode 0600) of *content*.

    Of several that make it at once one succeeds, and all return its content. Raises
    ``OSError`` where it can't, ``ValueError`` where others can read it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_whole(path, content)
    if path.stat().st_mode & 0o077:
        msg = f"{path} can be read by others: chmod 600 {path}"
        raise ValueError(msg)
    return path.read_bytes()


def _make_whole(path: Path, content: bytes) -> None:
    """Make *path* of *content* in one step, unless somebody else does."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)

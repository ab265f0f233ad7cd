# What each call promises, and its errors, is in the docstrings of seal.pyx.

class BadToken(ValueError): ...  # noqa: N818 - what it is

class Seal:
    def __init__(self, secret: bytes) -> None: ...
    def make(
        self, role: int, expires_s: int, participant: int, session_id: str
    ) -> str: ...
    def read(self, token: str, now_s: int) -> tuple[int, str, int]: ...

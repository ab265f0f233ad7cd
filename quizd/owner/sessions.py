"""Where edge and API find sessions, on this shard or on any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quizd.owner.handle import Handle
from quizd.session.picture import Joinable
from quizd.session.quiz import Quiz


@dataclass(frozen=True, slots=True)
class OpenNow:
    """An open session; ``joinable`` is its line where it takes players."""

    quiz_id: str
    joinable: Joinable | None


class Sessions(Protocol):
    """All sessions that can be reached from here."""

    def handles(self) -> Sequence[Handle]:
        """Return the sessions that this shard owns."""
        ...

    async def open_now(self) -> list[OpenNow]:
        """Return all open sessions, as far as they answer soon."""
        ...

    def known(self, session_id: str) -> Handle | None:
        """Return a session that is known here, ``None`` where it is not."""
        ...

    def find_here(self, address: str) -> Handle | None:
        """Return a session that is known here, by its quiz's id or its pin."""
        ...

    async def session(self, session_id: str) -> Handle:
        """Return a session; raise ``Refused: session_not_found``."""
        ...

    async def find_open(self, address: str) -> Handle | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        ...

    async def find(self, address: str) -> Handle:
        """Return the open session of a quiz's id or a pin, else the quiz's last one.

        Raises ``Refused: session_not_found``.
        """
        ...

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Handle:
        """Return the open session of *quiz_id*, opening one where there is none.

        Raises ``Refused: session_full`` at the ceiling of sessions and
        ``shard_unavailable`` where it can't be remembered.
        """
        ...

"""Before a WebSocket is admitted: its session may have to be brought here first.

Admission looks at what this shard knows, and answers at once. A player who has joined
on another shard is news here; so the door, before it hands the request on, waits until
the session is followed and the participant is in it, or until that is hopeless.
"""

import asyncio
import re
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.clock import Clock
from quizd.codes import Refused
from quizd.edge.admission import is_known
from quizd.owner.sessions import Sessions

TOKEN = re.compile(rb"[?&]token=([A-Za-z0-9_-]+)|bearer\.([A-Za-z0-9_-]+)")
PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Brings sessions here for those who are about to be admitted."""

    sessions: Sessions
    tokens: Tokens
    clock: Clock

    def missing(self, head: bytes) -> Awaitable[None] | None:
        """Return what to wait for before the request with *head* is admitted.

        ``None`` where there is nothing: all is known, or the token is no good.
        """
        found = TOKEN.search(head)
        if found is None:
            return None
        token = (found[1] or found[2]).decode()
        try:
            grant = self.tokens.check(token, self.clock.now_ms())
        except Refused:
            return None
        if is_known(self.sessions.known(grant.session_id), grant):
            return None
        return self._bring(grant)

    async def _bring(self, grant: Grant) -> None:
        with suppress(Refused, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                handle = await self.sessions.session(grant.session_id)
                if grant.role is Role.PARTICIPANT:
                    await handle.expect(grant.participant)

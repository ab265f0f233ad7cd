"""Before a WebSocket is admitted: its session may have to be brought here first.

Admission looks at what this shard knows, and answers at once. A player who has joined
on another shard is news here; so the door, before it hands the request on, waits until
the session is followed and the participant is in it, or until that is hopeless.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from quizd._fast.entrance import Ask
from quizd.accounts.tokens import Grant, Role, Tokens
from quizd.clock import Clock
from quizd.codes import Refused
from quizd.edge.admission import is_known
from quizd.owner.sessions import Sessions

PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Brings sessions here for those who are about to be admitted."""

    sessions: Sessions
    tokens: Tokens
    clock: Clock

    def missing(self, ask: Ask) -> Awaitable[None] | None:
        """Return what to wait for before *ask* is admitted.

        ``None`` where there is nothing: all is known, or the token is no good.
        """
        try:
            grant = ask.grant or self.tokens.check(ask.token, self.clock.now_ms())
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

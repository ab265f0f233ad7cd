"""A journal in memory, for tests: the same rules, and handles to make it fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar, cast

from quizd.journal.base import (
    MAX_WAITING,
    NO_HASH,
    Claim,
    Exists,
    JournalUnavailable,
    OnCommit,
    Position,
    SessionEntry,
    Snapshot,
    Unknown,
)
from quizd.journal.fence import (
    check_parts,
    check_term,
    is_next,
    next_term,
    not_the_same,
    still_running,
)
from quizd.journal.intake import IntakeJournal
from quizd.journal.memory_session import Session

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Request:
    """A write.

    *run* does it and returns how many batches it has kept and what the caller gets;
    *appends_to* is the session if it is an append.
    """

    run: Callable[[], tuple[int, object]]
    future: asyncio.Future[object]
    appends_to: str | None = None


class MemoryJournal(IntakeJournal):
    """Keeps batches as long as the object lives; a stop and a start lose nothing.

    Appends are numbered from 1 in the order of their calls. One whose number is in
    `fail_on` is not kept and raises `JournalUnavailable`; one in `lose_reply_on` is
    kept and raises it all the same, the other half of an unknown outcome. Between
    `hold` and `release` every write stays in flight.
    """

    def __init__(
        self,
        *,
        max_waiting: int = MAX_WAITING,
        on_commit: OnCommit | None = None,
        fail_on: Iterable[int] = (),
        lose_reply_on: Iterable[int] = (),
    ) -> None:
        super().__init__(max_waiting, on_commit)
        self.fail_on = set(fail_on)
        self.lose_reply_on = set(lose_reply_on)
        self._sessions: dict[str, Session] = {}
        self._alive_ms_of_runs: list[int] = []
        self._waiting: list[_Request] = []
        self._appends = 0
        self._held = False
        self._is_open = False

    def hold(self) -> None:
        """Keep every write in flight from now on."""
        self._held = True

    def release(self) -> None:
        """Let writes be committed again; those held back share commits."""
        self._held = False
        self._commit()

    async def start(self) -> None:
        """Begin a run; what was kept in earlier ones is still there."""
        if self._is_open:
            raise RuntimeError("journal is running")
        self._alive_ms_of_runs.append(0)
        self._is_open = True
        self._intake.open()

    async def stop(self) -> None:
        """Commit what waits, held back or not, and refuse what comes."""
        self._intake.close()
        self._is_open = False
        self._commit()

    async def create(
        self, session_id: str, quiz_id: str, pin: str, batch: bytes, now_ms: int
    ) -> int:
        """Create a session with *batch* at index 1; see `Journal.create`."""

        def create() -> tuple[int, int]:
            if session_id in self._sessions:
                raise Exists(session_id)
            term = next_term(0, now_ms)
            session = Session(term, 0, NO_HASH, quiz_id, pin, self._run, now_ms, now_ms)
            session.add(batch)
            self._sessions[session_id] = session
            return 1, term

        return await self._order(create)

    async def claim(self, session_id: str, now_ms: int) -> Claim:
        """Own the session under a new term; see `Journal.claim`."""

        def claim() -> tuple[int, Claim]:
            session = self._session(session_id)
            session.alive_ms = self._alive_ms(session)
            session.term = next_term(session.term, now_ms)
            session.run, session.claimed_ms = self._run, now_ms
            return 0, Claim(
                session.term, session.last_index, session.alive_ms, session.hash
            )

        return await self._order(claim)

    async def append(
        self, session_id: str, term: int, index: int, batch: bytes
    ) -> None:
        """Add *batch*, or fail as told; see `Journal.append`."""
        self._intake.enter_append(session_id, batch)
        self._appends += 1
        number = self._appends

        def append() -> tuple[int, None]:
            if number in self.fail_on:
                raise JournalUnavailable(f"append {number} was told to fail")
            kept = self._append(session_id, term, index, batch)
            if number in self.lose_reply_on:
                raise JournalUnavailable(f"reply of append {number} was lost")
            return kept, None

        await self._put(append, session_id)

    async def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order; see `Journal.read`."""
        while True:
            self._intake.check_open()
            page = self._session(session_id).page(after_index)
            if not page:
                return
            for index, batch in page:
                yield index, batch
            after_index = page[-1][0]

    async def sessions(self, *, include_ended: bool = False) -> list[SessionEntry]:
        """Return the sessions that have not ended, or all, oldest first."""
        self._intake.check_open()
        return [
            self._entry(session_id, session)
            for session_id, session in self._sessions.items()
            if session.listed and (include_ended or not session.ended)
        ]

    async def entry(self, session_id: str) -> SessionEntry:
        """Return what is known of one session. Raises `Unknown`."""
        self._intake.check_open()
        return self._entry(session_id, self._session(session_id))

    async def finish(self, session_id: str, term: int) -> None:
        """Mark the session as ended; see `Journal.finish`."""

        def finish() -> tuple[int, None]:
            session = check_term(self._sessions.get(session_id), term)
            session.alive_ms = self._alive_ms(session)
            session.ended = True
            return 0, None

        await self._order(finish)

    async def renew(self, now_ms: int) -> None:
        """Note that the owner was alive at *now_ms*; see `Journal.renew`."""

        def renew() -> tuple[int, None]:
            alive_ms = self._alive_ms_of_runs
            alive_ms[self._run] = max(alive_ms[self._run], now_ms)
            self._remove_due(now_ms)
            return 0, None

        await self._order(renew)

    async def position(self, session_id: str) -> Position:
        """Return where the session's log stands. Raises `Unknown`."""
        self._intake.check_open()
        session = self._session(session_id)
        return Position(session.term, session.last_index, session.hash)

    async def save_snapshot(
        self, session_id: str, term: int, index: int, parts: Mapping[str, bytes]
    ) -> None:
        """Keep a snapshot; see `Journal.save_snapshot`."""
        check_parts(parts)

        def save() -> tuple[int, None]:
            check_term(self._sessions.get(session_id), term).save(index, parts)
            return 0, None

        await self._order(save)

    async def load_snapshot(self, session_id: str) -> Snapshot | None:
        """Return the latest snapshot, if there is one. Raises `Unknown`."""
        self._intake.check_open()
        return self._session(session_id).snapshot

    async def trim(self, session_id: str, through_index: int) -> int:
        """Forget batches before the latest snapshot; see `Journal.trim`."""
        return await self._order(
            lambda: (0, self._session(session_id).trim(through_index))
        )

    async def expire(self, session_id: str, after_s: float) -> None:
        """Let an ended session go later, counted from the next renewal on."""

        def expire() -> tuple[int, None]:
            session = self._ended(session_id)
            if session is not None:
                session.kept_ms, session.due_ms = round(after_s * 1000), None
            return 0, None

        await self._order(expire)

    async def forget(self, session_id: str) -> None:
        """Remove an ended session; see `Journal.forget`."""

        def forget() -> tuple[int, None]:
            if self._ended(session_id) is not None:
                del self._sessions[session_id]
            return 0, None

        await self._order(forget)

    @property
    def durability(self) -> str:
        """One sentence on what an acknowledged batch survives."""
        return "in memory: nothing survives the end of the process"

    @property
    def _run(self) -> int:
        return len(self._alive_ms_of_runs) - 1

    async def _order(self, run: Callable[[], tuple[int, T]]) -> T:
        self._intake.enter()
        return await self._put(run)

    async def _put(
        self, run: Callable[[], tuple[int, T]], appends_to: str | None = None
    ) -> T:
        loop = asyncio.get_running_loop()
        request = _Request(run, loop.create_future(), appends_to)
        self._waiting.append(request)
        if not self._held:
            loop.call_soon(self._commit)
        return cast("T", await request.future)

    def _commit(self) -> None:
        """Serve what waits, in order; appends in a row are one commit."""
        if self._held and self._is_open:
            return
        waiting, self._waiting = self._waiting, []
        for is_append, group in groupby(waiting, lambda r: r.appends_to is not None):
            if is_append:
                self._serve(list(group))
            else:
                for request in group:
                    self._serve([request])

    def _serve(self, group: list[_Request]) -> None:
        started = time.perf_counter()
        kept = sum(self._outcome(request) for request in group)
        if kept:
            self._intake.committed(time.perf_counter() - started, kept)

    def _outcome(self, request: _Request) -> int:
        """Do what is asked for, tell the caller, return the batches kept."""
        self._intake.leave(request.appends_to)
        kept, result, failure = 0, None, None
        try:
            kept, result = request.run()
        except Exception as error:  # noqa: BLE001 - the caller's, whatever it is
            failure = error
        if request.future.done():  # whoever asked has gone away
            return kept
        if failure is None:
            request.future.set_result(result)
        else:
            request.future.set_exception(failure)
        return kept

    def _append(self, session_id: str, term: int, index: int, batch: bytes) -> int:
        session = check_term(self._sessions.get(session_id), term)
        if is_next(session, index):
            session.add(batch)
            return 1
        kept = session.log.get(index)
        if kept is None or (kept.term, kept.content) != (term, batch):
            raise not_the_same(index)
        return 0

    def _session(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise Unknown(session_id)
        return session

    def _ended(self, session_id: str) -> Session | None:
        session = self._sessions.get(session_id)
        if session is not None and not session.ended:
            raise still_running(session_id)
        return session

    def _remove_due(self, now_ms: int) -> None:
        for session_id, session in list(self._sessions.items()):
            if session.kept_ms is None:
                continue
            if session.due_ms is None:
                session.due_ms = now_ms + session.kept_ms
            if session.due_ms <= now_ms:
                del self._sessions[session_id]

    def _alive_ms(self, session: Session) -> int:
        if session.ended or session.log[session.last_index].term != session.term:
            return session.alive_ms
        return max(session.claimed_ms, self._alive_ms_of_runs[session.run])

    def _entry(self, session_id: str, session: Session) -> SessionEntry:
        return SessionEntry(
            session_id,
            session.quiz_id,
            session.pin,
            session.term,
            session.last_index,
            session.ended,
            self._alive_ms(session),
        )

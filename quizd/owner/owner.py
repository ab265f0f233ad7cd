"""All sessions that this shard owns: opening, finding, recovering, ending them.

A runner that fails by a bug, or whose journal says that somebody else owns the session
now, is thrown away with its state; the session comes back from the journal. Other
sessions notice nothing.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from quizd.clock import Clock
from quizd.codes import Close, Reason, Refused
from quizd.journal.base import Fenced, Journal, JournalUnavailable, SessionEntry
from quizd.log import get_logger
from quizd.owner.runner import Limits, Runner
from quizd.owner.subscriber import Subscriber
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION, LiveSession
from quizd.session.phases import Phase
from quizd.session.quiz import Quiz
from quizd.session.state import State

KEEP_ENDED_MS = 600_000
FAILURES_MAX = 3
FAILURES_MS = 60_000
RELOAD_RETRY_S = 0.5
FIRST_EPOCH = 1
PIN_DIGITS = 6

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """Bounds of a shard's sessions."""

    sessions: int = 10_000
    capacity: int = 100_000
    renew_ms: int = 500
    runner: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Slot:
    """A session and the task that runs it."""

    runner: Runner
    task: asyncio.Task[None] | None = None
    finishing: asyncio.Task[None] | None = None
    failed_ms: list[int] = field(default_factory=list)


class Owner:
    """The sessions of this shard.

    *subscribe* gives a new runner its way to the connections.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        settings: OwnerSettings,
        subscribe: Callable[[Runner], Subscriber],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._subscribe = subscribe
        self._slots: dict[str, Slot] = {}
        self._open_quizzes: dict[str, str] = {}
        self._last_of_quiz: dict[str, str] = {}
        self._pins: dict[str, str] = {}
        self._ended: deque[tuple[int, str]] = deque()
        self._opening: dict[str, asyncio.Lock] = {}
        self._keeper: asyncio.Task[None] | None = None
        self.failures = 0

    # -- life ------------------------------------------------------------------

    async def start(self) -> int:
        """Take over every open session of the journal; return how many there were."""
        entries = await self._journal.sessions()
        for entry in entries:
            self._clock.not_before(entry.alive_ms)
        for entry in entries:
            await self._recover(entry)
        self._keeper = asyncio.create_task(self._keep())
        return len(entries)

    async def _recover(self, entry: SessionEntry) -> None:
        """Take a session over; one whose records are damaged costs no other one."""
        try:
            await self._take_over(entry)
        except rec.BadRecord as error:
            self.failures += 1
            log.error(  # noqa: TRY400 - the text says it all
                "session_unreadable", session_id=entry.session_id, error=str(error)
            )

    async def stop(self) -> None:
        """Stop running; the journal has everything for whoever comes next."""
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        if self._keeper is not None:
            tasks.append(self._keeper)
        for task in tasks:
            task.cancel()
        finishing = [s.finishing for s in self._slots.values() if s.finishing]
        await asyncio.gather(*tasks, *finishing, return_exceptions=True)
        for slot in self._slots.values():
            slot.runner.abandon()

    async def _keep(self) -> None:
        """Note every now and then that this owner lives; forget what is long over."""
        while True:
            await asyncio.sleep(self._settings.renew_ms / 1000)
            now_ms = self._clock.now_ms()
            try:
                if self._open_quizzes:
                    await self._journal.renew(now_ms)
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
            while self._ended and self._ended[0][0] + KEEP_ENDED_MS <= now_ms:
                self._forget(self._ended.popleft()[1])

    # -- finding ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._open_quizzes)

    def runners(self) -> list[Runner]:
        """Return the runners of all sessions, ended ones that are kept included."""
        return [slot.runner for slot in self._slots.values()]

    def session(self, session_id: str) -> Runner:
        """Return the runner of *session_id*; raise ``Refused: session_not_found``."""
        slot = self._slots.get(session_id)
        if slot is None:
            raise Refused(Reason.SESSION_NOT_FOUND, sessionId=session_id)
        return slot.runner

    def find_open(self, address: str) -> Runner | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        session_id = self._open_quizzes.get(address) or self._pins.get(address)
        return self._slots[session_id].runner if session_id else None

    def find(self, address: str) -> Runner:
        """Return the open session of a quiz's id or a pin, else the quiz's last one.

        Raises ``Refused: session_not_found``.
        """
        runner = self.find_open(address)
        if runner is not None:
            return runner
        session_id = self._last_of_quiz.get(address)
        if session_id is None:
            raise Refused(Reason.SESSION_NOT_FOUND, quizId=address)
        return self._slots[session_id].runner

    # -- opening ---------------------------------------------------------------

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Runner:
        """Return the open session of *quiz_id*, opening one where there is none.

        Raises ``Refused: session_full`` at the ceiling of sessions and
        ``shard_unavailable`` where the journal takes nothing.
        """
        async with self._opening.setdefault(quiz_id, asyncio.Lock()):
            runner = self.find_open(quiz_id)
            return runner or await self._open(quiz_id, quiz, quiz_version)

    async def _open(self, quiz_id: str, quiz: Quiz, quiz_version: int) -> Runner:
        if len(self) >= self._settings.sessions:
            raise Refused(Reason.SESSION_FULL, limit=self._settings.sessions)
        opened = rec.SessionOpened(
            at_ms=self._clock.now_ms(),
            session_id=secrets.token_hex(8),
            quiz_id=quiz_id,
            quiz_version=quiz_version,
            rules_version=RULES_VERSION,
            pin=self._free_pin(),
            epoch=FIRST_EPOCH,
            capacity=self._settings.capacity,
            quiz=quiz.model_dump_json(),
        )
        try:
            term = await self._journal.create(
                opened.session_id, quiz_id, opened.pin, rec.pack([opened]), opened.at_ms
            )
        except JournalUnavailable as error:
            raise Refused(Reason.SHARD_UNAVAILABLE) from error
        log.info("session_opened", session_id=opened.session_id, quiz_id=quiz_id)
        return self._run(LiveSession(State(opened)), term, 1)

    def _free_pin(self) -> str:
        while True:
            pin = str(secrets.randbelow(9 * 10 ** (PIN_DIGITS - 1)) + 10**5)
            if pin not in self._pins:
                return pin

    async def _take_over(self, entry: SessionEntry) -> Runner:
        """Replay a session and give it back the time in which nobody ran it."""
        claim = await self._journal.claim(entry.session_id, self._clock.now_ms())
        records: list[rec.Record] = []
        async for _, batch in self._journal.read(entry.session_id):
            records.extend(rec.unpack(batch))
        session = LiveSession.replay(records)
        self._clock.not_before(session.state.last_ms)
        runner = self._run(session, claim.term, claim.last_index)
        if session.state.phase is not Phase.ENDED:
            runner.wait_for_all()
            runner.notice_outage(ev.OutageNoticed(claim.alive_ms))
        runner.wake()
        log.info("session_recovered", session_id=entry.session_id, records=len(records))
        return runner

    # -- running ---------------------------------------------------------------

    def _run(self, session: LiveSession, term: int, last_index: int) -> Runner:
        state = session.state
        runner = Runner(
            session,
            term=term,
            last_index=last_index,
            journal=self._journal,
            clock=self._clock,
            limits=self._settings.runner,
        )
        runner.subscriber = self._subscribe(runner)
        slot = self._slots.setdefault(state.session_id, Slot(runner))
        slot.runner = runner
        self._open_quizzes[state.quiz_id] = state.session_id
        self._last_of_quiz[state.quiz_id] = state.session_id
        self._pins[state.pin] = state.session_id
        runner.ended.add_done_callback(lambda _: self._on_ended(slot))
        slot.task = asyncio.create_task(self._supervise(slot))
        return runner

    async def _supervise(self, slot: Slot) -> None:
        runner = slot.runner
        state = runner.state
        try:
            await runner.run()
        except Exception:
            self.failures += 1
            log.exception("session_failed", session_id=state.session_id)
        runner.abandon()
        runner.subscriber.close_all(Close.SERVICE_RESTART)
        if self._fails_too_often(slot):
            log.error("session_given_up", session_id=state.session_id)
            self._forget(state.session_id)
            return
        await self._reload(state.session_id)

    def _fails_too_often(self, slot: Slot) -> bool:
        now_ms = self._clock.now_ms()
        recent = [at_ms for at_ms in slot.failed_ms if at_ms > now_ms - FAILURES_MS]
        slot.failed_ms = [*recent, now_ms]
        return len(slot.failed_ms) > FAILURES_MAX

    async def _reload(self, session_id: str) -> None:
        """Take the session over from its journal, as soon as that can be read."""
        while True:
            try:
                await self._take_over(await self._journal.entry(session_id))
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
                await asyncio.sleep(RELOAD_RETRY_S)
            except rec.BadRecord:
                log.exception("session_given_up", session_id=session_id)
                return self._forget(session_id)
            else:
                return None

    def _on_ended(self, slot: Slot) -> None:
        state = slot.runner.state
        self._close_address(state)
        self._ended.append((self._clock.now_ms(), state.session_id))
        log.info("session_ended", session_id=state.session_id, quiz_id=state.quiz_id)
        slot.finishing = asyncio.create_task(self._finish(slot.runner))

    async def _finish(self, runner: Runner) -> None:
        """Mark the session as ended; one that is not is found ended at the start."""
        try:
            await self._journal.finish(runner.state.session_id, runner.term)
        except (JournalUnavailable, Fenced) as error:
            log.warning("session_not_marked_as_ended", error=str(error))

    def _close_address(self, state: State) -> None:
        """Let quiz and pin be another session's, unless they are already."""
        for addresses, address in (
            (self._open_quizzes, state.quiz_id),
            (self._pins, state.pin),
        ):
            if addresses.get(address) == state.session_id:
                del addresses[address]

    def _forget(self, session_id: str) -> None:
        slot = self._slots.pop(session_id)
        state = slot.runner.state
        self._close_address(state)
        if self._last_of_quiz.get(state.quiz_id) == session_id:
            del self._last_of_quiz[state.quiz_id]
        slot.runner.subscriber.close_all(Close.NORMAL)
        if slot.task is not None:
            slot.task.cancel()

"""All sessions that this shard owns: opening, finding, recovering, ending them.

A runner that fails by a bug, or whose journal says that somebody else owns the session
now, is thrown away with its state; the session comes back from the journal. Other
sessions notice nothing.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from quizd._fast.inbox import Inbox
from quizd.clock import Clock
from quizd.cluster.base import LeaseGone
from quizd.codes import Close, Reason, Refused
from quizd.journal.base import (
    NO_HASH,
    Claim,
    Fenced,
    Journal,
    JournalUnavailable,
    SessionEntry,
    Unknown,
    chain,
)
from quizd.log import get_logger
from quizd.owner.addresses import Addresses
from quizd.owner.handle import Handle
from quizd.owner.lease import Forever, Lease
from quizd.owner.logbook import read_session
from quizd.owner.runner import Limits, Means, Runner
from quizd.owner.sessions import OpenNow
from quizd.owner.subscriber import Subscriber
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import RULES_VERSION, LiveSession
from quizd.session.phases import Phase
from quizd.session.picture import joinable
from quizd.session.quiz import Quiz
from quizd.session.state import State

KEEP_ENDED_MS = 600_000
FAILURES_MAX = 3
FAILURES_MS = 60_000
RELOAD_RETRY_S = 0.5
PATIENCE_S = 2.0
FIRST_EPOCH = 1

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnerSettings:
    """Bounds of a shard's sessions."""

    sessions: int = 10_000
    capacity: int = 100_000
    renew_ms: int = 500
    runner: Limits = field(default_factory=Limits)


def new_session_id() -> str:
    """Return an id that nobody can guess, and that is nobody else's."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session is opened with."""

    session_id: str
    pin: str
    quiz_id: str
    quiz: Quiz
    quiz_version: int


@dataclass(slots=True)
class Slot:
    """A session and the task that runs it."""

    runner: Runner
    task: asyncio.Task[None] | None = None
    failed_ms: list[int] = field(default_factory=list)


def _open_now(state: State) -> OpenNow:
    return OpenNow(state.quiz_id, joinable(state))


def _ignore(_: object) -> None:
    """Do nothing about what happened."""


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
        lease: Lease | None = None,
    ) -> None:
        self.on_running: list[Callable[[Runner], None]] = []
        self.on_released: list[Callable[[str], None]] = []
        self.on_fenced: Callable[[Runner], None] | None = None
        self.on_ended: Callable[[Runner], None] = _ignore
        self.on_forgotten: Callable[[str], object] = _ignore
        self._means = Means(journal, clock, settings.runner, lease or Forever())
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._subscribe = subscribe
        self._slots: dict[str, Slot] = {}
        self._addresses = Addresses()
        self._ended: deque[tuple[int, str]] = deque()
        self._locks = WeakValueDictionary[str, asyncio.Lock]()  # of who opens now
        self._keeper: asyncio.Task[None] | None = None
        self._finishing: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.failures = 0

    # -- life ------------------------------------------------------------------

    def start(self) -> None:
        """Begin to note that this owner lives."""
        self._keeper = asyncio.create_task(self._keep())

    async def recover(self) -> int:
        """Take over every open session of the journal; return how many there were."""
        entries = await self._journal.sessions()
        for entry in entries:
            self._clock.not_before(entry.alive_ms)
        for entry in entries:
            await self._recover(entry)
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
        self._stopping = True  # a call to Redis may swallow a cancellation
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        if self._keeper is not None:
            tasks.append(self._keeper)
        for task in tasks:
            task.cancel()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=PATIENCE_S)
        finishing = tuple(self._finishing)
        for task in finishing:
            task.cancel()
        await asyncio.gather(*tasks, *finishing, return_exceptions=True)
        for slot in self._slots.values():
            slot.runner.abandon()

    async def _keep(self) -> None:
        """Note every now and then that this owner lives; forget what is long over."""
        while True:
            await asyncio.sleep(self._settings.renew_ms / 1000)
            now_ms = self._clock.now_ms()
            try:
                if len(self):  # some session is open
                    await self._journal.renew(now_ms)
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
            while self._ended and self._ended[0][0] + KEEP_ENDED_MS <= now_ms:
                self._forget(self._ended.popleft()[1])

    # -- finding ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._addresses)

    def runners(self) -> list[Runner]:
        """Return the runners of all sessions, ended ones that are kept included."""
        return [slot.runner for slot in self._slots.values()]

    def handles(self) -> Sequence[Handle]:
        """Return the sessions that this shard owns."""
        return self.runners()

    async def open_now(self) -> list[OpenNow]:
        """Return the open sessions; one that is too busy to answer is left out."""
        running = [runner for runner in self.runners() if not runner.ended.done()]
        asked = [runner.read(_open_now) for runner in running]
        try:
            if asked:
                await asyncio.wait(asked, timeout=PATIENCE_S)
        finally:
            for answer in asked:
                answer.cancel()
        return [
            answer.result()
            for answer in asked
            if not answer.cancelled() and answer.exception() is None
        ]

    def known(self, session_id: str) -> Runner | None:
        """Return the runner of a session, ``None`` where it is unknown."""
        slot = self._slots.get(session_id)
        return slot.runner if slot is not None else None

    async def session(self, session_id: str) -> Runner:
        """Return the runner of *session_id*; raise ``Refused: session_not_found``."""
        runner = self.known(session_id)
        if runner is None:
            raise Refused(Reason.SESSION_NOT_FOUND, sessionId=session_id)
        return runner

    def find_open_here(self, address: str) -> Runner | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        session_id = self._addresses.find_open(address)
        return self._slots[session_id].runner if session_id else None

    def find_here(self, address: str) -> Runner | None:
        """Return the open session of a quiz's id or a pin, else the quiz's last."""
        session_id = self._addresses.find(address)
        return self._slots[session_id].runner if session_id else None

    async def find_open(self, address: str) -> Runner | None:
        """Return the open session of a quiz's id or of a pin, if there is one."""
        return self.find_open_here(address)

    async def find(self, address: str) -> Runner:
        """Return the open session of a quiz's id or a pin, else the quiz's last one.

        Raises ``Refused: session_not_found``.
        """
        runner = self.find_here(address)
        if runner is None:
            raise Refused(Reason.SESSION_NOT_FOUND, quizId=address)
        return runner

    # -- opening ---------------------------------------------------------------

    async def open(self, quiz_id: str, quiz: Quiz, quiz_version: int = 1) -> Runner:
        """Return the open session of *quiz_id*, opening one where there is none.

        Raises ``Refused: session_full`` at the ceiling of sessions and
        ``shard_unavailable`` where the journal takes nothing.
        """
        async with self._locks.setdefault(quiz_id, asyncio.Lock()):
            runner = self.find_open_here(quiz_id)
            return runner or await self._open(quiz_id, quiz, quiz_version)

    async def _open(self, quiz_id: str, quiz: Quiz, quiz_version: int) -> Runner:
        opening = Opening(
            new_session_id(), self._addresses.free_pin(), quiz_id, quiz, quiz_version
        )
        return await self.create(opening)

    async def create(self, opening: "Opening") -> Runner:
        """Open a session whose id and pin are known to be free; see :meth:`open`."""
        if len(self) >= self._settings.sessions:
            raise Refused(Reason.SESSION_FULL, limit=self._settings.sessions)
        quiz_id = opening.quiz_id
        opened = rec.SessionOpened(
            at_ms=self._clock.now_ms(),
            session_id=opening.session_id,
            quiz_id=quiz_id,
            quiz_version=opening.quiz_version,
            rules_version=RULES_VERSION,
            pin=opening.pin,
            epoch=FIRST_EPOCH,
            capacity=self._settings.capacity,
            quiz=opening.quiz.model_dump_json(),
        )
        batch = rec.pack([opened])
        try:
            term = await self._journal.create(
                opened.session_id, quiz_id, opened.pin, batch, opened.at_ms
            )
        except JournalUnavailable as error:
            raise Refused(Reason.SHARD_UNAVAILABLE) from error
        log.info("session_opened", session_id=opened.session_id, quiz_id=quiz_id)
        claim = Claim(term, 1, opened.at_ms, chain(NO_HASH, batch))
        return self._run(LiveSession(State(opened)), claim)

    async def _take_over(self, entry: SessionEntry) -> Runner:
        """Replay a session and give it back the time in which nobody ran it."""
        claim = await self._journal.claim(entry.session_id, self._clock.now_ms())
        reading = await read_session(self._journal, entry.session_id)
        return self.adopt(reading.session, claim)

    def adopt(
        self, session: LiveSession, claim: Claim, inbox: Inbox | None = None
    ) -> Runner:
        """Run a session that is claimed, and give it the time back it was not run.

        *session* is as of the claim's last batch; *inbox* has what came in meanwhile.
        """
        self._clock.not_before(session.state.last_ms)
        runner = self._run(session, claim, inbox)
        if session.state.phase is not Phase.ENDED:
            runner.wait_for_all()
            runner.notice_outage(ev.OutageNoticed(claim.alive_ms))
        runner.wake()
        log.info(
            "session_recovered",
            session_id=session.state.session_id,
            records=session.state.version,
        )
        return runner

    async def release(self, session_id: str) -> Runner | None:
        """Stop running a session, between two ticks; another shard is to own it."""
        slot = self._slots.get(session_id)
        if slot is None or slot.runner.ended.done():
            return None
        with suppress(Fenced):  # somebody else owns it already
            await slot.runner.retire()
        return self._let_go(slot)

    def _let_go(self, slot: Slot) -> Runner:
        """Drop a session that is another shard's now; its connections stay."""
        runner = slot.runner
        self._slots.pop(runner.state.session_id, None)
        for hear in self.on_released:
            hear(runner.state.session_id)
        self._addresses.forget(runner.state)
        runner.abandon()
        if slot.task is not None:
            slot.task.cancel()
        return runner

    # -- running ---------------------------------------------------------------

    def _run(
        self,
        session: LiveSession,
        claim: Claim,
        inbox: Inbox | None = None,
    ) -> Runner:
        state = session.state
        runner = Runner(session, claim, self._means, inbox)
        runner.subscriber = self._subscribe(runner)
        for hear in self.on_running:
            hear(runner)
        slot = self._slots.setdefault(state.session_id, Slot(runner))
        slot.runner = runner
        self._addresses.enter(state)
        runner.ended.add_done_callback(lambda _: self._on_ended(slot))
        slot.task = asyncio.create_task(self._supervise(slot))
        return runner

    async def _supervise(self, slot: Slot) -> None:
        runner = slot.runner
        state = runner.state
        try:
            await runner.run()
        except (Fenced, LeaseGone) as why:
            if self._lost(slot, why):
                return
            self.failures += 1
        except Exception:
            self.failures += 1
            log.exception("session_failed", session_id=state.session_id)
        else:
            return  # it has retired
        runner.abandon()
        runner.subscriber.close_all(Close.SERVICE_RESTART)
        if self._fails_too_often(slot):
            log.error("session_given_up", session_id=state.session_id)
            self._forget(state.session_id)
            return
        await self._reload(slot)

    def _lost(self, slot: Slot, why: Exception) -> bool:
        """Let a session go that is another process's, if somebody is to hear of it."""
        session_id = slot.runner.state.session_id
        log.warning("session_lost", session_id=session_id, why=str(why))
        if self.on_fenced is None:
            return False
        self.on_fenced(self._let_go(slot))
        return True

    def _fails_too_often(self, slot: Slot) -> bool:
        now_ms = self._clock.now_ms()
        recent = [at_ms for at_ms in slot.failed_ms if at_ms > now_ms - FAILURES_MS]
        slot.failed_ms = [*recent, now_ms]
        return len(slot.failed_ms) > FAILURES_MAX

    async def _reload(self, slot: Slot) -> None:
        """Take the session over from its journal, as soon as that can be read.

        One that another process has by now, or that never will be ours, is let go.
        """
        session_id = slot.runner.state.session_id
        while not self._stopping:
            try:
                return await self._take_back(slot)
            except JournalUnavailable as error:
                log.warning("journal_unavailable", error=str(error))
                await asyncio.sleep(RELOAD_RETRY_S)
            except (Fenced, LeaseGone) as why:
                if not self._lost(slot, why):
                    self._forget(session_id)
                return None
            except (rec.BadRecord, Unknown):
                log.exception("session_given_up", session_id=session_id)
                return self._forget(session_id)
        return None

    async def _take_back(self, slot: Slot) -> None:
        runner = slot.runner
        await self._means.lease.held()
        entry = await self._journal.entry(runner.state.session_id)
        if self.on_fenced is not None and entry.term != runner.term:
            raise Fenced(f"term {runner.term}: the session is of term {entry.term}")
        await self._take_over(entry)

    def _on_ended(self, slot: Slot) -> None:
        state = slot.runner.state
        self._addresses.close(state)
        self._ended.append((self._clock.now_ms(), state.session_id))
        log.info("session_ended", session_id=state.session_id, quiz_id=state.quiz_id)
        finishing = asyncio.create_task(self._finish(slot.runner))
        self._finishing.add(finishing)
        finishing.add_done_callback(self._finishing.discard)
        self.on_ended(slot.runner)

    async def _finish(self, runner: Runner) -> None:
        """Mark the session as ended, as soon as the journal takes that.

        One that is not marked is found ended by whoever takes it over.
        """
        told = False
        while True:
            try:
                return await self._journal.finish(runner.state.session_id, runner.term)
            except (Fenced, JournalUnavailable) as error:
                if not told:
                    log.warning("session_not_marked_as_ended", error=str(error))
                told = True
                if isinstance(error, Fenced) or self._stopping:
                    return None
            await asyncio.sleep(RELOAD_RETRY_S)

    def _forget(self, session_id: str) -> None:
        slot = self._slots.pop(session_id, None)
        if slot is None:  # it had ended, failed, and was found ended again
            return
        self._addresses.forget(slot.runner.state)
        slot.runner.subscriber.close_all(Close.NORMAL)
        self.on_forgotten(session_id)
        if slot.task is not None:
            slot.task.cancel()

"""An owner on a journal in memory, in virtual time, with witnesses of all it does."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from quizd.codes import Close, Refused
from quizd.journal.memory import MemoryJournal
from quizd.owner.lease import Lease
from quizd.owner.owner import Owner, OwnerSettings
from quizd.owner.runner import Limits, Runner
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.session.quiz import Quiz
from tests.session.play import T0, quiz
from tests.session.snapshot import snapshot
from tests.support import virtual_time

LEAD_MS = 300
TURNS = 50

P = ParamSpec("P")
T = TypeVar("T")


def in_virtual_time(
    test: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Make a test of a coroutine: its timers fire in their order, at once."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        virtual_time.run(lambda: test(*args, **kwargs))

    return run


async def settle() -> None:
    """Let everything happen that needs no time."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def pass_ms(ms: float) -> None:
    """Let *ms* of virtual time pass, and all that then happens happen."""
    await asyncio.sleep(ms / 1000)
    await settle()


class LoopClock:
    """Session time that follows the loop's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._offset_ms = T0 - round(self._loop.time() * 1000)

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch."""
        return round(self._loop.time() * 1000) + self._offset_ms

    def not_before(self, at_ms: int) -> None:
        """Go on from *at_ms* where the clock is behind it."""
        self._offset_ms += max(at_ms - self.now_ms(), 0)


class WatchedJournal(MemoryJournal):
    """Remembers what its callers know to be durable, and when they asked."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the journal's own
        super().__init__(**options)
        self.durable: dict[str, list[rec.Record]] = {}
        self.asked_ms: list[int] = []
        self.renewed: list[int] = []
        self.away = False

    async def create(
        self, session_id: str, quiz_id: str, pin: str, batch: bytes, now_ms: int
    ) -> int:
        """Note the first records."""
        term = await super().create(session_id, quiz_id, pin, batch, now_ms)
        self.durable[session_id] = list(rec.unpack(batch))
        return term

    async def append(
        self, session_id: str, term: int, index: int, batch: bytes
    ) -> None:
        """Note the records once they are durable."""
        self.asked_ms.append(round(asyncio.get_running_loop().time() * 1000))
        await super().append(session_id, term, index, batch)
        self.durable[session_id].extend(rec.unpack(batch))

    async def renew(self, now_ms: int) -> None:
        """Note the renewal."""
        self.renewed.append(now_ms)
        await super().renew(now_ms)

    def kinds(self, session_id: str) -> list[str]:
        """Return the names of the durable records' kinds."""
        return [type(record).__name__ for record in self.durable[session_id]]


class Witness:
    """Hears of one runner's effects, and checks that they are durable by then."""

    def __init__(self, runner: Runner, stage: "Stage") -> None:
        self.runner = runner
        self.heard: list[tuple[int, fx.Effect]] = []
        self.repeated: list[tuple[int, int]] = []
        self.refused: list[tuple[int, Refused]] = []
        self.closed: list[Close] = []
        self.replaced: list[tuple[int, str]] = []
        self.fan_out = 0.0
        self._stage = stage

    def release(self, effects: Iterable[fx.Effect]) -> None:
        """Note *effects*; what they show has to be in the journal, and no less."""
        self._check()
        now_ms = self._stage.clock.now_ms()
        self.heard += [(now_ms, effect) for effect in effects]

    def repeat(self, participant: int, index: int) -> None:
        """Note it."""
        self._check()
        self.repeated.append((participant, index))

    def refuse(self, participant: int, refused: Refused) -> None:
        """Note it."""
        self.refused.append((participant, refused))

    def replace(self, participant: int, place: str) -> None:
        """Note it."""
        self.replaced.append((participant, place))

    def close_all(self, code: Close) -> None:
        """Note it."""
        self.closed.append(code)

    def show_anew(self) -> None:
        """Nothing to show."""

    @property
    def in_flight(self) -> int:
        """How many deliveries are still to be made."""
        return 0

    def fan_out_ms(self) -> float:
        """Return what the test has set."""
        return self.fan_out

    def kinds(self) -> list[str]:
        """Return the names of the effects heard of."""
        return [type(effect).__name__ for _, effect in self.heard]

    def when(self, kind: type[fx.Effect]) -> list[int]:
        """Return when effects of *kind* were released."""
        return [at_ms for at_ms, effect in self.heard if isinstance(effect, kind)]

    def _check(self) -> None:
        durable = self._stage.journal.durable[self.runner.state.session_id]
        replayed = LiveSession.replay(durable).state
        assert snapshot(replayed) == snapshot(self.runner.state), "not durable yet"


class Stage:
    """An owner with everything around it, for ``async with``."""

    def __init__(
        self,
        *,
        sessions: int = 100,
        waiting: int = 1000,
        lease: Lease | None = None,
        **journal: Any,  # noqa: ANN401 - the journal's own
    ) -> None:
        self.journal = WatchedJournal(**journal)
        self.clock = LoopClock()
        self.witnesses: list[Witness] = []
        self._lease = lease
        self._settings = OwnerSettings(
            sessions=sessions, runner=Limits(waiting=waiting, lead_min_ms=LEAD_MS)
        )
        self.owner = self._new_owner()

    def _new_owner(self) -> Owner:
        return Owner(
            self.journal, self.clock, self._settings, self._subscribe, self._lease
        )

    def _subscribe(self, runner: Runner) -> Witness:
        self.witnesses.append(Witness(runner, self))
        return self.witnesses[-1]

    async def __aenter__(self) -> Self:
        await self.journal.start()
        await self.owner.recover()
        self.owner.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.owner.stop()
        await self.journal.stop()

    async def die(self) -> None:
        """Stop as a killed process does: nothing is handed over."""
        await self.owner.stop()
        await self.journal.stop()

    async def come_back(self) -> int:
        """Start again as a new process; return how many sessions were taken over."""
        await self.journal.start()
        self.owner = self._new_owner()
        count = await self.owner.recover()
        self.owner.start()
        await settle()
        return count

    # -- playing -------------------------------------------------------------------

    async def open(
        self, quiz_id: str = "colours", definition: Quiz | None = None
    ) -> Runner:
        """Open a session."""
        return await self.owner.open(quiz_id, definition or quiz())

    async def opened(
        self, *names: str, quiz_id: str = "colours", definition: Quiz | None = None
    ) -> Runner:
        """Open a session, let *names* join and connect."""
        runner = await self.open(quiz_id, definition)
        for name in names:
            who = await submitted(runner, join(name))
            assert who is not None
            runner.came(who)
        return runner

    async def asking(self, *names: str, definition: Quiz | None = None) -> Runner:
        """Return a session at the start of its first question."""
        runner = await self.opened(*names, definition=definition)
        await submitted(runner, ev.HostStarted())
        await submitted(runner, ev.HostAdvanced(LEAD_MS))
        await pass_ms(LEAD_MS)
        return runner

    def witness(self, runner: Runner) -> Witness:
        """Return who hears of *runner*'s effects."""
        (found,) = [w for w in self.witnesses if w.runner is runner]
        return found


def join(name: str, key: str = "") -> ev.ParticipantJoined:
    """Return the event of somebody joining; the name is the id, with a key if any."""
    return ev.ParticipantJoined(name.lower() + key, name, key)


def answering(who: int, option: str, at_ms: int, question: str = "q1") -> ev.Event:
    """Return an answer by an option's text."""
    payload = {"questionId": question, "selectedOption": option}
    return ev.AnswerSubmitted(who, at_ms, payload)


async def submitted(runner: Runner, event: ev.Event) -> int | None:
    """Return what *event* came to, which takes no time."""
    return await soon(runner.submit(event))


async def soon(awaitable: Awaitable[T]) -> T:
    """Return the result of *awaitable*; fail where that takes a tenth of a second."""
    async with asyncio.timeout(0.1):
        return await awaitable


async def state_of(runner: Runner) -> dict[str, Hashable]:
    """Return a session's durable state as plain values."""
    return await soon(runner.read(snapshot))

"""The thread that commits: whatever waits when it comes round is one group."""

import queue
import sqlite3
import threading
import time
from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quizd.journal.sqlite_file import unavailable
from quizd.journal.sqlite_ledger import Batch, Ledger

# A statement binds at most 32766 values, five for a row. Fewer rows keep the wait of
# those that arrive in the meantime short, and so does the limit of bytes.
GROUP_ROWS = 500
GROUP_BYTES = 8 * 1024 * 1024


@dataclass(eq=False, slots=True)
class Append:
    """A batch to be kept, and who waits for it."""

    batch: Batch
    future: Future[object]

    @property
    def appends_to(self) -> str | None:
        """The session whose append this is."""
        return self.batch.session_id


@dataclass(eq=False, slots=True)
class Order:
    """Any other write: what to do, how many batches it keeps, who waits for it."""

    run: Callable[[Ledger], object]
    keeps: int
    future: Future[object]

    @property
    def appends_to(self) -> str | None:
        """No session: an order is no append."""
        return None


@dataclass(slots=True)
class Report:
    """What has become of a group.

    *kept* batches took *seconds*; an outcome is a result or the exception to raise.
    """

    kept: int = 0
    seconds: float = 0.0
    outcomes: list[tuple[Append | Order, object]] = field(default_factory=list)


class Writer(threading.Thread):
    """Owns the ledger from its start to its end, and closes it.

    Requests are served in the order of `put`; each is reported once, by a call of
    *hand_back* in this thread per group. When that returns False, nobody is left to
    report to, and the thread ends.
    """

    def __init__(
        self, path: Path, ledger: Ledger, hand_back: Callable[[Report], bool]
    ) -> None:
        super().__init__(name="journal-writer", daemon=True)
        self._path = path
        self._ledger = ledger
        self._hand_back = hand_back
        self._queue: queue.SimpleQueue[Append | Order | None] = queue.SimpleQueue()
        self._next: list[Append | Order | None] = []

    def put(self, request: Append | Order | None) -> None:
        """Queue *request*, from any thread; None is the last one."""
        self._queue.put(request)

    def run(self) -> None:
        """Serve until told to end."""
        try:
            while (first := self._take()) is not None:
                report = self._serve(first)
                if not self._hand_back(report):
                    return
        finally:
            self._ledger.close()

    def _take(self) -> Append | Order | None:
        return self._next.pop() if self._next else self._queue.get()

    def _serve(self, first: Append | Order) -> Report:
        if isinstance(first, Append):
            return self._append(self._group(first))
        return self._obey(first)

    def _group(self, first: Append) -> list[Append]:
        """Return *first* and the appends right behind it, as far as limits allow."""
        group = [first]
        size_bytes = len(first.batch.content)
        while len(group) < GROUP_ROWS and size_bytes < GROUP_BYTES:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(request, Append):
                self._next.append(request)
                break
            group.append(request)
            size_bytes += len(request.batch.content)
        return group

    def _append(self, group: Sequence[Append]) -> Report:
        report = Report()
        started = time.perf_counter()
        try:
            report.kept, verdicts = self._ledger.append([a.batch for a in group])
        except Exception as error:  # noqa: BLE001 - see _failure
            report.outcomes = [(a, self._failure(error)) for a in group]
        else:
            report.outcomes = list(zip(group, verdicts, strict=True))
        report.seconds = time.perf_counter() - started
        return report

    def _obey(self, order: Order) -> Report:
        report = Report()
        started = time.perf_counter()
        try:
            outcome = order.run(self._ledger)
        except Exception as error:  # noqa: BLE001 - see _failure
            outcome = self._failure(error)
        else:
            report.kept = order.keeps
        report.seconds = time.perf_counter() - started
        report.outcomes.append((order, outcome))
        return report

    def _failure(self, error: Exception) -> Exception:
        """Return what to tell a caller.

        Nothing may end this thread: all that wait would do so for ever. A fault of
        the program goes to the caller as it is, the storage's in other words.
        """
        if isinstance(error, sqlite3.Error):
            return unavailable(self._path, error)
        return error

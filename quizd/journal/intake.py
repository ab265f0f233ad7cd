"""The doorway of a journal: what waits is counted and bounded here."""

from quizd.journal.base import MAX_BATCH_BYTES, Journal, JournalUnavailable, OnCommit


class Intake:
    """Counts the writes in flight, refuses those too many, remembers totals.

    Belongs to the event loop; no other thread touches it.
    """

    def __init__(self, max_waiting: int, on_commit: OnCommit | None) -> None:
        self.depth = 0
        self.commits = 0
        self.batches = 0
        self._max_waiting = max_waiting
        self._on_commit = on_commit
        self._appending: set[str] = set()
        self._is_open = False

    def open(self) -> None:
        """Let writes in."""
        self._is_open = True

    def close(self) -> None:
        """Let no more writes in; those inside go on."""
        self._is_open = False

    def check_open(self) -> None:
        """Raise `JournalUnavailable` unless the journal is running."""
        if not self._is_open:
            raise JournalUnavailable("journal is not running")

    def enter(self) -> None:
        """Admit one write. Raises `JournalUnavailable`: full, or not running."""
        self.check_open()
        if self.depth >= self._max_waiting:
            raise JournalUnavailable("journal queue is full")
        self.depth += 1

    def enter_append(self, session_id: str, batch: bytes) -> None:
        """Admit an append, the only one of its session."""
        if len(batch) > MAX_BATCH_BYTES:
            raise ValueError(f"batch of {len(batch)} bytes is over {MAX_BATCH_BYTES}")
        if session_id in self._appending:
            raise RuntimeError(f"session {session_id} has an append in flight")
        self.enter()
        self._appending.add(session_id)

    def leave(self, session_id: str | None) -> None:
        """Note that a write has its outcome; *session_id* if it was an append."""
        self.depth -= 1
        if session_id is not None:
            self._appending.discard(session_id)

    def committed(self, seconds: float, batches: int) -> None:
        """Count one commit and tell whoever listens."""
        self.commits += 1
        self.batches += batches
        if self._on_commit is not None:
            self._on_commit(seconds, batches)


class IntakeJournal(Journal):
    """A journal whose writes go through an intake, which does the counting."""

    def __init__(self, max_waiting: int, on_commit: OnCommit | None) -> None:
        self._intake = Intake(max_waiting, on_commit)

    @property
    def depth(self) -> int:
        """Writes that wait for a commit or are in one."""
        return self._intake.depth

    @property
    def commits(self) -> int:
        """Commits that kept at least one batch, since the journal was made."""
        return self._intake.commits

    @property
    def batches(self) -> int:
        """Batches kept since the journal was made."""
        return self._intake.batches

"""Writing behind: what the journal has comes to be in the database, exactly once.

Players never wait for the database. An answer counts when the journal has it; the rows
that teachers, reports and audits read are made afterwards, by one task per shard. This
page says how that can be late but not wrong.

**The cursor.** For each session the database has a row that says up to which batch of
the journal it has written, and the hash of the journal up to there. A *unit* is what is
written in one transaction: some batches of some sessions, and the cursors' moves. Each
move is a compare-and-set: from exactly the index and hash where the unit began. That is
all there is to "exactly once":

- The task dies, or the database does: rows and cursor are there together or not at all.
- Nobody hears whether a COMMIT was done: the cursor is read again, and it says.
- Another shard has taken the session over and writes it too: the moves of one of the
  two find the cursor elsewhere, and nothing of that unit is kept. Then it reads it,
  too.

So there is no lock and nobody who must know who the owner is; two who write the same
waste time and do no harm. After *any* failure all cursors of the unit are read again.
Whoever reads a cursor holds the journal to it, by the hash of all that comes behind: a
journal that has lost its end, and has grown since, is not what was written. What was
proved of it once is remembered (``trail.py``), so that failures cost no reading.

**A journal that lacks what is written** may be a Redis that came back without its end,
which its owner gives back in a moment. So the session waits: it is looked at now and
then, and the others go on. Only what stays away for ``Pacing.certain_s``, while nothing
else fails, is lost.

**From batches to rows.** Pure functions (``rows.py``). What a row needs of earlier
batches, such as how many had joined, is kept beside the cursor, so that any shard can
go on anywhere. Answers stay packed until compiled code writes them in the form of the
database's own bulk load (``copying.py``, ``quizd._fast.rows``). Results are written
when a session has ended, by replaying it; if the journal has been trimmed, from the
stored log. They are written anew if records come after the end.

**What the database refuses.** A name with a character that it does not take, a row that
is there: data that is wrong today is wrong tomorrow, and waiting would stop everything
behind it. The sink finds the batch by halving, under savepoints, and puts it aside as
it was, in the same transaction in which the cursor passes it, with an alarm. So do
batches that this version can't read, and those behind them, since their rows depend on
them. ``rejected.py`` has what an operator can do. Everything else passes or is
somebody's to mend (no disk, no rights, no connection, no table): the queue waits and
tries again, with growing, jittered pauses. What fits neither, a damaged cursor or log,
is looked for by writing sessions one by one, and *parked*: not written any more, with
an alarm.

**Bounds.** In memory are two units, the one that is written and the next, and what the
owners have handed over, up to ``keep_bytes``; what is beyond is read from the journal
when its turn comes. The journal is told to forget only what the cursor has passed. So
the database may be away for as long as the journal has room, and lag and depth say how
long that has been. Sessions have their turn in a circle; a large one delays the others
by a unit at most. Work on the event loop is cut into turns of about a millisecond.

**Slowness** is no failure, but has a mode of its own: ``pace.py``.

The parts: ``queue.py`` the task; ``followed.py`` what it knows of sessions;
``collect.py`` filling a unit; ``trail.py`` what was proved; ``unit.py`` the unit;
``sink.py`` what a database's side promises, ``postgres.py`` (with ``line.py`` and
``copying.py``) and ``sqlite.py`` do it; ``source.py`` what is needed of a journal.
"""

from quizd.store.write_behind.pace import Pacing, State, Switch
from quizd.store.write_behind.queue import Options, WriteBehind, write_all

__all__ = ["Options", "Pacing", "State", "Switch", "WriteBehind", "write_all"]

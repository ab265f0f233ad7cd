"""What is played, told to other programs on Redis streams.

``docs/events.md`` is for those who write such programs; this page says how it works.

The owner of a session tells what its journal has, and nothing else: batches come here
after their commit. Play never waits. A commit puts its batch on a queue; a task takes
what has gathered there, turns it into events in turns of about a millisecond, sends
them in one go and then rests for a few times what that took. Under load the pieces
become larger, not more frequent.

**At least once.** Behind the events of a session goes its *cursor*: the batch up to
which it was told. Whoever begins with a session, as its first owner or as the next one,
reads the cursor and goes on behind it, from the journal. So does an owner that

- does not know what came of a call to Redis;
- finds the cursor before the place where it has left it: Redis has lost what came last;
- could not keep up: a full queue lets go of its oldest batches; the journal has them.

Only what the journal has forgotten by then is lost, and a ``gap`` event says which
batches these were. A session that has ended is taken over by nobody; what is missing of
it is told by the next shard that starts.

**Latest values.** Points and boards are read from the session's state, when it is
durable, rather than worked out from batches: an event says as of which batch it is. So
an owner that goes on behind a cursor tells some of them again, never a wrong one.

The parts: ``translate.py`` records into what is to be told, and ``frame.py`` that into
events, both pure; ``queue.py`` what waits; ``lane.py`` one session; ``leftover.py``
those that nobody runs; ``events.py`` the task; ``stream.py`` Redis; ``lag.py`` how far
behind consumers are.
"""

from quizd.events.events import Events
from quizd.events.options import STREAMS, EventOptions, stream_key

__all__ = ["STREAMS", "EventOptions", "Events", "stream_key"]

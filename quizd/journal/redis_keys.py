"""Every Redis key of the journal.

What belongs to one session is tagged ``{sessionId}``: it lies in one slot of a Redis
Cluster, and one script may touch all of it. The other keys are used alone.

====================================  ===============================================
``quizd:{sid}:meta``                  hash, see below
``quizd:{sid}:log``                   stream: an entry per batch, ``<term>-<index>``,
                                      with ``b`` (the batch) and ``h`` (the log's hash)
``quizd:{sid}:snapshot``              hash: ``index``, ``hash``, a field ``p:<name>``
                                      per part
``quizd:{sid}:gone``                  string: the session was removed on request, so
                                      that no owner gives it back; goes a day later
``quizd:sessions``                    sorted set of sessions, score: created (µs)
``quizd:sessions:ended``              the same, of those that have ended
``quizd:alive``                       hash: a process's field -> Redis TIME (ms)
====================================  ===============================================

Fields of ``meta``; instants are Redis TIME in ms unless said otherwise:

``term``, ``last``, ``hash``, ``at``  where the log stands, and when it last grew
``log_term``, ``terms``               term of the latest batch; ``term:first index`` of
                                      every term that has a batch, separated by spaces
``trimmed``                           the latest index that is forgotten
``owner``, ``run``, ``claimed``       who holds the term, his field in ``quizd:alive``,
                                      since when
``alive``, ``alive_of``, ``alive_cap``  while the term has no batch, or after the end:
                                      the session was alive at ``alive``, and when the
                                      process of field ``alive_of`` renewed (empty: no
                                      matter), until ``alive_cap`` at the latest
``quiz_id``, ``pin``, ``created``     what it is; created in µs
``listed``, ``ended``                 ``1`` once it is in the index, once it has ended

Nothing expires but a session that was never listed, and an ended one on request.
"""


class Keys:
    """The keys of a journal whose names begin with *prefix*."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.sessions = f"{prefix}:sessions"
        self.ended = f"{prefix}:sessions:ended"
        self.alive = f"{prefix}:alive"

    def meta(self, session_id: str) -> str:
        """Return the key of the hash that says where a session stands."""
        return f"{self._prefix}:{{{session_id}}}:meta"

    def log(self, session_id: str) -> str:
        """Return the key of a session's stream of batches."""
        return f"{self._prefix}:{{{session_id}}}:log"

    def snapshot(self, session_id: str) -> str:
        """Return the key of a session's snapshot."""
        return f"{self._prefix}:{{{session_id}}}:snapshot"

    def of(self, session_id: str) -> tuple[str, str, str, str]:
        """Return all keys of a session, in the order in which the script has them."""
        start = f"{self._prefix}:{{{session_id}}}:"
        return start + "meta", start + "log", start + "snapshot", start + "gone"

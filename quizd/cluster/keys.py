"""Every Redis key by which the cluster finds its members and its sessions.

Each operation touches one key only, so that a Redis Cluster may spread them freely.
The keys of the journal are in the journal's own module.
"""

MEMBERS = "quizd:members"
"""Hash: who lives. A field per shard (JSON), and `WATCH`; no expiry."""

WATCH = ":watch"
"""Field of `MEMBERS`: how long Redis has been watched; no shard may be called so."""


def quiz(quiz_id: str) -> str:
    """Return the key of a quiz's sessions: a hash of ``open`` and ``last``.

    It expires some time after the session in ``last`` was released.
    """
    return f"quizd:quiz:{quiz_id}"


def pin(number: str) -> str:
    """Return the key of the session that has this pin: a string, no expiry."""
    return f"quizd:pin:{number}"

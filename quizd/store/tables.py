"""The tables of the store. One schema serves SQLite and Postgres.

Instants are milliseconds since the Unix epoch. What is written behind the journal has
no foreign keys: a batch that the database refuses is set aside while those behind it go
on, so a row may be there before the one it belongs to.

``answers`` and ``session_log`` are most of the data. On Postgres they are partitioned
by ``opened_ms``, the opening of their session (``quizd.store.partitions``), so that a
session lies in one partition and leaves with it as a whole. It is the last column of
their keys since Postgres wants it there; being a fact of the session, it makes no key
less unique.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

Json = JSON().with_variant(JSONB(), "postgresql")
Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only what is exactly ``INTEGER PRIMARY KEY``."""

BY_OPENING = "RANGE (opened_ms)"

# A row per quiz, with what lists show; ``deleted_ms`` marks one that was taken out, so
# that its version numbers stay used.
quizzes = Table(
    "quizzes",
    metadata,
    Column("quiz_id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("questions", Integer, nullable=False),
    # For the list of what opens by itself, asked at every start and by the pages.
    Column("always_open", Boolean, nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("deleted_ms", BigInteger, nullable=True),
)

# Every content that a quiz has ever had.
quiz_versions = Table(
    "quiz_versions",
    metadata,
    Column("quiz_id", ForeignKey(quizzes.c.quiz_id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Json, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

# A run of a quiz; ``content`` is what was played, whatever became of the quiz since.
sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("quiz_id", Text, nullable=False),
    Column("quiz_version", Integer, nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column("pin", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("content", Json, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
    Column("end_reason", Text, nullable=True),
    # For the latest sessions of one quiz, and for the latest of all.
    Index("ix_sessions_quiz_id", "quiz_id", "opened_ms"),
    Index("ix_sessions_opened_ms", "opened_ms"),
)

# ``participant`` is the index in the order of joining, which all other rows use; names
# are here alone, so that an erasure has one place to go to. ``key`` is what the join
# was repeatable by.
participants = Table(
    "participants",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("participant", Integer, primary_key=True, autoincrement=False),
    Column("participant_id", Text, nullable=False),
    Column("name", Text, nullable=True),
    Column("key", Text, nullable=True),
    Column("joined_ms", BigInteger, nullable=False),
    Column("removed_ms", BigInteger, nullable=True),
    Column("banned", Boolean, nullable=True),
    # For one's own history, which is asked for by the ids that one was given.
    Index("ix_participants_participant_id", "participant_id"),
)

# A question as it was asked: the planned times, and how it came to its end.
session_questions = Table(
    "session_questions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("question", SmallInteger, primary_key=True, autoincrement=False),
    Column("question_id", Text, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger, nullable=True),
    Column("close_reason", Text, nullable=True),
    # For the history of one question across sessions.
    Index("ix_session_questions_question_id", "question_id"),
)

# ``response`` is in the question type's own coding; ``answered_at`` the player's own
# claim of the time. The key serves "all answers of a session" and "to one question",
# which is all that reports ask.
answers = Table(
    "answers",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("question", SmallInteger, primary_key=True, autoincrement=False),
    Column("participant", Integer, primary_key=True, autoincrement=False),
    Column("opened_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("elapsed_ms", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("credit", SmallInteger, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("answered_at", Text, nullable=False),
    postgresql_partition_by=BY_OPENING,
)

# Score and rank of everybody at the end; a removed participant has rank 0.
results = Table(
    "results",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("participant", Integer, primary_key=True, autoincrement=False),
    Column("score", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    # For the winners of a session, and pages from there on, without sorting anybody:
    # many may share a rank.
    Index("ix_results_session_id", "session_id", "rank", "participant"),
)

# The records themselves, without names: what the audit proves and replays.
session_log = Table(
    "session_log",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("opened_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("batch", LargeBinary, nullable=False),
    postgresql_partition_by=BY_OPENING,
)

# The end of each session's chain over ``session_log`` (``quizd.store.audit``).
log_heads = Table(
    "log_heads",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("idx", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

# How far the journal of a session has been written behind: the number of the last
# batch and the hash of the journal up to it. The other columns are what turning the
# next batch into rows needs to know of all that came before.
write_behind = Table(
    "write_behind",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("idx", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("participants", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("question_ids", Json, nullable=False),
)

# Batches whose rows the database refuses, as they were, for ``quizd queue``;
# ``participants`` is how many had joined before.
rejected_records = Table(
    "rejected_records",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("participants", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("batch", LargeBinary, nullable=False),
    # For those of one session in order, and so that none is kept twice.
    Index("ix_rejected_records_session_id", "session_id", "idx", unique=True),
)

# What happened around accounts; ``actor`` did it to ``subject``, from ``address``.
security_events = Table(
    "security_events",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=True),
    Column("subject", Text, nullable=True),
    Column("address", Text, nullable=True),
    Column("details", Json, nullable=False),
    # For the latest events, of all, of one who acts, and of one acted upon.
    Index("ix_security_events_at_ms", "at_ms"),
    Index("ix_security_events_actor", "actor", "at_ms"),
    Index("ix_security_events_subject", "subject", "at_ms"),
)

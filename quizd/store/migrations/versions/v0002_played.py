"""What was played, written behind the journal, and the events around accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

Json = sa.JSON().with_variant(JSONB(), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
BY_OPENING = "RANGE (opened_ms)"


def upgrade() -> None:
    """Make all of it."""
    _sessions()
    _answers()
    _log()
    _queue()
    _security_events()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("quiz_id", sa.Text, nullable=False),
        sa.Column("quiz_version", sa.Integer, nullable=False),
        sa.Column("rules_version", sa.Integer, nullable=False),
        sa.Column("pin", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=True),
        sa.Column("end_reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_quiz_id", "sessions", ["quiz_id", "opened_ms"])
    op.create_index("ix_sessions_opened_ms", "sessions", ["opened_ms"])
    op.create_table(
        "participants",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("joined_ms", sa.BigInteger, nullable=False),
        sa.Column("removed_ms", sa.BigInteger, nullable=True),
        sa.Column("banned", sa.Boolean, nullable=True),
        sa.PrimaryKeyConstraint("session_id", "participant", name="pk_participants"),
    )
    op.create_index(
        "ix_participants_participant_id", "participants", ["participant_id"]
    )
    op.create_table(
        "session_questions",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("question", sa.SmallInteger, nullable=False),
        sa.Column("question_id", sa.Text, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("closed_ms", sa.BigInteger, nullable=True),
        sa.Column("close_reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("session_id", "question", name="pk_session_questions"),
    )
    op.create_index(
        "ix_session_questions_question_id", "session_questions", ["question_id"]
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("question", sa.SmallInteger, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("elapsed_ms", sa.Integer, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("credit", sa.SmallInteger, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "session_id", "question", "participant", "opened_ms", name="pk_answers"
        ),
        postgresql_partition_by=BY_OPENING,
    )
    op.create_table(
        "results",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "participant", name="pk_results"),
    )
    op.create_index(
        "ix_results_session_id", "results", ["session_id", "rank", "participant"]
    )


def _log() -> None:
    op.create_table(
        "session_log",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("batch", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "session_id", "idx", "opened_ms", name="pk_session_log"
        ),
        postgresql_partition_by=BY_OPENING,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Compressing the log would cost the writer half as much as all answers do.
        op.execute("ALTER TABLE session_log ALTER batch SET STORAGE EXTERNAL")
    op.create_table(
        "log_heads",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_log_heads"),
    )


def _queue() -> None:
    op.create_table(
        "write_behind",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("participants", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("question_ids", Json, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_write_behind"),
    )
    op.create_table(
        "rejected_records",
        sa.Column("id", Serial, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("participants", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("batch", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rejected_records"),
    )
    op.create_index(
        "ix_rejected_records_session_id",
        "rejected_records",
        ["session_id", "idx"],
        unique=True,
    )


def _security_events() -> None:
    op.create_table(
        "security_events",
        sa.Column("id", Serial, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=True),
        sa.Column("subject", sa.Text, nullable=True),
        sa.Column("address", sa.Text, nullable=True),
        sa.Column("details", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_security_events"),
    )
    op.create_index("ix_security_events_at_ms", "security_events", ["at_ms"])
    op.create_index("ix_security_events_actor", "security_events", ["actor", "at_ms"])
    op.create_index(
        "ix_security_events_subject", "security_events", ["subject", "at_ms"]
    )

"""Quizzes and their versions.

The first quizd made these tables without a number; where they are there, they stay.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

Json = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make what is missing."""
    op.create_table(
        "quizzes",
        sa.Column("quiz_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("questions", sa.Integer, nullable=False),
        sa.Column("always_open", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_ms", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("quiz_id", name="pk_quizzes"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_quizzes_always_open", "quizzes", ["always_open"], if_not_exists=True
    )
    op.create_table(
        "quiz_versions",
        sa.Column("quiz_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("quiz_id", "version", name="pk_quiz_versions"),
        sa.ForeignKeyConstraint(
            ["quiz_id"], ["quizzes.quiz_id"], name="fk_quiz_versions_quiz_id_quizzes"
        ),
        if_not_exists=True,
    )

"""The tables of the store. One schema serves SQLite and Postgres.

``quizzes`` has a row per quiz, with what lists show; ``deleted_ms`` marks one that was
taken out, so that its version numbers stay used. ``quiz_versions`` has every content.
Instants are milliseconds since the Unix epoch.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    MetaData,
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
    Column("always_open", Boolean, nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("deleted_ms", BigInteger, nullable=True),
)

quiz_versions = Table(
    "quiz_versions",
    metadata,
    Column("quiz_id", ForeignKey(quizzes.c.quiz_id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

"""Documents, their sections and chunks, the word index, the vector outbox, conversations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# The stems are made in this program, so the tokenizer only has to find the spaces between them.
SQLITE_WORDS = (
    "CREATE VIRTUAL TABLE chunk_words USING fts5(title, headings, body, tokenize = 'unicode61 remove_diacritics 0')",
    "CREATE VIRTUAL TABLE chunk_words_vocabulary USING fts5vocab(chunk_words, 'row')",
)
POSTGRES_WORDS = (
    """CREATE TABLE chunk_words (
        key bigint PRIMARY KEY REFERENCES chunks (key) ON DELETE CASCADE,
        document_id text NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        length integer NOT NULL,
        counts jsonb NOT NULL
    )""",
    "CREATE INDEX ix_chunk_words_counts ON chunk_words USING gin (counts)",
    "CREATE INDEX ix_chunk_words_document_id ON chunk_words (document_id)",
    """CREATE TABLE word_totals (
        document_id text PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
        chunks bigint NOT NULL,
        words bigint NOT NULL
    )""",
)


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pages", sa.Integer),
        sa.Column("chunks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("losses", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("keywords", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("namespace", "source", name="uq_documents_namespace"),
    )
    op.create_index("ix_documents_sha256", "documents", ["sha256"])
    op.create_table(
        "document_readers",
        sa.Column("document_id", sa.Text, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("document_id", "reader", name="pk_document_readers"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_document_readers_document_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "sections",
        sa.Column("document_id", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("headings", sa.JSON, nullable=False),
        sa.Column("page", sa.Integer),
        sa.PrimaryKeyConstraint("document_id", "id", name="pk_sections"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_sections_document_id", ondelete="CASCADE"),
    )
    op.create_table(
        "chunks",
        sa.Column("key", counter, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document_id", sa.Text, nullable=False),
        sa.Column("section_id", sa.Text, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("headings", sa.JSON, nullable=False),
        sa.Column("page", sa.Integer),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_chunks"),
        sa.UniqueConstraint("id", name="uq_chunks_id"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_chunks_document_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["document_id", "section_id"], ["sections.document_id", "sections.id"], name="fk_chunks_section"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunks_document_id_ordinal", "chunks", ["document_id", "ordinal"])
    op.create_index("ix_chunks_document_id_section_id", "chunks", ["document_id", "section_id"])
    op.create_table(
        "vector_outbox",
        sa.Column("chunk_id", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("chunk_id", name="pk_vector_outbox"),
    )
    op.create_index("ix_vector_outbox_due_at", "vector_outbox", ["due_at"])
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "exchanges",
        sa.Column("position", counter, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_exchanges"),
        sa.UniqueConstraint("thread", "id", name="uq_exchanges_thread_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exchanges_asked_at", "exchanges", ["asked_at"])
    op.create_index("ix_exchanges_thread_position", "exchanges", ["thread", "position"])
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in POSTGRES_WORDS if is_postgres else SQLITE_WORDS:
        op.execute(statement)

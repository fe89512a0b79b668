"""Documents with their sections, chunks and lexical index; conversations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(128), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("pages", sa.Integer),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("losses", sa.JSON, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("namespace", "source", name="uq_documents_namespace"),
    )
    op.create_index("ix_documents_sha256", "documents", ["sha256"])
    op.create_table(
        "document_readers",
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.Column("reader", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "reader", name="pk_document_readers"),
        _of_document("document_readers"),
    )
    op.create_table(
        "sections",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sections"),
        _of_document("sections"),
    )
    op.create_index("ix_sections_document_id", "sections", ["document_id"])
    op.create_table(
        "chunks",
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("document_id", sa.String(64), nullable=False),
        sa.Column("section_id", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(128), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("headings", sa.JSON, nullable=False),
        sa.Column("page", sa.Integer),
        sa.PrimaryKeyConstraint("row", name="pk_chunks"),
        sa.UniqueConstraint("id", name="uq_chunks_id"),
        _of_document("chunks"),
    )
    op.create_index("ix_chunks_document_id", "chunks", ["document_id"])
    op.create_index("ix_chunks_namespace", "chunks", ["namespace"])
    op.create_table(
        "vector_outbox",
        sa.Column("chunk_id", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("chunk_id", name="pk_vector_outbox"),
    )
    op.create_table(
        "index_meta",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_index_meta"),
    )
    op.create_table(
        "turns",
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("thread", sa.String(512), nullable=False),
        sa.Column("namespace", sa.String(128), nullable=False),
        sa.Column("question_id", sa.String(128), nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("citations", sa.JSON, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_turns"),
    )
    op.create_index("ix_turns_thread", "turns", ["thread", "row"])
    if op.get_bind().dialect.name == "sqlite":
        # The stems are computed in Python; this tokenizer must leave them as they are.
        op.execute(
            "CREATE VIRTUAL TABLE chunk_terms USING fts5 (title, headings, body, "
            "tokenize = \"unicode61 remove_diacritics 0 tokenchars '_'\", detail = 'column')"
        )
        return
    op.create_table(
        "chunk_terms",
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("terms", sa.JSON, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("vector", sa.dialects.postgresql.TSVECTOR, nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_chunk_terms"),
        sa.ForeignKeyConstraint(["row"], ["chunks.row"], name="fk_chunk_terms_row", ondelete="CASCADE"),
    )
    op.create_index("ix_chunk_terms_vector", "chunk_terms", ["vector"], postgresql_using="gin")


def downgrade() -> None:
    for table in ("chunk_terms", "turns", "index_meta", "vector_outbox", "chunks", "sections", "document_readers", "documents"):
        op.drop_table(table)


def _of_document(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["document_id"], ["documents.id"], name=f"fk_{table}_document_id", ondelete="CASCADE"
    )

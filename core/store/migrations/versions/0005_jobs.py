"""Jobs that bring documents into the index, and what documents were before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("documents", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "document_history",
        sa.Column("position", counter, nullable=False),
        sa.Column("document_id", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("of_version", sa.Integer),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("pages", sa.Integer),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("readers", sa.JSON, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_kept", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_document_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_document_history_sha256", "document_history", ["sha256"])
    op.create_index("ix_document_history_at", "document_history", ["at"])
    op.create_index("ix_document_history_document_id_version", "document_history", ["document_id", "version"])
    op.create_table(
        "jobs",
        sa.Column("position", counter, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document_id", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("readers", sa.JSON, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("may_be_empty", sa.Boolean, nullable=False),
        sa.Column("of_version", sa.Integer),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("pages", sa.Integer),
        sa.Column("chunks", sa.Integer),
        sa.Column("embedded", sa.Integer, nullable=False, server_default="0"),
        sa.Column("seconds_left", sa.Integer),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.Column("code", sa.Text, nullable=False, server_default=""),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("worker", sa.Text, nullable=False, server_default=""),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_sha256", "jobs", ["sha256"])
    op.create_index("ix_jobs_state_priority_position", "jobs", ["state", "priority", "position"])
    op.create_index("ix_jobs_document_id_state", "jobs", ["document_id", "state"])
    _remember_documents()


def _remember_documents() -> None:
    """What answers now becomes the first version that is known of each document; who brought it is not."""
    columns = "id, namespace, source, title, sha256, size_bytes, media_type, pages, chunks, url, updated_at"
    answering = sa.text(f"SELECT {columns} FROM documents WHERE chunks > 0 OR status = 'ready' ORDER BY updated_at, id")  # noqa: S608 - of the names above
    connection = op.get_bind()
    readers: dict[str, list[str]] = {}
    for document_id, reader in connection.execute(sa.text("SELECT document_id, reader FROM document_readers")):
        readers.setdefault(document_id, []).append(reader)
    remember = sa.text(
        """
        INSERT INTO document_history (document_id, namespace, source, title, event, version, sha256, size_bytes, media_type,
                                      pages, chunks, readers, url, channel, person, at, is_kept)
        VALUES (:id, :namespace, :source, :title, 'added', 1, :sha256, :size_bytes, :media_type,
                :pages, :chunks, :readers, :url, '', '', :updated_at, true)
        """
    ).bindparams(sa.bindparam("readers", type_=sa.JSON))
    for row in connection.execute(answering).mappings().all():
        connection.execute(remember, {**row, "readers": sorted(readers.get(row["id"], ()))})

"""The tables. The migrations make them; a test holds both against each other."""

from __future__ import annotations

import sqlalchemy as sa

from core.store.columns import CleanText, Counter, Strings, UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("title", CleanText, nullable=False),
    sa.Column("source", CleanText, nullable=False),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("media_type", CleanText, nullable=False),
    sa.Column("sha256", CleanText, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("pages", sa.Integer),
    # How many chunks answer now; only a publication changes it.
    sa.Column("chunks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("losses", Strings, nullable=False),
    sa.Column("error", CleanText),
    sa.Column("url", CleanText),
    sa.Column("keywords", CleanText, nullable=False, server_default=""),
    # Of what answers now; counted on after a removal.
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.UniqueConstraint("namespace", "source", name="uq_documents_namespace"),
)

# Outlives the document, until it is purged.
document_history = sa.Table(
    "document_history",
    metadata,
    sa.Column("position", Counter, primary_key=True),
    sa.Column("document_id", CleanText, nullable=False),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("source", CleanText, nullable=False),
    sa.Column("title", CleanText, nullable=False),
    sa.Column("event", CleanText, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("of_version", sa.Integer),
    sa.Column("sha256", CleanText, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("media_type", CleanText, nullable=False),
    sa.Column("pages", sa.Integer),
    sa.Column("chunks", sa.Integer, nullable=False),
    # Who could read it then, so that it never comes back to anybody else.
    sa.Column("readers", Strings, nullable=False),
    sa.Column("url", CleanText),
    sa.Column("channel", CleanText, nullable=False),
    sa.Column("person", CleanText, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    # Whether the stored copy is held for it; of a removal, for nothing.
    sa.Column("is_kept", sa.Boolean, nullable=False),
    sa.Index("ix_document_history_document_id_version", "document_id", "version"),
    sqlite_autoincrement=True,
)

# Received files on their way into the index.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("position", Counter, primary_key=True),
    sa.Column("id", CleanText, nullable=False, unique=True),
    sa.Column("document_id", CleanText, nullable=False),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("source", CleanText, nullable=False),
    sa.Column("name", CleanText, nullable=False),
    # Set where a document keeps the title that it has.
    sa.Column("title", CleanText, nullable=False),
    sa.Column("sha256", CleanText, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("readers", Strings, nullable=False),
    sa.Column("url", CleanText),
    sa.Column("may_be_empty", sa.Boolean, nullable=False),
    # Which version it brings back.
    sa.Column("of_version", sa.Integer),
    # The lower goes first.
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("channel", CleanText, nullable=False),
    sa.Column("person", CleanText, nullable=False),
    sa.Column("state", CleanText, nullable=False),
    sa.Column("stage", CleanText, nullable=False),
    sa.Column("pages", sa.Integer),
    sa.Column("chunks", sa.Integer),
    sa.Column("embedded", sa.Integer, nullable=False, server_default="0"),
    sa.Column("seconds_left", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # How often it was taken; never goes back, as attempts do.
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", CleanText),
    sa.Column("code", CleanText, nullable=False, server_default=""),
    # What became of it and of the files inside it.
    sa.Column("changes", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    # Nobody else works on it before `due_at`.
    sa.Column("worker", CleanText, nullable=False, server_default=""),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Index("ix_jobs_state_priority_position", "state", "priority", "position"),
    sa.Index("ix_jobs_document_id_state", "document_id", "state"),
    sqlite_autoincrement=True,
)

# A document without a row here is open to everybody who may ask in its namespace.
document_readers = sa.Table(
    "document_readers",
    metadata,
    sa.Column("document_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reader", CleanText, primary_key=True),
)

sections = sa.Table(
    "sections",
    metadata,
    sa.Column("document_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("headings", Strings, nullable=False),
    sa.Column("page", sa.Integer),
)

chunks = sa.Table(
    "chunks",
    metadata,
    # What the word index calls the chunk.
    sa.Column("key", Counter, primary_key=True),
    sa.Column("id", CleanText, nullable=False, unique=True),
    sa.Column("document_id", sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    sa.Column("section_id", CleanText, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("headings", Strings, nullable=False),
    sa.Column("page", sa.Integer),
    # Of everything above and the title: a row with the same one is left alone by the next publication.
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["document_id", "section_id"], ["sections.document_id", "sections.id"], name="fk_chunks_section"
    ),
    sa.Index("ix_chunks_document_id_ordinal", "document_id", "ordinal"),
    sa.Index("ix_chunks_document_id_section_id", "document_id", "section_id"),
    sqlite_autoincrement=True,
)

# Vectors that are to be deleted: those of chunks that are gone, and those written for a publication that has not come.
vector_outbox = sa.Table(
    "vector_outbox",
    metadata,
    sa.Column("chunk_id", CleanText, primary_key=True),
    sa.Column("namespace", CleanText, nullable=False),
    # Not deleted before; later than now for those that some process is about to publish.
    sa.Column("due_at", UtcDateTime, nullable=False, index=True),
)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", CleanText, primary_key=True),
    sa.Column("value", CleanText, nullable=False),
)

exchanges = sa.Table(
    "exchanges",
    metadata,
    sa.Column("position", Counter, primary_key=True),
    # The platform's, which may be the same in another thread.
    sa.Column("id", CleanText, nullable=False),
    sa.Column("thread", CleanText, nullable=False),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("question", CleanText, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False, index=True),
    sa.Column("outcome", CleanText, nullable=False),
    sa.Column("answer", CleanText, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.UniqueConstraint("thread", "id"),
    sa.Index("ix_exchanges_thread_position", "thread", "position"),
    sa.Index("ix_exchanges_id", "id"),
    sqlite_autoincrement=True,
)

# Holds a copy of the exchange, which is deleted sooner.
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("answer_id", CleanText, primary_key=True),
    sa.Column("rater", CleanText, primary_key=True),
    sa.Column("thread", CleanText, nullable=False, index=True),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("thumb", CleanText, nullable=False),
    sa.Column("reason", CleanText),
    sa.Column("comment", CleanText, nullable=False),
    sa.Column("question", CleanText, nullable=False),
    sa.Column("outcome", CleanText, nullable=False),
    sa.Column("answer", CleanText, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("rated_at", UtcDateTime, nullable=False, index=True),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("name", CleanText, nullable=False),
    sa.Column("secret_sha256", CleanText, nullable=False),
    sa.Column("permissions", Strings, nullable=False),
    sa.Column("namespaces", Strings, nullable=False),
    sa.Column("origins", Strings, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
)

# What a chat platform delivered and has to be answered: written before the platform is told that it arrived.
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("position", Counter, primary_key=True),
    sa.Column("key", CleanText, nullable=False, unique=True),
    sa.Column("channel", CleanText, nullable=False),
    # Entries of one thread are worked on one after the other.
    sa.Column("thread", CleanText, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    # Counts up when the person edits the message.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.Column("state", CleanText, nullable=False),
    sa.Column("reply", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
    # Nobody else works on it before `due_at`.
    sa.Column("worker", CleanText, nullable=False, server_default=""),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Index("ix_inbox_channel_state_due_at", "channel", "state", "due_at"),
    sa.Index("ix_inbox_thread_state_position", "thread", "state", "position"),
    sqlite_autoincrement=True,
)

# Threads that the bot takes part in.
chat_threads = sa.Table(
    "chat_threads",
    metadata,
    sa.Column("thread", CleanText, primary_key=True),
    sa.Column("is_quiet", sa.Boolean, nullable=False),
    # Who spoke to other people since the bot's last answer.
    sa.Column("talking", Strings, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False, index=True),
)

# Which documents a place on a chat platform asks, by an admin's command.
bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column("place", CleanText, primary_key=True),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("bound_by", CleanText, nullable=False),
    sa.Column("bound_at", UtcDateTime, nullable=False),
)

# Workspaces that installed the bot themselves. `details` holds their tokens.
installations = sa.Table(
    "installations",
    metadata,
    sa.Column("channel", CleanText, primary_key=True),
    sa.Column("team", CleanText, primary_key=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("installed_at", UtcDateTime, nullable=False),
    # One process at a time exchanges a token that runs out: each can be exchanged once.
    sa.Column("renewed_until", UtcDateTime, nullable=False),
)

# Folders, buckets and web files that are kept in sync.
sources = sa.Table(
    "sources",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("namespace", CleanText, nullable=False),
    sa.Column("address", CleanText, nullable=False),
    sa.Column("kind", CleanText, nullable=False),
    sa.Column("readers", Strings, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("interval_seconds", sa.Integer, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("added_by", CleanText, nullable=False),
    sa.Column("last_started_at", UtcDateTime),
    sa.Column("last_finished_at", UtcDateTime),
    sa.Column("last_error", CleanText),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("counts", sa.JSON, nullable=False),
    # When the schedule is to do it; none without an interval.
    sa.Column("due_at", UtcDateTime, index=True),
    # Nobody else works on it before `leased_until`.
    sa.Column("worker", CleanText, nullable=False, server_default=""),
    sa.Column("leased_until", UtcDateTime, nullable=False),
    sa.UniqueConstraint("namespace", "address", name="uq_sources_namespace"),
)

# The files of each source. Without a fingerprint: not known to be indexed as it is there.
source_entries = sa.Table(
    "source_entries",
    metadata,
    sa.Column("source_id", sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("source", CleanText, primary_key=True),
    sa.Column("fingerprint", CleanText, nullable=False),
    sa.Column("error", CleanText),
)

# Tuned models; their files are elsewhere.
adapters = sa.Table(
    "adapters",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("name", CleanText, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("served_as", CleanText, nullable=False, unique=True),
    sa.Column("base_name", CleanText, nullable=False),
    sa.Column("base_revision", CleanText, nullable=False),
    sa.Column("method", CleanText, nullable=False),
    sa.Column("form", CleanText, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    # Of the files and their paths.
    sa.Column("sha256", CleanText, nullable=False, index=True),
    sa.Column("dataset", CleanText, nullable=False),
    sa.Column("template", CleanText, nullable=False),
    sa.Column("prompt", CleanText, nullable=False),
    sa.Column("verdict", CleanText, nullable=False),
    sa.Column("reasons", Strings, nullable=False),
    sa.Column("preflight", sa.JSON, nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
    sa.Column("registered_by", CleanText, nullable=False),
    sa.Column("retired_at", UtcDateTime),
    sa.UniqueConstraint("name", "number", name="uq_adapters_name_number"),
)

# What an adapter learnt from: ids of documents, and people as data sets name them.
adapter_lineage = sa.Table(
    "adapter_lineage",
    metadata,
    sa.Column("adapter_id", sa.ForeignKey("adapters.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", CleanText, primary_key=True),
    sa.Column("name", CleanText, primary_key=True, index=True),
)

# Only ever added to. The last entry of a namespace says what it answers with.
promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("position", Counter, primary_key=True),
    # Empty for a retirement.
    sa.Column("namespace", CleanText, nullable=False),
    # None for the base model.
    sa.Column("adapter_id", sa.ForeignKey("adapters.id")),
    sa.Column("action", CleanText, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("person", CleanText, nullable=False),
    sa.Column("is_forced", sa.Boolean, nullable=False),
    sa.Column("reason", CleanText, nullable=False),
    sa.Index("ix_promotions_namespace_position", "namespace", "position"),
    sqlite_autoincrement=True,
)

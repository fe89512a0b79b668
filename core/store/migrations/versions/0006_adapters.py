"""Tuned models, what they learnt from, and which namespace answers with which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
counter = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "adapters",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("served_as", sa.Text, nullable=False),
        sa.Column("base_name", sa.Text, nullable=False),
        sa.Column("base_revision", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("preflight", sa.JSON, nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.Text, nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_adapters"),
        sa.UniqueConstraint("name", "number", name="uq_adapters_name_number"),
        sa.UniqueConstraint("served_as", name="uq_adapters_served_as"),
    )
    op.create_index("ix_adapters_sha256", "adapters", ["sha256"])
    op.create_table(
        "adapter_lineage",
        sa.Column("adapter_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("adapter_id", "kind", "name", name="pk_adapter_lineage"),
        sa.ForeignKeyConstraint(
            ["adapter_id"], ["adapters.id"], name="fk_adapter_lineage_adapter_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_adapter_lineage_name", "adapter_lineage", ["name"])
    op.create_table(
        "promotions",
        sa.Column("position", counter, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("adapter_id", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("is_forced", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_promotions"),
        sa.ForeignKeyConstraint(["adapter_id"], ["adapters.id"], name="fk_promotions_adapter_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promotions_namespace_position", "promotions", ["namespace", "position"])

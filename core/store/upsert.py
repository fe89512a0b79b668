"""`INSERT … ON CONFLICT DO UPDATE`, which both databases have and SQLAlchemy spells per database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Collection[str] = (),
    keep: Collection[str] = (),
) -> None:
    """Insert the rows, or change those whose `key` (by default the primary key) is there. Columns in `keep` stay.

    A row that would not change is not written. All rows have the same columns.
    """
    if not rows:
        return
    keys = tuple(key or [column.name for column in table.primary_key])
    changing = tuple(name for name in rows[0] if name not in {*keys, *keep})
    connection.execute(_statement(connection.dialect.name, table, keys, changing), list(rows))


def insert_missing(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose primary keys are not there; the others stay as they are."""
    connection.execute(_insert(connection.dialect.name, table).on_conflict_do_nothing(), list(rows))


# Making it takes a millisecond, most of what a row costs.
@lru_cache(maxsize=64)
def _statement(dialect: str, table: sa.Table, key: tuple[str, ...], changing: tuple[str, ...]) -> Any:
    statement = _insert(dialect, table)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(key),
        set_={name: new[name] for name in changing},
        where=sa.or_(*(as_text(table.c[name]).is_distinct_from(as_text(new[name])) for name in changing)),
    )


def _insert(dialect: str, table: sa.Table) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    return insert(table)


def as_text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # Postgres cannot compare JSON, only its text.
    return sa.cast(column, sa.Text) if isinstance(column.type, sa.JSON) or _holds_json(column) else column


def _holds_json(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(getattr(column.type, "impl", None), sa.JSON)

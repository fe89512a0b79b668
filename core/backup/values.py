"""Values of columns as JSON, the same for both databases, and back: nothing but what the column holds comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.errors import BackupDamaged
from core.store.columns import storable

_DIGEST = re.compile(r"([0-9a-f]{64})?")
# Names of files are made of it.
_DIGEST_COLUMNS = {"sha256"}
_LARGEST = 2**63


def to_json(value: Any) -> Any:
    """What the database gave, with times as text in UTC."""
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat()
    return value


def readers(columns: Sequence[sa.Column[Any]]) -> list[Callable[[Any], Any]]:
    """For each column, what makes its values of JSON. They raise `BackupDamaged`."""
    return [_reader(column) for column in columns]


def _reader(column: sa.Column[Any]) -> Callable[[Any], Any]:
    read = _of_type(column)

    def checked(value: Any) -> Any:
        if value is None:
            # JSON has its own "nothing", which the column may hold in any case.
            if column.nullable or isinstance(column.type, sa.JSON):
                return None
            raise _wrong(column)
        return read(value)

    return checked


def _of_type(column: sa.Column[Any]) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, sa.JSON):
        return lambda value: value
    if isinstance(kind, sa.Boolean):
        return lambda value: value if isinstance(value, bool) else _refuse(column)
    if isinstance(kind, sa.DateTime):
        return lambda value: _time(column, value)
    if isinstance(kind, sa.Integer):
        return lambda value: value if type(value) is int and -_LARGEST <= value < _LARGEST else _refuse(column)
    if isinstance(kind, sa.String):
        is_digest = column.name in _DIGEST_COLUMNS
        return lambda value: _text(column, value, is_digest=is_digest)
    raise TypeError(f"{column} holds what no backup can")


def _text(column: sa.Column[Any], value: Any, *, is_digest: bool) -> str:
    if not isinstance(value, str) or (is_digest and not _DIGEST.fullmatch(value)):
        raise _wrong(column)
    return storable(value)


def _time(column: sa.Column[Any], value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise _wrong(column) from error
    if moment.tzinfo is None:
        raise _wrong(column)
    return moment.astimezone(UTC)


def _refuse(column: sa.Column[Any]) -> Any:
    raise _wrong(column)


def _wrong(column: sa.Column[Any]) -> BackupDamaged:
    return BackupDamaged(f"The backup is damaged: it holds a value for {column} that cannot stand there.")

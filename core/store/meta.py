"""Small facts about the index itself, as key and value."""

from __future__ import annotations

from sqlalchemy import Engine, delete, insert, select

from core.store.engine import reading, transaction
from core.store.schema import index_meta


class IndexMeta:
    """Keys and values of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> str | None:
        with reading(self._engine) as connection:
            return connection.execute(select(index_meta.c.value).where(index_meta.c.key == key)).scalar()

    def set(self, key: str, value: str) -> None:
        with transaction(self._engine) as connection:
            connection.execute(delete(index_meta).where(index_meta.c.key == key))
            connection.execute(insert(index_meta).values(key=key, value=value))

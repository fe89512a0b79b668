"""Chunks with all that a citation needs, out of the record. The statements are made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.store.columns import CleanText
from core.store.schema import chunks, documents, sections
from core.store.scope import in_scope, scope_values
from core.types import Passage, Scope


def of_scope(connection: Connection, chunk_ids: Sequence[str], scope: Scope) -> Iterator[Passage]:
    """The passages of these chunks that the scope may see, in any order; scores are 0."""
    values = {"chunk_ids": list(chunk_ids), **scope_values(scope)}
    statement = _of_scope(connection.dialect.name, with_readers=bool(scope.readers))
    return _passages(connection.execute(statement, values).all())


def of_document(
    connection: Connection, document_id: str, limit: int | None = None, offset: int | None = None
) -> list[Passage]:
    """A document's passages in reading order; scores are 0."""
    query = _every.where(chunks.c.document_id == document_id).order_by(chunks.c.ordinal).limit(limit).offset(offset)
    return list(_passages(connection.execute(query)))


def _passages(rows: Iterable[Any]) -> Iterator[Passage]:
    for chunk_id, document_id, title, text, context, headings, page, url, keywords, media_type, version in rows:
        yield Passage(
            chunk_id=chunk_id,
            document_id=document_id,
            title=title,
            text=text,
            context=context,
            score=0.0,
            headings=headings,
            page=page,
            url=url,
            keywords=keywords,
            media_type=media_type,
            version=version,
        )


_every = (
    sa.select(
        chunks.c.id,
        chunks.c.document_id,
        documents.c.title,
        chunks.c.text,
        sections.c.text,
        chunks.c.headings,
        chunks.c.page,
        documents.c.url,
        documents.c.keywords,
        documents.c.media_type,
        documents.c.version,
    )
    .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
    .join(sections, sa.and_(sections.c.document_id == chunks.c.document_id, sections.c.id == chunks.c.section_id))
)


@cache
def _of_scope(dialect: str, *, with_readers: bool) -> sa.Select[Any]:
    scope = Scope(readers=frozenset({"any"}) if with_readers else frozenset())
    return _every.where(_is_one_of_them(dialect), in_scope(scope))


def _is_one_of_them(dialect: str) -> sa.ColumnElement[bool]:
    if dialect != "postgresql":
        return chunks.c.id.in_(sa.bindparam("chunk_ids", expanding=True))
    # One statement for all numbers of ids, so that Postgres has its plan.
    return chunks.c.id == sa.any_(sa.bindparam("chunk_ids", type_=sa.ARRAY(CleanText)))

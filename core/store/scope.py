"""Who may read what, as a condition for queries over `documents`."""

from __future__ import annotations

import sqlalchemy as sa

from core.store.schema import document_readers, documents
from core.types import Scope


def in_scope(scope: Scope) -> sa.ColumnElement[bool]:
    """The document is in the namespace, and open to everybody there or to one of the scope's readers."""
    of_document = sa.select(document_readers.c.document_id).where(document_readers.c.document_id == documents.c.id)
    is_open = ~of_document.exists()
    conditions = [is_open]
    if scope.readers:
        conditions.append(of_document.where(document_readers.c.reader.in_(sorted(scope.readers))).exists())
    return sa.and_(documents.c.namespace == scope.namespace, sa.or_(*conditions))

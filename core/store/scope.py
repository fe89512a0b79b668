"""Who may read what, as a condition for queries over `documents`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from core.store.schema import document_readers, documents
from core.types import Scope

NAMESPACE, READERS = "scope_namespace", "scope_readers"


def in_scope(scope: Scope) -> sa.ColumnElement[bool]:
    """The document is in the namespace, and open to everybody there or to one of the scope's readers.

    The scope itself is in `scope_values`, so that a statement can be made once for all scopes with readers, or without.
    """
    return _FOR_READERS if scope.readers else _FOR_EVERYBODY


def scope_values(scope: Scope) -> dict[str, Any]:
    """What the parameters of `in_scope` stand for."""
    readers = {READERS: sorted(scope.readers)} if scope.readers else {}
    return {NAMESPACE: scope.namespace, **readers}


class _Unindexed(FunctionElement[str]):
    """A column by which SQLite does not look anything up (sqlite.org/optoverview.html#disqualifying_where_clause_terms).

    The documents are reached by their ids. With a plain column SQLite would rather read all of the namespace, as soon as
    there are about fifty ids. Postgres would read all documents for anything but the plain column, of which it knows how
    many of them it selects.
    """

    inherit_cache = True
    # Which cleans what it is compared with.
    type = documents.c.namespace.type


@compiles(_Unindexed)
def _plain(element: _Unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(_Unindexed, "sqlite")
def _unindexed(element: _Unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


_readers = sa.select(document_readers.c.document_id).where(document_readers.c.document_id == documents.c.id)
_is_here = _Unindexed(documents.c.namespace) == sa.bindparam(NAMESPACE)
_is_open = ~_readers.exists()
_has_reader = _readers.where(document_readers.c.reader.in_(sa.bindparam(READERS, expanding=True))).exists()
_FOR_EVERYBODY = sa.and_(_is_here, _is_open)
_FOR_READERS = sa.and_(_is_here, sa.or_(_is_open, _has_reader))

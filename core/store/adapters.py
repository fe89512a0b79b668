"""Tuned models on record, which namespace answers with which, and who decided it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.errors import InvalidRequest, NotFound
from core.store.engine import reading, transaction
from core.store.schema import adapter_lineage, adapters, promotions
from core.types.adapters import EVERYWHERE, Action, Adapter, BaseModel, Form, Promotion, Verdict

DOCUMENT, PERSON = "document", "person"
HASH_SHOWN = 12
_EARLIEST_FIRST = (adapters.c.name, adapters.c.number)


class AdapterStore:
    """All methods block, are one transaction, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, adapter: Adapter) -> tuple[Adapter, bool]:
        """With the next number of its name, an id and a name for servers; and whether it is new.

        The same files under the same name are the version that they were, unless that one is retired. It takes on what
        an evaluation says now.
        """
        digest = files_digest(adapter.files)
        with _writing(self._engine) as connection:
            found = connection.execute(_same(adapter.name, digest)).mappings().first()
            if found is not None:
                if adapter.verdict is not Verdict.MISSING:
                    judged = {"verdict": adapter.verdict.value, "reasons": adapter.reasons}
                    connection.execute(sa.update(adapters).where(adapters.c.id == found["id"]).values(judged))
                return _get(connection, found["id"]), False
            largest = sa.select(sa.func.max(adapters.c.number)).where(adapters.c.name == adapter.name)
            number = (connection.scalar(largest) or 0) + 1
            new = f"{adapter.name}-{number}"
            added = replace(
                adapter,
                id=new,
                number=number,
                served_as=f"{new}-{digest[:HASH_SHOWN]}",
                registered_at=adapter.registered_at or datetime.now(UTC),
                retired_at=None,
            )
            connection.execute(sa.insert(adapters).values(**_row(added), sha256=digest))
            if lineage := _lineage_rows(added):
                connection.execute(sa.insert(adapter_lineage), lineage)
            return _get(connection, new), True

    def get(self, adapter_id: str) -> Adapter:
        """Raises `NotFound`."""
        with reading(self._engine) as connection:
            return _get(connection, adapter_id)

    def served_as(self, names: Collection[str]) -> dict[str, Adapter]:
        """By what servers call them, those that are on record; as `promoted`, without what they learnt from."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(adapters).where(adapters.c.served_as.in_(names))).mappings().all()
        return {row["served_as"]: _adapter(row) for row in rows}

    def is_forced(self, adapter_id: str) -> bool:
        """Whether somebody promoted it against its evaluation, or against the base model that was served."""
        forced = sa.exists().where(promotions.c.adapter_id == adapter_id, promotions.c.is_forced)
        with reading(self._engine) as connection:
            return bool(connection.scalar(sa.select(forced)))

    def all(self) -> list[Adapter]:
        """By name and number, with those that are retired."""
        with reading(self._engine) as connection:
            return _read(connection, sa.select(adapters).order_by(*_EARLIEST_FIRST))

    def using(self, names: Collection[str]) -> list[Adapter]:
        """Those that learnt from one of these: ids of documents, and people as data sets name them."""
        learnt = sa.select(adapter_lineage.c.adapter_id).where(adapter_lineage.c.name.in_(names))
        with reading(self._engine) as connection:
            return _read(connection, sa.select(adapters).where(adapters.c.id.in_(learnt)).order_by(*_EARLIEST_FIRST))

    def documents_beginning(self, beginning: str) -> list[str]:
        """Ids of documents that any of them learnt from."""
        name = adapter_lineage.c.name
        query = sa.select(name).where(adapter_lineage.c.kind == DOCUMENT, name.startswith(beginning, autoescape=True))
        with reading(self._engine) as connection:
            return list(connection.scalars(query.distinct().order_by(name)))

    def promote(self, namespace: str, adapter_id: str, by: str, is_forced: bool = False, reason: str = "") -> Promotion:
        """From now on the namespace (or `EVERYWHERE`) answers with it.

        The gate holds here: one that did not pass needs `is_forced`, and that a reason. Raises `NotFound`, `InvalidRequest`.
        """
        with _writing(self._engine) as connection:
            adapter = _get(connection, adapter_id)
            _check_promotable(adapter, is_forced=is_forced, reason=reason)
            if _latest(connection).get(namespace) == adapter_id:
                raise InvalidRequest(f"{adapter_id} answers for {place(namespace)} already.")
            now = datetime.now(UTC)
            return _write(connection, Promotion(namespace, adapter_id, Action.PROMOTE, now, by, is_forced, reason))

    def rollback(self, namespace: str, by: str, reason: str = "") -> Promotion:
        """Back to what the namespace answered with before its latest promotion, leaving out what is retired meanwhile.

        Doing it again goes further back. With nothing before, the namespace has no adapter of its own any more.
        Raises `InvalidRequest` when it has none now.
        """
        with _writing(self._engine) as connection:
            if _latest(connection).get(namespace) is None:
                where = "everywhere" if namespace == EVERYWHERE else f"for {place(namespace)}"
                raise InvalidRequest(f"No adapter is promoted {where}, so there is nothing to roll back.")
            retired = set(connection.scalars(sa.select(adapters.c.id).where(adapters.c.retired_at.is_not(None))))
            before = previous(_entries(connection, namespace), retired)
            return _write(
                connection, Promotion(namespace, before, Action.ROLLBACK, datetime.now(UTC), by, False, reason)
            )

    def retire(self, adapter_id: str, by: str, reason: str = "") -> Adapter:
        """It is never promoted again. Its record stays. Raises `NotFound`, `InvalidRequest` while it is promoted."""
        with _writing(self._engine) as connection:
            adapter = _get(connection, adapter_id)
            if adapter.retired_at is not None:
                return adapter
            if held := sorted(name for name, latest in _latest(connection).items() if latest == adapter_id):
                raise InvalidRequest(
                    f"{adapter_id} answers for {' and '.join(map(place, held))}. Roll back first: "
                    f"lorekeeper tune rollback {_option(held[0])}"
                )
            now = datetime.now(UTC)
            connection.execute(sa.update(adapters).where(adapters.c.id == adapter_id).values(retired_at=now))
            _write(connection, Promotion("", adapter_id, Action.RETIRE, now, by, False, reason))
            return replace(adapter, retired_at=now)

    def promoted(self) -> dict[str, Adapter]:
        """What each namespace (or `EVERYWHERE`) with an adapter of its own answers with.

        One small query, for whoever asks every few seconds: without what the adapters learnt from.
        """
        query = sa.select(promotions.c.namespace, adapters).join_from(
            promotions, adapters, adapters.c.id == promotions.c.adapter_id
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(promotions.c.position.in_(_last_positions()))).mappings().all()
        return {row["namespace"]: _adapter(row) for row in rows}

    def audit(self, namespace: str | None = None) -> list[Promotion]:
        """The earliest first; of all namespaces, with retirements, or of one."""
        with reading(self._engine) as connection:
            return _entries(connection, namespace)


def files_digest(files: Mapping[str, str]) -> str:
    """One hash (SHA-256) of files, from their hashes by their paths."""
    return hashlib.sha256(json.dumps(dict(files), separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def previous(entries: Sequence[Promotion], retired: Collection[str] = ()) -> str | None:
    """What a rollback of a namespace goes to, by all its entries, the earliest first. Pure."""
    stack: list[str | None] = []
    for entry in entries:
        if entry.action is Action.PROMOTE:
            stack.append(entry.adapter)
            continue
        stack.pop()
        while stack and stack[-1] != entry.adapter:
            stack.pop()
    return next((each for each in reversed(stack[:-1]) if each not in retired), None)


def place(namespace: str) -> str:
    """A namespace for a person."""
    return "every namespace without an adapter of its own" if namespace == EVERYWHERE else f"the namespace {namespace}"


def _option(namespace: str) -> str:
    return "--everywhere" if namespace == EVERYWHERE else f"--namespace {namespace}"


def _check_promotable(adapter: Adapter, *, is_forced: bool, reason: str) -> None:
    if adapter.retired_at is not None:
        raise InvalidRequest(
            f"{adapter.id} is retired. Register its files again to have a version that can be promoted."
        )
    if is_forced and not reason.strip():
        raise InvalidRequest(f"Say why {adapter.id} is promoted all the same: add --reason WHY, which the audit keeps.")
    if adapter.verdict is Verdict.PASSED or is_forced:
        return
    if adapter.verdict is Verdict.FAILED:
        found = f"{adapter.id} did not pass its evaluation{_because(adapter.reasons)}."
    else:
        found = f"{adapter.id} has no evaluation{_because(adapter.reasons)}. Once it has one, register its run again."
    raise InvalidRequest(f"{found} To promote it all the same, add --force --reason WHY, which the audit keeps.")


def _because(reasons: Sequence[str]) -> str:
    return f": {'; '.join(each.rstrip('.') for each in reasons)}" if reasons else ""


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    """One writer after the other, also of other processes. SQLite's write lock does it already; readers never wait."""
    with transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"LOCK TABLE {adapters.name} IN SHARE ROW EXCLUSIVE MODE")
        yield connection


def _same(name: str, digest: str) -> sa.Select[Any]:
    is_same = (adapters.c.name == name, adapters.c.sha256 == digest, adapters.c.retired_at.is_(None))
    return sa.select(adapters.c.id).where(*is_same)


def _get(connection: Connection, adapter_id: str) -> Adapter:
    found = _read(connection, sa.select(adapters).where(adapters.c.id == adapter_id))
    if not found:
        raise NotFound(f"There is no adapter {adapter_id}. `lorekeeper tune list` shows them all.")
    return found[0]


def _read(connection: Connection, query: sa.Select[Any]) -> list[Adapter]:
    """With what they learnt from."""
    rows = connection.execute(query).mappings().all()
    learnt: dict[tuple[str, str], set[str]] = {}
    wanted = adapter_lineage.c.adapter_id.in_([row["id"] for row in rows])
    for adapter_id, kind, name in connection.execute(sa.select(adapter_lineage).where(wanted)):
        learnt.setdefault((adapter_id, kind), set()).add(name)
    return [
        replace(
            _adapter(row),
            documents=frozenset(learnt.get((row["id"], DOCUMENT), ())),
            people=frozenset(learnt.get((row["id"], PERSON), ())),
        )
        for row in rows
    ]


def _last_positions() -> sa.Select[Any]:
    query = sa.select(sa.func.max(promotions.c.position)).where(promotions.c.namespace != "")
    return query.group_by(promotions.c.namespace)


def _latest(connection: Connection) -> dict[str, str | None]:
    """The id of what each namespace answers with; None after a rollback to nothing."""
    query = sa.select(promotions.c.namespace, promotions.c.adapter_id)
    return dict(connection.execute(query.where(promotions.c.position.in_(_last_positions()))).all())


def _entries(connection: Connection, namespace: str | None) -> list[Promotion]:
    query = sa.select(promotions).order_by(promotions.c.position)
    if namespace is not None:
        query = query.where(promotions.c.namespace == namespace)
    return [
        Promotion(
            row["namespace"],
            row["adapter_id"],
            Action(row["action"]),
            row["at"],
            row["person"],
            row["is_forced"],
            row["reason"],
        )
        for row in connection.execute(query).mappings()
    ]


def _write(connection: Connection, entry: Promotion) -> Promotion:
    connection.execute(
        sa.insert(promotions).values(
            namespace=entry.namespace,
            adapter_id=entry.adapter,
            action=entry.action.value,
            at=entry.at,
            person=entry.by,
            is_forced=entry.is_forced,
            reason=entry.reason,
        )
    )
    return entry


def _row(adapter: Adapter) -> dict[str, Any]:
    same = ("id", "name", "number", "served_as", "method", "rank", "dataset", "template", "prompt", "reasons")
    return {
        **{name: getattr(adapter, name) for name in (*same, "registered_at", "registered_by", "retired_at")},
        "base_name": adapter.base.name,
        "base_revision": adapter.base.revision,
        "form": adapter.form.value,
        "verdict": adapter.verdict.value,
        "files": dict(adapter.files),
        "preflight": dict(adapter.preflight),
    }


def _lineage_rows(adapter: Adapter) -> list[dict[str, str]]:
    learnt = [(DOCUMENT, name) for name in adapter.documents] + [(PERSON, name) for name in adapter.people]
    return [{"adapter_id": adapter.id, "kind": kind, "name": name} for kind, name in sorted(learnt)]


def _adapter(row: Any) -> Adapter:
    same = ("id", "name", "number", "served_as", "method", "rank", "files", "dataset", "template", "prompt", "reasons")
    return Adapter(
        **{name: row[name] for name in (*same, "preflight", "registered_at", "registered_by", "retired_at")},
        base=BaseModel(row["base_name"], row["base_revision"]),
        form=Form(row["form"]),
        verdict=Verdict(row["verdict"]),
    )

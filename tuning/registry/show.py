"""Versions and their audit for a person's eyes, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from rich.table import Table
from rich.text import Text

from core.console import plain
from core.store.adapters import place
from core.types.adapters import EVERYWHERE, Action, Adapter, Promotion

SHORT_HASH = 12


def places(adapter: Adapter, promoted: Mapping[str, Adapter]) -> list[str]:
    """The namespaces (or `EVERYWHERE`) that it answers for."""
    return sorted(name for name, each in promoted.items() if each.id == adapter.id)


def table(adapters: Sequence[Adapter], promoted: Mapping[str, Adapter]) -> Table:
    """A row for each."""
    made = Table(box=None, pad_edge=False)
    for column in ("id", "base model", "method", "served as", "evaluation", "registered", "by", "answers for"):
        longest_word = max(map(len, column.split()))
        made.add_column(column, overflow="fold", no_wrap=column == "id", min_width=longest_word)
    for each in adapters:
        state = "retired" if each.retired_at else ", ".join(map(_short_place, places(each, promoted)))
        # Of a folder, the last part tells more than where it lies.
        base = PurePath(each.base.name)
        cells = (
            each.id,
            base.name if base.is_absolute() else each.base.name,
            each.method,
            each.form.value,
            each.verdict.value,
        )
        made.add_row(*map(_cell, (*cells, _time(each.registered_at), each.registered_by, state)))
    return made


def details(
    adapter: Adapter, answers_for: Sequence[str], address: str, about: Mapping[str, str], audit: Sequence[Promotion]
) -> Iterator[str]:
    """Line by line. `about`: addresses of the data card, the report and the like, by their names."""
    yield f"{adapter.id}, which servers call {adapter.served_as}"
    yield f"  Base model    {adapter.base.name}, revision {adapter.base.revision}"
    rank = f", rank {adapter.rank}" if adapter.rank else ""
    yield f"  Trained by    {adapter.method}; served as: {adapter.form.value}{rank}"
    yield f"  Evaluation    {adapter.verdict.value}"
    yield from (f"                {each}" for each in adapter.reasons)
    yield f"  Pre-flight    {made_servable(adapter.preflight)}"
    yield from (f"                {each}" for each in adapter.preflight.get("problems", ()))
    yield f"  Data set      {adapter.dataset or 'not known'}"
    learnt = f"{_count(len(adapter.documents), 'document')}, {_count(len(adapter.people), 'person', 'people')}"
    yield f"  Learnt from   {learnt if adapter.dataset else 'not known'}"
    yield f"  Chat template {adapter.template or 'not known'}"
    yield f"  Prompt        {adapter.prompt or 'not known'}"
    yield f"  Registered    {_time(adapter.registered_at)} by {adapter.registered_by or 'nobody known'}"
    if adapter.retired_at:
        yield f"  Retired       {_time(adapter.retired_at)}"
    yield f"  Answers for   {' and '.join(map(place, answers_for)) or 'nothing'}"
    yield f"  Files         {address}"
    yield from (f"                {digest}  {path}" for path, digest in sorted(adapter.files.items()))
    yield from (f"  {'Kept with it' if number == 0 else '':<13} {each}" for number, each in enumerate(about.values()))
    yield from (f"  {'Audit' if number == 0 else '':<13} {_entry(each)}" for number, each in enumerate(audit))


def concerning(audit: Sequence[Promotion], adapter_id: str) -> list[Promotion]:
    """The entries of a version, and the rollbacks that took it away. `audit`: all entries, the earliest first."""
    found: list[Promotion] = []
    latest: dict[str, str | None] = {}
    for entry in audit:
        is_taken_away = entry.action is Action.ROLLBACK and latest.get(entry.namespace) == adapter_id
        if entry.adapter == adapter_id or is_taken_away:
            found.append(entry)
        latest[entry.namespace] = entry.adapter
    return found


def adapter_row(adapter: Adapter, answers_for: Sequence[str]) -> dict[str, Any]:
    """For JSON. What it learnt from is counted; `lorekeeper tune uses` looks it up."""
    return {
        "id": adapter.id,
        "name": adapter.name,
        "number": adapter.number,
        "served_as": adapter.served_as,
        "base": {"name": adapter.base.name, "revision": adapter.base.revision},
        "method": adapter.method,
        "form": adapter.form.value,
        "rank": adapter.rank,
        "verdict": adapter.verdict.value,
        "reasons": list(adapter.reasons),
        "preflight": dict(adapter.preflight),
        "files": dict(adapter.files),
        "dataset": adapter.dataset,
        "template": adapter.template,
        "prompt": adapter.prompt,
        "documents": len(adapter.documents),
        "people": len(adapter.people),
        "registered_at": adapter.registered_at.isoformat() if adapter.registered_at else None,
        "registered_by": adapter.registered_by,
        "retired_at": adapter.retired_at.isoformat() if adapter.retired_at else None,
        "answers_for": list(answers_for),
    }


def entry_row(entry: Promotion) -> dict[str, Any]:
    """For JSON."""
    return {
        "namespace": entry.namespace,
        "adapter": entry.adapter,
        "action": entry.action.value,
        "at": entry.at.isoformat(),
        "by": entry.by,
        "is_forced": entry.is_forced,
        "reason": entry.reason,
    }


def _entry(entry: Promotion) -> str:
    where = f" for {place(entry.namespace)}" if entry.namespace else ""
    # A rollback stands in the audit of what it took away as well as of what it went back to.
    to = f" to {entry.adapter or 'no adapter of its own'}" if entry.action is Action.ROLLBACK else ""
    forced = ", against the gate" if entry.is_forced else ""
    why = f": {entry.reason}" if entry.reason else ""
    return f"{_time(entry.at)} {entry.action.value}{where}{to} by {entry.by or 'nobody known'}{forced}{why}"


def made_servable(preflight: Mapping[str, Any]) -> str:
    """What was done so that a server can load it, in a line."""
    conversion = preflight.get("conversion") or {}
    if not conversion:
        return "served as it was trained" if preflight else "not made"
    agreement = conversion.get("agreement")
    said = f"{conversion.get('kind', 'converted')}"
    return f"{said}, same token in {agreement:.1%} of the places" if isinstance(agreement, float) else said


def _short_place(namespace: str) -> str:
    return "everywhere" if namespace == EVERYWHERE else namespace


def _cell(text: str) -> Text:
    return Text(plain(text))


def _time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or f'{one}s'}"

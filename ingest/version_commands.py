"""`lorekeeper documents history`, `restore`, `removed`, `purge` and `check`: what documents were, and whether all fits."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from core.build import Application
from core.console import plain
from core.errors import InvalidRequest, NotFound
from core.namespace import check_namespace
from core.restoring import forget
from core.settings import load
from core.types import ChangeKind, DocumentChange, Finding, HistoryEntry, HistoryEvent
from core.wire import finding_to_json, history_to_json
from ingest.command_line import (
    SHORT_ID,
    JsonOption,
    LimitOption,
    OnlyNamespaceOption,
    call,
    caller,
    goes_on,
    local_time,
    table_of,
    who,
    within,
    write_json,
)
from ingest.command_progress import Display, while_watching

# Of the documents that a finding is about.
NAMED = 5
DocumentArgument = Annotated[str, typer.Argument(metavar="DOCUMENT", help="The id, or its beginning.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def history(document_id: DocumentArgument, as_json: JsonOption = False) -> None:
    """The versions of a document, also of a removed one: when, by whom, and which can be restored."""
    entries = call("lorekeeper documents history", lambda application: application.versions.history(document_id))
    if as_json:
        write_json({"history": [history_to_json(entry) for entry in entries]})
        return
    table = table_of("version", "event", "title", "at", "by", "size", "pages", "passages", "state")
    for number, entry in enumerate(entries):
        is_version = entry.event is not HistoryEvent.REMOVED
        table.add_row(
            str(entry.version),
            _event(entry),
            Text(plain(entry.title)),
            local_time(entry.at),
            Text(who(entry.origin)),
            f"{entry.size_bytes:,}" if is_version else "",
            str(entry.pages or "") if is_version else "",
            str(entry.chunks) if is_version else "",
            _state(entry, is_last=number == 0),
        )
    Console().print(table)


def restore(
    document_id: DocumentArgument,
    version: Annotated[
        int | None, typer.Option(min=1, help="Which one; by default the last of a removed document, or the one before.")
    ] = None,
) -> None:
    """Bring back a removed document, or an earlier version, which becomes a new one."""

    async def work(application: Application) -> DocumentChange:
        restoring = application.versions.restore(document_id, version, origin=caller())
        return await while_watching(
            restoring, application.jobs, display, lambda job: job.document_id.startswith(document_id)
        )

    with Display() as display:
        change = call("lorekeeper documents restore", work, stopped=goes_on)
        display.report(change, 1, 1)
    if change.kind is ChangeKind.FAILED:
        raise typer.Exit(1)
    sys.stdout.write(_restored(change))


def removed(namespace: OnlyNamespaceOption = None, limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """Removed documents that can still be restored, the latest first."""
    if namespace is not None:
        check_namespace(namespace)

    async def work(application: Application) -> tuple[list[HistoryEntry], int, timedelta]:
        found, total = await application.versions.removed(limit, within=within(namespace))
        return found, total, timedelta(days=application.settings.history.keep_removed_days)

    entries, total, kept = call("lorekeeper documents removed", work)
    if as_json:
        write_json({"removed": [history_to_json(entry) for entry in entries], "total": total})
        return
    table = table_of("id", "title", "namespace", "version", "removed", "by", "kept until")
    for entry in entries:
        table.add_row(
            entry.document_id[:SHORT_ID],
            Text(plain(entry.title)),
            entry.namespace,
            str(entry.version),
            local_time(entry.at),
            Text(who(entry.origin)),
            local_time(entry.at + kept),
        )
    Console().print(table)
    if len(entries) < total:
        sys.stdout.write(f"{len(entries)} of {total}; see more with --limit {total}\n")


def purge(
    document_ids: Annotated[list[str], typer.Argument(metavar="DOCUMENT...", help="Ids, or their beginnings.")],
    yes: YesOption = False,
) -> None:
    """Erase documents for good, removed or not, with all their versions and copies."""
    if not yes and not sys.stdin.isatty():
        raise InvalidRequest("Nobody can be asked here whether to erase documents for good. Add --yes if you are sure.")

    async def find(application: Application) -> dict[str, str]:
        return dict([await _known(application, document_id) for document_id in document_ids])

    async def work(application: Application) -> None:
        for document_id, title in titles.items():
            await application.versions.purge(document_id)
            sys.stdout.write(f"Erased {title}\n")

    # A mistyped id among them erases nothing.
    titles = call("lorekeeper documents purge", find)
    if not yes:
        for document_id, title in titles.items():
            sys.stderr.write(f"{document_id[:SHORT_ID]} {title}\n")
        typer.confirm("Erase for good, with all versions? Nothing brings it back.", abort=True, err=True)
    call("lorekeeper documents purge", work)
    _name_adapters(titles)


def _name_adapters(document_ids: Collection[str]) -> None:
    """A model cannot forget, so whoever erases a document is told which ones learnt from it."""
    from core.store.adapters import AdapterStore
    from core.store.engine import open_engine

    settings = load()
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        found = [adapter.id for adapter in AdapterStore(engine).using(document_ids) if adapter.retired_at is None]
    finally:
        engine.dispose()
    if found:
        sys.stdout.write(
            f"Tuned models learnt from it: {', '.join(found)}. `lorekeeper tune uses DOCUMENT` says where they answer, "
            "and what to do.\n"
        )


def check(
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold record, word index, vector index and stored copies against each other."""

    async def work(application: Application) -> Sequence[Finding]:
        found = await application.documents.check(repair=repair)
        if repair:
            # What a restoration left that did not come to its end is put right now.
            forget(application.settings.data_dir)
        return found

    findings = call("lorekeeper documents check", work, for_repair=repair)
    if as_json:
        write_json({"findings": [finding_to_json(finding) for finding in findings]})
    elif findings:
        _print_findings(findings, repair=repair)
    else:
        sys.stdout.write("Everything agrees: record, word index, vector index and stored copies.\n")
    if not all(finding.is_repaired for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: Sequence[Finding], *, repair: bool) -> None:
    table = table_of("finding", "number", "documents", "what to do")
    for finding in findings:
        named = [document_id[:SHORT_ID] for document_id in finding.documents[:NAMED]]
        more = len(finding.documents) - len(named)
        to_do = "" if repair else "lorekeeper documents check --repair"
        table.add_row(
            finding.kind,
            f"{finding.count:,}",
            ", ".join([*named, f"and {more:,} more"] if more else named),
            Text("repaired" if finding.is_repaired else plain(finding.remedy) or to_do),
        )
    Console().print(table)


def _event(entry: HistoryEntry) -> str:
    return f"{entry.event.value} to {entry.of_version}" if entry.of_version is not None else entry.event.value


def _state(entry: HistoryEntry, *, is_last: bool) -> str:
    """What can be had of it."""
    if entry.event is HistoryEvent.REMOVED:
        return ""
    if is_last:
        return "answers now"
    return "can be restored" if entry.is_kept else "not kept"


def _restored(change: DocumentChange) -> str:
    document = change.document
    if document is None:
        return f"Restored {plain(change.name)}\n"
    if change.kind is ChangeKind.UNCHANGED:
        return f"{plain(document.title)} is unchanged: that version answers already.\n"
    return f"Restored {plain(document.title)}: version {document.version} answers now.\n"


async def _known(application: Application, document_id: str) -> tuple[str, str]:
    """The whole id and the title of a document that is there or was. Raises `NotFound`."""
    try:
        document = await application.documents.get(document_id)
    except NotFound:
        last = (await application.versions.history(document_id))[0]
        return last.document_id, plain(last.title)
    return document.id, plain(document.title)

"""`lorekeeper tune register`, `list`, `show`, `promote`, `rollback`, `retire`, `uses` and `fetch`.

All of them read and write the record, which running servers read as well, so none has to be stopped.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from core.console import plain
from core.errors import InvalidRequest, LorekeeperError
from core.log import configure_for_command
from core.namespace import check_namespace
from core.settings import Settings, load
from core.types.adapters import EVERYWHERE, Adapter, Promotion, Verdict

if TYPE_CHECKING:
    from core.store.adapters import AdapterStore
    from core.store.documents import DocumentStore

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As `lorekeeper tune list` shows it.")]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="The namespace that is meant.")]
EverywhereOption = Annotated[
    bool, typer.Option("--everywhere", help="All namespaces that have no adapter of their own.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; the audit keeps it.")]


@dataclass(frozen=True, slots=True)
class _Record:
    settings: Settings
    store: AdapterStore
    documents: DocumentStore


def register(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A training run, or a folder that PEFT saved.")],
    name: Annotated[str, typer.Option(help="Its versions are numbered. Without: the data set's namespace.")] = "",
    base: Annotated[str, typer.Option(help="For an adapter trained elsewhere: the model that it was trained on.")] = "",
    revision: Annotated[str, typer.Option(help="For an adapter trained elsewhere: that model's commit.")] = "",
    method: Annotated[str, typer.Option(help="For an adapter trained elsewhere: how it was trained.")] = "lora",
    as_json: JsonOption = False,
) -> None:
    """Put what was trained on record, with its files in the store. The same files again are the same version."""
    from tuning.registry.register import Elsewhere, check_name
    from tuning.registry.register import register as put
    from tuning.registry.show import adapter_row
    from tuning.registry.store import open_files

    with _record() as record:
        given = check_name(name) if name else ""
        elsewhere = Elsewhere(base, method, revision) if base else None
        done = put(folder, given, record.store, open_files(record.settings), _who(), elsewhere)
    if as_json:
        _write_json({**adapter_row(done.adapter, []), "is_new": done.is_new, "notes": list(done.notes)})
        return
    known = "Registered" if done.is_new else "These files are on record already, as"
    sys.stdout.write(f"{known} {done.adapter.id}: {done.adapter.verdict.value}.\n")
    for note in (*done.adapter.reasons, *done.notes):
        sys.stdout.write(f"  {plain(note)}\n")
    if done.adapter.verdict is Verdict.PASSED:
        sys.stdout.write(f"Try it in one namespace: lorekeeper tune promote {done.adapter.id} --namespace NAME\n")


def show_all(as_json: JsonOption = False) -> None:
    """Show all versions, and which namespaces they answer for."""
    from tuning.registry.show import adapter_row, places, table

    with _record() as record:
        adapters, promoted = record.store.all(), record.store.promoted()
    if as_json:
        _write_json({"adapters": [adapter_row(each, places(each, promoted)) for each in adapters]})
        return
    if not adapters:
        sys.stdout.write("There are no adapters. `lorekeeper tune register RUN` puts one on record.\n")
        return
    Console().print(table(adapters, promoted))


def show(adapter_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of one version."""
    from tuning.registry.show import adapter_row, concerning, details, entry_row, places

    with _record() as record:
        adapter, promoted = record.store.get(adapter_id), record.store.promoted()
        audit = concerning(record.store.audit(), adapter_id)
        address, about = _lying(record.settings, adapter)
    if as_json:
        row = adapter_row(adapter, places(adapter, promoted))
        _write_json({**row, "files_in": address, "about": about, "audit": [entry_row(entry) for entry in audit]})
        return
    for line in details(adapter, places(adapter, promoted), address, about, audit):
        sys.stdout.write(f"{plain(line)}\n")


def promote(
    adapter_id: IdArgument,
    namespace: NamespaceOption = "",
    everywhere: EverywhereOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Although its evaluation, or the base model served, is against it.")
    ] = False,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer with this version from now on, in one namespace or everywhere."""
    from tuning.registry.register import notes
    from tuning.registry.served import check_served

    place_name = _place(namespace, everywhere=everywhere)
    with _record() as record:
        adapter = record.store.get(adapter_id)
        _refuse_pinned(record.settings, place_name)
        found = check_served(record.settings, adapter)
        if found.objection and not force:
            raise InvalidRequest(
                f"{found.objection} It would not answer as it was evaluated. If you know better, add --force --reason WHY."
            )
        is_against = adapter.verdict is not Verdict.PASSED or bool(found.objection)
        entry = record.store.promote(place_name, adapter_id, _who(), force and is_against, reason)
        said = [found.note or found.objection, *notes(adapter), *_surprises(record, place_name)]
    _tell(entry, adapter_id, said, as_json=as_json)


def rollback(
    namespace: NamespaceOption = "",
    everywhere: EverywhereOption = False,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer again with what answered before the latest promotion. Again: one further back."""
    place_name = _place(namespace, everywhere=everywhere)
    with _record() as record:
        entry = record.store.rollback(place_name, _who(), reason)
        general = record.store.promoted().get(EVERYWHERE)
        said = _surprises(record, place_name)
    answers = entry.adapter or (f"{general.id}, which is promoted everywhere," if general else "the base model")
    _tell(entry, answers, said, as_json=as_json)


def retire(
    adapter_id: IdArgument,
    erase: Annotated[
        bool, typer.Option("--erase", help="Delete its files from the store; nothing brings them back.")
    ] = False,
    reason: ReasonOption = "",
) -> None:
    """Never answer with this version again. Its record stays, and its files unless they are erased."""
    from core.store.adapters import files_digest
    from tuning.registry.store import open_files

    with _record() as record:
        adapter = record.store.retire(adapter_id, _who(), reason)
        if erase:
            same = files_digest(adapter.files)
            others = [each for each in record.store.all() if each.id != adapter_id and each.retired_at is None]
            sharing = [each for each in others if files_digest(each.files) == same]
            open_files(record.settings).delete(adapter, others)
    sys.stdout.write(f"{adapter.id} is retired.\n")
    if erase and sharing:
        sys.stdout.write(f"Its files stay, because {sharing[0].id} has the same.\n")
    elif erase:
        sys.stdout.write(
            "Its files are erased. Running processes erase the copies in adapters.folder once no model's server has it.\n"
        )


def uses(
    wanted: Annotated[
        str,
        typer.Argument(metavar="DOCUMENT_OR_PERSON", help="A document's id or its beginning, or a person's stored id."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Which versions learnt from a document or a person, and where they answer."""
    from tuning.registry.show import adapter_row, places, table

    with _record() as record:
        found = record.store.using(_learnt(record.store, wanted))
        promoted = record.store.promoted()
    if as_json:
        _write_json({"adapters": [adapter_row(each, places(each, promoted)) for each in found]})
        return
    if not found:
        sys.stdout.write("No adapter on record learnt from it.\n")
        return
    Console().print(table(found, promoted))
    sys.stdout.write(
        "To have it forgotten: make the data set again without it, train, register and promote that version, and then "
        "retire these with --erase.\n"
    )


def fetch(
    adapter_id: IdArgument,
    folder: Annotated[Path, typer.Argument(help="Where its files are put, in a folder of its own.")],
) -> None:
    """Put a version's files into a folder, for a server that is started with them."""
    from tuning.registry.store import open_files

    with _record() as record:
        target = open_files(record.settings).fetch(record.store.get(adapter_id), folder.absolute())
    sys.stdout.write(f"{target}\n")


@contextmanager
def _record() -> Iterator[_Record]:
    """The record itself, which every process of ours reads, so nobody need be asked or stopped."""
    from core.datafolder import prepare
    from core.restoring import refuse_unfinished
    from core.store.adapters import AdapterStore
    from core.store.documents import DocumentStore
    from core.store.engine import open_engine, upgrade

    settings = load()
    configure_for_command(settings.log)
    prepare(settings.data_dir)
    refuse_unfinished(settings.data_dir)
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        upgrade(engine)
        yield _Record(settings, AdapterStore(engine), DocumentStore(engine))
    finally:
        engine.dispose()


def _lying(settings: Settings, adapter: Adapter) -> tuple[str, dict[str, str]]:
    """Where its files are, and by their names where the data card, the report and the like are."""
    from tuning.registry.store import open_files

    try:
        files = open_files(settings)
        return files.address(adapter), {name: f"{files.about_address(adapter)}/{name}" for name in files.about(adapter)}
    except LorekeeperError as error:
        # What is on record can be shown all the same.
        return error.message, {}


def _who() -> str:
    """Who runs this command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _place(namespace: str, *, everywhere: bool) -> str:
    if bool(namespace) == everywhere:
        raise InvalidRequest("Say where: --namespace NAME for one namespace, or --everywhere.")
    return EVERYWHERE if everywhere else check_namespace(namespace)


def _refuse_pinned(settings: Settings, namespace: str) -> None:
    pinned = settings.namespaces.get(namespace)
    if pinned is not None and pinned.model:
        raise InvalidRequest(
            f"The settings say that the namespace {namespace} answers with {pinned.model} (namespaces.{namespace}.model). "
            "Take that setting out and restart, and promotions decide."
        )


def _surprises(record: _Record, namespace: str) -> list[str]:
    """Where it is not as one might think."""
    pinned = {name: each.model for name, each in record.settings.namespaces.items() if each.model}
    if namespace == EVERYWHERE:
        promoted = record.store.promoted()
        general = promoted.pop(EVERYWHERE, None)
        own = {name: each.id for name, each in promoted.items() if general is None or each.id != general.id}
        return [
            f"The namespace {name} has a model of its own: {model}." for name, model in sorted((own | pinned).items())
        ]
    if namespace in pinned:
        return [f"The settings say that {pinned[namespace]} answers there, so it does (namespaces.{namespace}.model)."]
    if namespace not in {*record.documents.namespaces(), *record.settings.namespaces}:
        return [f"There is no document in the namespace {namespace}. See that its name is right."]
    return []


def _tell(entry: Promotion, answers: str, said: list[str], *, as_json: bool) -> None:
    """`answers`: what does, from now on. `said`: sentences; empty ones are left out."""
    from core.store.adapters import place
    from tuning.registry.show import entry_row

    sentences = [each for each in said if each]
    if as_json:
        _write_json({**entry_row(entry), "notes": sentences})
        return
    sys.stdout.write(f"Within seconds, {answers} answers for {place(entry.namespace)}.\n")
    for each in sentences:
        sys.stdout.write(f"  {plain(each)}\n")


def _learnt(store: AdapterStore, wanted: str) -> set[str]:
    """What is meant, as the record names it: a document's id by its beginning, and a person's by its hash."""
    from tuning.dataset.files import check_beginning
    from tuning.dataset.types import person

    beginning = store.documents_beginning(wanted)
    check_beginning(wanted, beginning)
    if len(beginning) > 1 and wanted not in beginning:
        raise InvalidRequest(f"More than one document's id begins with {wanted}. Give more of it.")
    return {wanted, person(wanted), *([] if wanted in beginning else beginning)}


def _write_json(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")

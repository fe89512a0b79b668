"""What people are told of the versions of documents, as values that every platform can show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bots.chat.records import SHORT_ID, about, came_from, count, file_name, moment, size_of
from bots.chat.results import PREFIX, SHOWN, Action, Result, Row
from core.types import ChangeKind, Document, DocumentChange, HistoryEntry, HistoryEvent, page_word

MOST_EVENTS = 20
MOST_BUTTONS = 10
_HAPPENED = {
    HistoryEvent.ADDED: "added",
    HistoryEvent.REPLACED: "replaced the version before",
    HistoryEvent.REMOVED: "removed",
}
UNKNOWN = f"There is no document of this id, title or file name here. `{PREFIX} list` shows all"


def history(entries: Sequence[HistoryEntry], *, is_admin: bool) -> Result:
    """What became of one document: the latest event first, as they are given."""
    last, shown = entries[0], entries[:MOST_EVENTS]
    answering = None if last.event is HistoryEvent.REMOVED else last.version
    document = Row(last.title, (f"namespace {last.namespace} · id {last.document_id[:SHORT_ID]} · {file_name(last)}",))
    versions = sum(each.event is not HistoryEvent.REMOVED for each in entries)
    left = len(entries) - len(shown)
    more = f" These are the latest events; there are {left} earlier ones." if left else ""
    text = f"{count(versions, 'version')} of this document, the latest first.{more}"
    rows = tuple(_event(each, answering, is_admin=is_admin) for each in shown)
    return Result(text, (document, *rows), _restoring(shown, answering) if is_admin else ())


def unknown(name: str) -> Result:
    return Result(f"{UNKNOWN}:", (Row(name),))


def unknown_or_purged(name: str) -> Result:
    """For admins, to whom removed documents are known."""
    return Result(f"{UNKNOWN}, and none that was removed and is kept is called so:", (Row(name),))


def several(found: Sequence[Document | HistoryEntry]) -> Result:
    rows = tuple(known(each) for each in found[:SHOWN])
    left = len(found) - len(rows)
    more = f" These are the first; there are {left} more." if left else ""
    return Result(f"{len(found)} documents are called so. Name the one that you mean by its id.{more}", rows)


def known(found: Document | HistoryEntry) -> Row:
    """A document, there or removed."""
    if isinstance(found, Document):
        return Row(found.title, about(found))
    where = f"namespace {found.namespace} · id {found.document_id[:SHORT_ID]} · {file_name(found)}"
    return Row(found.title, (f"removed · {moment(found.at)}", where))


def restored(change: DocumentChange) -> Result:
    """How bringing a version back ended."""
    document = change.document
    if change.kind is ChangeKind.FAILED or document is None:
        why = change.message or "The file cannot be read."
        return Result("It was not brought back:", (Row(change.name, (why,)),))
    row = Row(document.title, about(document))
    if change.kind is ChangeKind.UNCHANGED:
        return Result("This version answers already:", (row,))
    return Result(f"Brought back, as version {document.version}. Answers use it now:", (row,))


def being_restored(found: Document | HistoryEntry) -> Result:
    text = f"It is being brought back, which takes a while. `{PREFIX} status` shows how far it is:"
    return Result(text, (known(found),))


def put_off(found: Document | HistoryEntry, why: str) -> Result:
    """Something is away for a moment."""
    text = f"It cannot be brought back right now, and is tried again by itself. `{PREFIX} status` shows how far it is:"
    row = known(found)
    return Result(text, (Row(row.title, (*row.details, why)),))


def gone(removal: HistoryEntry) -> Result:
    """To an admin who asks for a document that was removed."""
    restore, purge = f"restore {removal.document_id}", f"purge {removal.document_id}"
    text = (
        f"This document was removed. It can be brought back for a while, by `{PREFIX} {restore}`, "
        f"or be erased for good, by `{PREFIX} {purge}`:"
    )
    actions = (Action("restore", "Bring it back", restore), Action("purge", "Erase it…", purge))
    return Result(text, (known(removal),), actions)


def asked_to_erase(found: Document | HistoryEntry) -> Result:
    identity = found.id if isinstance(found, Document) else found.document_id
    confirm = Action("confirm", "Erase it", f"purge {identity}", is_final=True)
    keep = Action("keep", "Keep it", f"history {identity}")
    text = "Erase this document for good? It goes with all its versions and every copy, and cannot be brought back."
    return Result(text, (known(found),), (confirm, keep))


def erased(last: HistoryEntry) -> Result:
    text = "Erased for good, with all versions and every copy. Answers do not use it any more:"
    return Result(text, (Row(last.title, (file_name(last),)),))


def _event(entry: HistoryEntry, answering: int | None, *, is_admin: bool) -> Row:
    what = _HAPPENED.get(entry.event) or f"version {entry.of_version} brought back"
    facts = " · ".join([what, moment(entry.at), *came_from(entry.origin, with_person=is_admin)])
    if entry.event is HistoryEvent.REMOVED:
        return Row("Removed", (facts,))
    is_answering = entry.version == answering
    pages = [count(entry.pages, page_word(entry.media_type))] if entry.pages else []
    size = " · ".join([*pages, count(entry.chunks, "passage"), size_of(entry.size_bytes)])
    gone = () if entry.is_kept or is_answering else ("not kept any more",)
    return Row(f"Version {entry.version}{' · answers now' if is_answering else ''}", (facts, size, *gone))


def _restoring(entries: Sequence[HistoryEntry], answering: int | None) -> tuple[Action, ...]:
    kept = [each for each in entries if each.is_kept and each.version != answering]
    return tuple(
        Action(
            f"restore.{each.version}",
            f"Bring back version {each.version}",
            f"restore {each.document_id} {each.version}",
        )
        for each in kept[:MOST_BUTTONS]
    )

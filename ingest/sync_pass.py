"""One synchronisation: a source's listing against what is known of it, and what differs into the index.

What a file's source says of it is on record only after the file is indexed, and that a file belongs to the source is on
record before: a crash at any point leaves files that the next synchronisation does again, and none that nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeVar

from core.errors import InvalidRequest, LorekeeperError
from core.ports import Progress
from core.store.sources import KnownEntry, SourceStore
from core.types import ChangeKind, DocumentChange, Origin, SyncedSource
from ingest.received import Received
from ingest.sources.base import Entry, Listing, Source, Unreachable

# Files between which uploads of people get their turn, and after which it is noted what is done.
BATCH = 50
# A place that does not answer so often, one file after the other, is away.
MOST_UNREACHABLE = 3
T = TypeVar("T")


class Index(Protocol):
    """What a synchronisation needs of the pipeline. Blocking."""

    def index(self, files: Iterable[Received | DocumentChange]) -> list[DocumentChange]: ...

    def drop(self, namespace: str, sources: Iterable[str], origin: Origin) -> list[DocumentChange]: ...


@dataclass(slots=True)
class Synchronisation:
    """Of one source, by one thread. `check` is called before each file, and raises to give up."""

    record: SyncedSource
    source: Source
    store: SourceStore
    index: Index
    check: Callable[[], None] = lambda: None
    report: Progress = lambda change, done, total: None
    again: bool = False
    """Whether files are read that have not changed, too."""
    allow_empty: bool = False
    changes: list[DocumentChange] = field(default_factory=list)
    unchanged: int = 0
    _total: int = 0
    _unreachable: list[Unreachable] = field(default_factory=list)
    _is_away: bool = False

    @property
    def counts(self) -> Mapping[str, int]:
        """Kind of change → files."""
        counted = Counter(change.kind.value for change in self.changes)
        counted[ChangeKind.UNCHANGED.value] += self.unchanged
        return {kind.value: counted[kind.value] for kind in ChangeKind if counted[kind.value]}

    def run(self) -> None:
        """Raises what ended it before its end; what was done until then stays."""
        listing = self.source.list()
        self.check()
        known = self.store.entries(self.record.id)
        if known and not listing.entries and not listing.unknown and not self.allow_empty:
            raise InvalidRequest(_empty(self.record, listing, len(known)))
        changed = [entry for entry in listing.entries if self._is_changed(entry, known)]
        present = {entry.source for entry in listing.entries}
        unknown = tuple(prefix for prefix, _ in listing.unknown)
        gone = [source for source in known if source not in present and not source.startswith(unknown)]
        self.unchanged = len(listing.entries) - len(changed)
        self._total = len(changed) + len(gone) + len(listing.unknown)
        self._note(DocumentChange(ChangeKind.FAILED, prefix, message=reason) for prefix, reason in listing.unknown)
        for batch in _batches(changed):
            self._bring(batch)
        # Last, so that what was moved is found all the time.
        for sources in _batches(gone):
            self.check()
            self._note(self.index.drop(self.record.namespace, sources, origin_of(self.record)))
            self.store.forget_entries(self.record.id, sources)
        if self._unreachable:
            raise _put_off(self._unreachable)

    def _is_changed(self, entry: Entry, known: Mapping[str, str]) -> bool:
        return self.again or not entry.fingerprint or known.get(entry.source) != entry.fingerprint

    def _bring(self, batch: Sequence[Entry]) -> None:
        self.check()
        self.store.put_entries(self.record.id, [KnownEntry(entry.source) for entry in batch])
        away = len(self._unreachable)
        received: list[Entry] = []
        changes = self.index.index(self._read(batch, received))
        failed = {change.name: change.message or "" for change in changes if change.kind is ChangeKind.FAILED}
        without_text = {change.name for change in changes if change.kind is ChangeKind.SKIPPED}
        self._note(changes)
        if withdrawn := [entry.source for entry in received if entry.name in without_text]:
            self._note(self.index.drop(self.record.namespace, withdrawn, origin_of(self.record)))
        self.store.put_entries(
            self.record.id, [KnownEntry(each.source, each.fingerprint, failed.get(each.name)) for each in received]
        )
        if self._is_away and len(self._unreachable) > away:
            raise _put_off(self._unreachable)

    def _read(self, batch: Sequence[Entry], received: list[Entry]) -> Iterator[Received | DocumentChange]:
        """The files one after the other; those that were told from what they are now are put into `received`."""
        in_a_row = 0
        for entry in batch:
            self.check()
            try:
                data = self.source.read(entry)
            except Unreachable as error:
                self._unreachable.append(error)
                in_a_row += 1
                yield DocumentChange(ChangeKind.FAILED, entry.name, message=error.message, code=error.code)
                if in_a_row == MOST_UNREACHABLE:
                    self._is_away = True
                    return
                continue
            except LorekeeperError as error:
                received.append(entry)
                yield DocumentChange(ChangeKind.FAILED, entry.name, message=error.message, code=error.code)
                continue
            in_a_row = 0
            received.append(entry)
            yield Received(
                entry.name,
                entry.source,
                self.record.namespace,
                data,
                self.record.readers,
                may_be_empty=True,
                title=entry.title,
                url=entry.url,
                origin=origin_of(self.record),
            )

    def _note(self, changes: Iterable[DocumentChange]) -> None:
        for change in changes:
            self.changes.append(change)
            self._total = max(self._total, len(self.changes))
            self.report(change, len(self.changes), self._total)


def origin_of(record: SyncedSource) -> Origin:
    """Who brings and removes its documents."""
    return Origin("source", record.address)


def _empty(record: SyncedSource, listing: Listing, known: int) -> str:
    files = "its file" if known == 1 else f"{known:,} files"
    why = listing.note or f"{record.address} is empty, which is rather an unmounted disk or a wrong address."
    return (
        f"{why} Nothing was removed. If {files} should go from the index, run: "
        f"lorekeeper sources sync {record.id} --allow-empty"
    )


def _put_off(errors: Sequence[Unreachable]) -> Unreachable:
    if len(errors) == 1:
        return Unreachable(f"A file could not be fetched and is tried again next time: {errors[0].message}")
    return Unreachable(
        f"{len(errors):,} files could not be fetched and are tried again next time: {errors[-1].message}"
    )


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch

"""Stored bytes that several documents share go with the last of them, whichever process decides that."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.settings import Database
from core.store.documents import DocumentStore
from core.store.engine import open_engine
from core.store.history import HistoryStore
from core.store.job_rows import BULK
from core.store.jobs import JobStore
from core.store.publishing import Publication
from core.store.publishing import put as put_record
from core.types import NOBODY, Chunk, Document, DocumentStatus, JobState, Section
from ingest.engine import Stores
from ingest.files import FileStore
from ingest.garbage import collect_garbage
from ingest.received import Received
from ingest.receiving import accept
from tests.ingest.library import Library, open_library, put, until
from tests.ingest.parse.office import packed
from tests.ingest.test_races import Gate, GatedEmbedder

BYTES = b"Of two documents."
DIGEST = hashlib.sha256(BYTES).hexdigest()
LONG_ENOUGH = 0.5


@pytest.fixture
def shared(tmp_path: Path, postgres_url: str) -> Iterator[Library]:
    with open_library(tmp_path / "data", database=Database(url=SecretStr(postgres_url))) as library:
        yield library


@pytest.fixture
def ours(shared: Library) -> Stores:
    return shared.pipeline._stores


@pytest.fixture
def theirs(shared: Library, ours: Stores) -> Iterator[Stores]:
    """What another process has of them."""
    engine = open_engine(shared.settings.database_url)
    files = FileStore(shared.settings.data_dir / "files")
    yield Stores(DocumentStore(engine), HistoryStore(engine), JobStore(engine), files, ours.vectors)
    engine.dispose()


class Beside:
    """Something that is begun at a certain moment, and goes on if nothing holds it up."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=work)

    def begin(self) -> None:
        self._thread.start()
        self._thread.join(LONG_ENOUGH)

    def end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def receive(stores: Stores) -> None:
    list(accept(stores, [Received("a.md", "upload:a.md", "default", BYTES)], BULK))


def test_a_file_that_is_received_while_its_bytes_are_discarded_elsewhere_keeps_them(
    ours: Stores, theirs: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.files.put(BYTES)
    receiving = Beside(lambda: receive(ours))
    discard = theirs.files.discard

    def slowly(digest: str) -> None:
        receiving.begin()
        discard(digest)

    monkeypatch.setattr(theirs.files, "discard", slowly)
    theirs.discard_file(DIGEST)
    receiving.end()
    assert ours.files.get(DIGEST) == BYTES


def test_bytes_whose_job_is_being_written_elsewhere_are_not_discarded(
    ours: Stores, theirs: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarding = Beside(lambda: theirs.discard_file(DIGEST))
    has = ours.files.has

    def discarded_then(digest: str) -> bool:
        is_there = has(digest)
        discarding.begin()
        return is_there

    monkeypatch.setattr(ours.files, "has", discarded_then)
    receive(ours)
    discarding.end()
    assert ours.files.get(DIGEST) == BYTES


def test_a_member_whose_bytes_were_discarded_before_it_was_published_is_stored_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.worker.DELAYS", (0.05,))
    member = b"# One\n\nThe house.\n"
    gate = Gate()
    with open_library(tmp_path / "data", GatedEmbedder(gate)) as library:
        put(folder / "all.zip", packed({"one.md": b"# One\n\nBefore.\n"}))
        library.add(folder)
        put(folder / "all.zip", packed({"one.md": member}))
        adding = Beside(lambda: _added(library, folder))
        adding.begin()
        assert gate.reached.wait(30)
        library.pipeline._stores.discard_file(hashlib.sha256(member).hexdigest())
        gate.opened.set()
        adding.end()
        until(lambda: library.count(JobState.DONE) == 2)
        assert asyncio.run(library.pipeline.check()) == []
        assert library.texts("house") == ["The house."]


def _added(library: Library, folder: Path) -> None:
    with pytest.raises(Exception, match=r"deleted with another document .* It is tried again by itself\."):
        library.add(folder)


def test_on_sqlite_few_vectors_are_deleted_at_once_because_nobody_else_writes_meanwhile(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.pipeline._checking._inspection.queue_orphans("default", [f"stray{number}" for number in range(250)])
    sizes: list[int] = []
    monkeypatch.setattr(library.vectors, "delete", lambda namespace, chunk_ids: sizes.append(len(chunk_ids)))
    collect_garbage(library.store, library.vectors)
    assert sizes == [100, 100, 50]


def test_bytes_that_are_being_published_elsewhere_are_not_discarded(ours: Stores, theirs: Stores) -> None:
    """Those of a file that is no job, e.g. one inside another."""
    theirs.files.put(BYTES)
    discarding = Beside(lambda: theirs.discard_file(DIGEST))

    def has_copy(digest: str) -> bool:
        is_there = ours.files.has(digest)
        discarding.begin()
        return is_there

    now = datetime.now(UTC)
    document = Document("d1", "default", "A", "folder:a.md", DocumentStatus.READY, "text/markdown", DIGEST, 1, now)
    chunk = Chunk("c1", "d1", "s1", 0, "Of two documents.")
    section = Section("s1", "Of two documents.")
    (published,) = ours.documents.publish_all([Publication(document, [section], [chunk])], has_copy)
    discarding.end()
    assert isinstance(published, Document)
    assert ours.files.get(DIGEST) == BYTES


def test_a_container_in_which_something_is_begun_is_removed_after_it_and_with_it(
    ours: Stores, theirs: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    container = Document("container", "default", "A", "folder:a.zip", DocumentStatus.READY, "", DIGEST, 0, now)
    member = replace(container, id="member", source="folder:a.zip!/b.md", status=DocumentStatus.PROCESSING)
    ours.documents.put(container)
    happened: list[str] = []

    def remove() -> None:
        theirs.documents.withdraw("container", NOBODY, "!/")
        happened.append("removed")

    removing = Beside(remove)

    def slowly(*given: Any, **chosen: Any) -> None:
        removing.begin()
        put_record(*given, **chosen)
        happened.append("begun")

    monkeypatch.setattr("core.store.documents.put", slowly)
    ours.documents.put(member, known=["container"])
    removing.end()
    assert happened == ["begun", "removed"]
    assert ours.documents.pending() == []


def test_vectors_are_not_announced_elsewhere_while_they_are_deleted(
    shared: Library, ours: Stores, theirs: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.pipeline._checking._inspection.queue_orphans("default", ["stray"])
    happened: list[str] = []

    def announce() -> None:
        theirs.documents.reserve_vectors({"stray": "default"})
        happened.append("announced")

    announcing = Beside(announce)

    def slowly(namespace: str, chunk_ids: Sequence[str]) -> None:
        announcing.begin()
        # Nor does anybody else delete them, or wait for that.
        collect_garbage(theirs.documents, theirs.vectors)
        happened.append(f"deleted {chunk_ids}")

    monkeypatch.setattr(shared.vectors, "delete", slowly)
    collect_garbage(ours.documents, ours.vectors)
    announcing.end()
    assert happened == ["deleted ['stray']", "announced"]
    assert shared.pipeline._checking._inspection.announced() == {"stray"}

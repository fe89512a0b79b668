"""What goes by itself goes, whatever stands in the way of some of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import StorageFailed
from core.store.schema import document_history, jobs
from ingest.housekeeping import Housekeeping
from tests.ingest.library import Library, open_library, put, until

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
RULE = "# Rules\n\nRule {} of the house.\n"


def housekeeping(library: Library) -> Housekeeping:
    return Housekeeping(library.pipeline._stores, library.settings, threading.Event())


def left_over(library: Library, number: int) -> Path:
    """A copy of long ago that nothing refers to."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    path = put(library.settings.data_dir / "files" / digest[:2] / digest, str(number))
    os.utime(path, (0, 0))
    return path


def removed_long_ago(library: Library, folder: Path) -> None:
    put(folder / "old.md", RULE.format("old"))
    put(folder / "new.md", RULE.format("new"))
    library.add(folder)
    (old,) = (document for document in library.documents() if document.source.endswith("old.md"))
    asyncio.run(library.pipeline.remove(old.id))
    with library.engine.begin() as connection:
        connection.execute(sa.update(document_history).values(at=LONG_AGO))
        connection.execute(sa.update(jobs).values(finished_at=LONG_AGO))


def test_a_copy_that_cannot_be_deleted_holds_up_nothing_else(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed_long_ago(library, folder)
    stuck, *others = (left_over(library, number) for number in range(5))
    discard = library.pipeline._stores.files.discard

    def refuse(digest: str) -> None:
        if digest == stuck.name:
            raise PermissionError(13, "Permission denied")
        discard(digest)

    monkeypatch.setattr(library.pipeline._stores.files, "discard", refuse)
    housekeeping(library).clean_up()
    assert library.all_jobs() == []
    assert asyncio.run(library.pipeline.versions.removed())[1] == 0
    assert stuck.exists()
    assert not any(path.exists() for path in others)
    assert [document.title for document in library.documents()] == ["Rules"]
    assert len(library.stored_files()) == 2


def test_jobs_are_forgotten_even_if_copies_cannot_be_looked_at(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed_long_ago(library, folder)

    def refuse(*given: object) -> None:
        raise StorageFailed("The disk is away.")

    monkeypatch.setattr("ingest.engine.Stores.unused_copies", refuse)
    with pytest.raises(StorageFailed):
        housekeeping(library).clean_up()
    assert library.all_jobs() == []
    assert asyncio.run(library.pipeline.versions.removed())[1] == 0


@pytest.mark.parametrize("error", [StorageFailed("The database is away."), PermissionError(13, "denied")])
def test_after_a_failure_it_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr("ingest.housekeeping.FIRST_SECONDS", 0.02)
    monkeypatch.setattr("ingest.housekeeping.HOUSEKEEPING_SECONDS", 0.02)
    tried = []

    def fail(*given: object) -> None:
        tried.append(given)
        raise error

    monkeypatch.setattr("ingest.housekeeping.Housekeeping.clean_up", fail)
    with open_library(tmp_path / "data") as library:
        library.pipeline.work()
        until(lambda: len(tried) > 2)


def test_it_ends_in_the_middle_of_its_work(library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder / "new.md", RULE.format("new"))
    library.add(folder)
    paths = [left_over(library, number) for number in range(5)]
    closing = threading.Event()
    discard = library.pipeline._stores.files.discard

    def last(digest: str) -> None:
        discard(digest)
        closing.set()

    monkeypatch.setattr(library.pipeline._stores.files, "discard", last)
    Housekeeping(library.pipeline._stores, library.settings, closing).clean_up()
    assert [path.exists() for path in paths].count(True) == 4

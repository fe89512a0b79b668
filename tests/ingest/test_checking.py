"""What the indexes do not agree on is found, told and put right."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from core.store.inspection import Inspection
from core.store.publishing import Publication
from core.store.schema import documents
from core.types import Chunk, Document, DocumentStatus, Finding
from ingest.documents import document_id
from ingest.files import FileStore
from tests.ingest.library import Library, put
from tests.ingest.parse.office import packed


@pytest.fixture
def filled(library: Library, folder: Path) -> Library:
    """Two documents, one of them with readers of its own."""
    put(folder / "one.md", "# One\n\nThe first rule.\n")
    put(folder / "two.md", "# Two\n\nThe second rule.\n")
    library.add(folder)
    return library


def check(library: Library, *, repair: bool = False) -> list[Finding]:
    return asyncio.run(library.pipeline.check(repair=repair))


def in_work(sha256: str = "") -> Document:
    name, source, now = "x", "upload:x", datetime.now(UTC)
    status = DocumentStatus.PROCESSING
    return Document(document_id("default", source), "default", name, source, status, "", sha256, 0, now)


def mend(library: Library) -> dict[str, int]:
    """What was found and put right; afterwards nothing is left."""
    found = check(library, repair=True)
    assert all(finding.is_repaired for finding in found)
    assert check(library) == []
    return {finding.kind: finding.count for finding in found}


def test_what_agrees_is_no_finding(filled: Library) -> None:
    assert check(filled) == []
    assert check(filled, repair=True) == []


def test_vectors_without_a_chunk_go(filled: Library) -> None:
    vectors = filled.vectors.count()
    rows = np.ones((1, filled.embedder.dimension), np.float32)
    filled.vectors.upsert("other", frozenset(), [Chunk("stray", "nobody", "s", 0, "text")], rows)
    filled.vectors.upsert("default", frozenset({"x"}), [Chunk("stray2", "nobody", "s", 0, "text")], rows)
    assert [(finding.kind, finding.count, finding.is_repaired) for finding in check(filled)] == [
        ("orphaned vectors", 2, False)
    ]
    assert filled.vectors.count() == vectors + 2, "only looked at"
    assert mend(filled) == {"orphaned vectors": 2}
    assert filled.vectors.count() == vectors


def test_chunks_without_a_vector_are_embedded_again(filled: Library) -> None:
    (passage,) = filled.store.passages_of(filled.documents()[0].id)
    filled.vectors.delete("default", [passage.chunk_id])
    (finding,) = check(filled)
    assert (finding.kind, finding.count, finding.documents) == ("missing vectors", 1, (passage.document_id,))
    assert mend(filled) == {"missing vectors": 1}
    assert filled.documents()[0].version == 1
    assert passage.chunk_id in {each.chunk_id for each in filled.ask("first rule")}


def test_vectors_that_are_open_to_others_than_their_document_are_made_anew(filled: Library) -> None:
    (passage,) = filled.store.passages_of(filled.documents()[0].id)
    filled.store.put(replace(filled.documents()[0], readers=frozenset({"board"})))
    assert mend(filled) == {"missing vectors": 1}
    existing = filled.vectors.existing("default", frozenset({"board"}), [passage.chunk_id])
    assert existing == {passage.chunk_id}


def test_words_are_made_anew(filled: Library) -> None:
    with filled.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM chunk_words WHERE rowid = (SELECT min(key) FROM chunks)"))
        connection.execute(
            sa.text("INSERT INTO chunk_words (rowid, title, headings, body) VALUES (999, 'x', 'y', 'z')")
        )
    assert mend(filled) == {"missing words": 1, "orphaned words": 1}
    assert len(filled.words("rule")) == 2


def test_a_wrong_count_is_put_right(filled: Library) -> None:
    with filled.engine.begin() as connection:
        connection.execute(sa.update(documents).values(chunks=7))
    assert mend(filled) == {"wrong count": 2}
    assert [document.chunks for document in filled.documents()] == [1, 1]


def test_a_document_that_nobody_works_on_says_so(filled: Library) -> None:
    stuck = in_work()
    filled.store.put(stuck)
    assert mend(filled) == {"left in work": 1}
    assert filled.store.get(stuck.id).status is DocumentStatus.FAILED


def test_a_lost_copy_is_told_with_what_to_do(filled: Library) -> None:
    for copy in filled.stored_files():
        copy.unlink()
    (finding,) = check(filled, repair=True)
    assert (finding.kind, finding.count, finding.is_repaired) == ("missing copy", 2, False)
    assert "Add these documents again." in finding.remedy


def test_copies_that_nothing_refers_to_go(filled: Library) -> None:
    stray = put(filled.settings.data_dir / "files" / "ab" / ("ab" * 32), b"nobody's")
    os.utime(stray, (0, 0))
    assert mend(filled) == {"unused copies": 1}
    assert not stray.exists()
    assert len(filled.stored_files()) == 2


def test_a_copy_in_a_wrong_folder_is_brought_to_its_place(filled: Library) -> None:
    copy, _ = filled.stored_files()
    elsewhere = copy.parents[1] / "zz" / copy.name
    elsewhere.parent.mkdir()
    copy.rename(elsewhere)
    assert [finding.kind for finding in check(filled)] == ["misplaced copies", "missing copy"]
    assert mend(filled) == {"misplaced copies": 1}
    assert (copy.exists(), elsewhere.exists()) == (True, False)


def test_one_that_cannot_be_brought_there_is_told_by_its_place(filled: Library) -> None:
    misplaced = put(filled.settings.data_dir / "files" / "zz" / ("ab" * 32), b"Other bytes.")
    (finding,) = check(filled, repair=True)
    assert (finding.kind, finding.is_repaired) == ("misplaced copies", False)
    assert str(misplaced) in finding.remedy
    assert misplaced.exists()


def test_what_was_never_finished_goes(filled: Library) -> None:
    unfinished = put(filled.settings.data_dir / "files" / "ab" / f"{'ab' * 32}.1.tmp", b"Half")
    assert check(filled) == [], "somebody may be writing it"
    os.utime(unfinished, (0, 0))
    assert mend(filled) == {"unfinished copies": 1}
    assert not unfinished.exists()


def test_files_that_are_no_copies_are_told_by_name_and_stay(filled: Library) -> None:
    foreign = [put(filled.settings.data_dir / "files" / f"{number}.txt", b"By hand.") for number in range(7)]
    (finding,) = check(filled, repair=True)
    assert (finding.kind, finding.count, finding.is_repaired) == ("stray files", 7, False)
    assert str(foreign[0].parent) in finding.remedy
    assert finding.remedy.endswith("and 2 more")
    assert all(path.exists() for path in foreign)


def test_one_that_cannot_be_made_anew_does_not_hold_up_the_others(filled: Library) -> None:
    first, second = filled.documents()
    for each in (first, second):
        filled.vectors.delete("default", [passage.chunk_id for passage in filled.store.passages_of(each.id)])
    FileStore(filled.settings.data_dir / "files").discard(min(first, second, key=lambda each: each.id).sha256)
    (finding, *_) = check(filled, repair=True)
    assert (finding.kind, finding.count, finding.is_repaired) == ("missing vectors", 2, False)
    assert "Add these documents again." in finding.remedy
    assert filled.vectors.count() > 0, "the other one has its vectors again"


class TestMeanwhile:
    """Files come in, and are published, while all is looked at."""

    def test_a_copy_that_was_just_stored_stays(self, filled: Library) -> None:
        """As of a file whose job is not written yet."""
        files = FileStore(filled.settings.data_dir / "files")
        digest = files.put(b"Of an upload.")
        assert check(filled, repair=True) == []
        assert files.has(digest)
        for copy in filled.stored_files():
            os.utime(copy, (0, 0))
        files.put(b"Of an upload.")
        assert check(filled, repair=True) == [], "it was there from an earlier time, and came again"

    def test_a_copy_that_came_into_use_stays(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        files = FileStore(library.settings.data_dir / "files")
        digest = files.put(b"Of an upload.")
        for copy in library.stored_files():
            os.utime(copy, (0, 0))
        unused = library.pipeline._stores.files.unused

        def received_now(used: set[str], before: datetime) -> list[str]:
            found = unused(used, before)
            library.store.put(in_work(digest))
            return found

        monkeypatch.setattr(library.pipeline._stores.files, "unused", received_now)
        check(library, repair=True)
        assert files.has(digest)

    def test_what_is_about_to_be_published_stays(
        self, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found: list[list[Finding]] = []
        publish = library.store.publish_all

        def look_first(wanted: Sequence[Publication], *given: Any) -> Any:
            found.append(library.pipeline._checking.run(repair=True))
            return publish(wanted, *given)

        monkeypatch.setattr(library.store, "publish_all", look_first)
        path = put(folder / "rules.zip", packed({"one.md": b"# One\n\nThe first rule.\n", "two.md": b"The second.\n"}))
        asyncio.run(library.pipeline.add_file(path.name, path, "default"))
        assert found
        assert not any(found)
        assert check(library) == []
        assert len(library.words("rule")) == 1

    def test_orphans_that_somebody_announced_meanwhile_stay(
        self, filled: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = np.ones((1, filled.embedder.dimension), np.float32)
        filled.vectors.upsert("default", frozenset(), [Chunk("stray", "nobody", "s", 0, "text")], rows)
        chunk_ids = Inspection.chunk_ids

        def announced_now(inspection: Inspection) -> Iterator[tuple[str, list[str]]]:
            yield from chunk_ids(inspection)
            filled.store.reserve_vectors({"stray": "default"})

        monkeypatch.setattr(Inspection, "chunk_ids", announced_now)
        vectors = filled.vectors.count()
        check(filled, repair=True)
        assert filled.vectors.count() == vectors

    def test_documents_that_are_removed_are_passed_over(self, filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        chunk_ids = Inspection.chunk_ids

        def removed_now(inspection: Inspection) -> Iterator[tuple[str, list[str]]]:
            listed = list(chunk_ids(inspection))
            asyncio.run(filled.pipeline.remove(listed[0][0]))
            yield from listed

        monkeypatch.setattr(Inspection, "chunk_ids", removed_now)
        assert filled.pipeline._checking.run(repair=False) == []

    def test_a_document_whose_job_ends_is_not_interrupted(
        self, filled: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = [replace(document, status=DocumentStatus.PROCESSING) for document in filled.documents()]
        monkeypatch.setattr(filled.store, "pending", lambda: before)
        assert check(filled, repair=True) == []
        assert {document.status for document in filled.documents()} == {DocumentStatus.READY}

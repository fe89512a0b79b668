"""From files to what is found: added, skipped, replaced, removed, refused, and never half."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.errors import InvalidRequest, NotFound, TooLarge, UnreadableDocument
from core.types import ChangeKind, DocumentChange, DocumentStatus, ParsedDocument
from ingest.parse.process import ParserProcess
from ingest.received import Received
from tests.ingest.library import Library, put, until
from tests.pdf import PdfPage, make_pdf

VACATION = "# Vacation\n\nYou accrue 25 days of vacation each year.\n"
TRAVEL = "# Travel\n\nBook the train, not the plane.\n"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed."""
    names: list[str] = []
    original = ParserProcess.parse

    def recorded(self: ParserProcess, data: bytes, name: str) -> ParsedDocument:
        names.append(name)
        return original(self, data, name)

    monkeypatch.setattr(ParserProcess, "parse", recorded)
    return names


class TestAdding:
    def test_a_folder_becomes_searchable_with_its_headings(self, library: Library, folder: Path) -> None:
        put(folder / "hr" / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        assert library.kinds(folder) == {"hr/vacation.md": "added", "travel.md": "added"}
        (best, *_) = library.ask("How many days of vacation?")
        assert best.text == "You accrue 25 days of vacation each year."
        assert (best.title, best.dense is not None, best.lexical is not None) == ("Vacation", True, True)

    def test_a_pdf_keeps_its_pages(self, library: Library, folder: Path) -> None:
        put(folder / "handbook.pdf", make_pdf(["Welcome to the company.", "You accrue 25 days of vacation."]))
        library.add(folder)
        assert library.ask("days of vacation")[0].locator == "page 2"
        assert library.documents()[0].pages == 2

    def test_the_record_says_what_is_there(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        document = library.add(folder)["vacation.md"].document
        assert document == library.documents()[0]
        assert document is not None
        assert (document.status, document.source, document.media_type, document.size_bytes, document.chunks) == (
            DocumentStatus.READY,
            path.as_uri(),
            "text/markdown",
            len(VACATION),
            1,
        )
        assert [stored.read_text() for stored in library.stored_files()] == [VACATION]

    def test_the_same_file_in_two_namespaces_is_two_documents(self, library: Library, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        library.add(folder)
        assert library.add(folder, namespace="hr")["vacation.md"].kind is ChangeKind.ADDED
        assert len({document.id for document in library.documents()}) == 2

    def test_progress_counts_every_file_once(self, library: Library, folder: Path) -> None:
        for name in ("a.md", "b.md", "c.pdf"):
            put(folder / name, VACATION)
        seen: list[tuple[int, int]] = []
        work = library.pipeline.add_paths([folder], "default", lambda change, done, total: seen.append((done, total)))

        async def run() -> None:
            await work
            await asyncio.sleep(0)

        asyncio.run(run())
        assert seen == [(1, 3), (2, 3), (3, 3)]

    def test_no_process_is_left_after_a_run(self, library: Library, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        library.add(folder)
        until(lambda: not library.is_reading())


class TestUnchanged:
    def test_an_unchanged_file_is_neither_parsed_nor_embedded_again(
        self, library: Library, folder: Path, parsed: list[str]
    ) -> None:
        put(folder / "vacation.md", VACATION)
        library.add(folder)
        parsed.clear()
        library.embedder.embedded.clear()
        assert library.kinds(folder) == {"vacation.md": "unchanged"}
        assert (parsed, library.embedder.embedded) == ([], [])

    def test_only_the_changed_part_is_embedded_again(self, library: Library, folder: Path) -> None:
        path = put(folder / "hr.md", VACATION + "\n" + TRAVEL)
        library.add(folder)
        library.embedder.embedded.clear()
        put(path, VACATION + "\n" + TRAVEL.replace("train", "bus"))
        assert library.kinds(folder) == {"hr.md": "replaced"}
        assert not any("25 days" in text for text in library.embedder.embedded)
        assert any("Book the bus" in text for text in library.embedder.embedded)

    def test_the_same_document_twice_in_one_go_is_added_once(self, library: Library) -> None:
        received = Received("a.md", "test:a", "default", VACATION.encode())
        changed = Received("a.md", "test:a", "default", (VACATION + "\n" + TRAVEL).encode())
        changes = asyncio.run(library.pipeline.add_received([received, received, changed]))
        assert [change.kind for change in changes] == [ChangeKind.ADDED, ChangeKind.UNCHANGED, ChangeKind.REPLACED]

    def test_other_readers_are_a_change(self, library: Library) -> None:
        received = Received("a.md", "test:a", "default", VACATION.encode())
        (first,) = asyncio.run(library.pipeline.add_received([received]))
        closed = Received("a.md", "test:a", "default", VACATION.encode(), frozenset({"U1"}))
        (second,) = asyncio.run(library.pipeline.add_received([closed]))
        assert (first.kind, second.kind) == (ChangeKind.ADDED, ChangeKind.REPLACED)
        assert library.texts("vacation days") == []


class TestReplacing:
    def test_the_new_version_takes_the_place_of_the_old_in_both_indexes(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        library.add(folder)
        before = library.vectors.count()
        put(path, VACATION.replace("25 days", "30 days"))
        assert library.kinds(folder) == {"vacation.md": "replaced"}
        assert library.texts("vacation days") == ["You accrue 30 days of vacation each year."]
        assert library.words("25") == []
        assert library.vectors.count() == before
        assert len(library.stored_files()) == 2, "the old version can be brought back"

    def test_an_upload_leaves_nothing_of_the_version_before(self, library: Library, tmp_path: Path) -> None:
        path = put(tmp_path / "spooled", VACATION)
        asyncio.run(library.pipeline.add_file("vacation.md", path, "default"))
        before = library.vectors.count()
        put(path, VACATION.replace("25 days", "30 days"))
        change = asyncio.run(library.pipeline.add_file("vacation.md", path, "default"))
        assert change.kind is ChangeKind.REPLACED
        assert library.vectors.count() == before

    def test_whoever_asks_meanwhile_finds_one_version_and_only_one(self, library: Library, folder: Path) -> None:
        versions = ["red apples grow in the northern valley", "blue boats sail along the southern coast"]
        path = folder / "vacation.md"

        def write(number: int) -> None:
            parts = (f"# Part {part}\n\nVacation {part}: {versions[number % 2]}.\n" for part in range(3))
            put(path, "\n".join(parts))

        write(0)
        library.add(folder)
        found: list[list[str]] = []
        is_over = threading.Event()

        async def ask_on_and_on() -> None:
            while not is_over.is_set():
                found.append([passage.text for passage in await library.retrieve("vacation")])

        asker = threading.Thread(target=lambda: asyncio.run(ask_on_and_on()))
        asker.start()
        for number in range(1, 16):
            write(number)
            assert library.kinds(folder) == {"vacation.md": "replaced"}
        is_over.set()
        asker.join()
        told = [{version for version in versions for text in texts if version in text} for texts in found]
        assert len(found) > 15
        assert {len(texts) for texts in found} == {3}
        assert {len(each) for each in told} == {1}
        assert set.union(*told) == set(versions)

    def test_a_new_version_that_cannot_be_read_leaves_the_old_one(self, library: Library, folder: Path) -> None:
        path = put(folder / "handbook.pdf", make_pdf(["You accrue 25 days of vacation."]))
        library.add(folder)
        put(path, b"%PDF-1.4 and then nothing")
        change = library.add(folder)["handbook.pdf"]
        assert change.kind is ChangeKind.FAILED
        assert change.message is not None
        assert change.message.endswith("The previous version still answers.")
        assert library.texts("days of vacation") == ["You accrue 25 days of vacation."]
        (document,) = library.documents()
        assert (document.status, document.error, document.chunks) == (DocumentStatus.READY, change.message, 1)

    def test_the_old_version_that_comes_back_is_ready_without_an_error(self, library: Library, folder: Path) -> None:
        good = make_pdf(["You accrue 25 days of vacation."])
        path = put(folder / "handbook.pdf", good)
        library.add(folder)
        put(path, b"%PDF-1.4 and then nothing")
        library.add(folder)
        put(path, good)
        library.add(folder)
        assert library.documents()[0].error is None


class TestRefusing:
    def test_one_bad_file_fails_alone(self, library: Library, folder: Path) -> None:
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        put(folder / "good.md", VACATION)
        assert library.kinds(folder) == {"bad.pdf": "failed", "good.md": "added"}
        failed = next(document for document in library.documents() if document.status is DocumentStatus.FAILED)
        assert failed.error == "The file is damaged or not a valid PDF."

    def test_the_log_keeps_what_the_person_is_not_told(self, library: Library, folder: Path) -> None:
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        with capture_logs() as logged:
            library.add(folder)
        (failure,) = (each for each in logged if each["event"] == "a document failed")
        assert failure["log_level"] == "info"
        (reason,) = (each for each in logged if each["event"] == "why it failed")
        assert reason["log_level"] == "debug"
        assert "Traceback" in str(reason["exc_info"])

    def test_a_namespace_that_nobody_could_ask_in_is_refused(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        with pytest.raises(InvalidRequest, match="'HR docs' is not"):
            asyncio.run(library.pipeline.add_paths([folder], "HR docs"))
        with pytest.raises(InvalidRequest, match="'HR docs' is not"):
            asyncio.run(library.pipeline.add_file("vacation.md", path, "HR docs"))
        assert library.documents() == []

    def test_a_scan_fails_and_says_that_it_has_no_text_layer(self, library: Library, folder: Path) -> None:
        put(folder / "scan.pdf", make_pdf([PdfPage(has_drawing=True)]))
        change = library.add(folder)["scan.pdf"]
        assert change.kind is ChangeKind.FAILED
        assert change.message is not None
        assert "no text layer" in change.message
        assert "(OCR)" in change.message

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("moved.md", "---\ntitle: Moved\nredirect_to: /new/\n---\n"),
            ("moved.html", "<html><head><meta http-equiv=refresh content='0; url=/new'></head><body></body></html>"),
            ("heading.md", "# Only a heading\n"),
            ("blank.txt", " \n\n"),
            ("empty.md", ""),
        ],
    )
    def test_a_text_without_text_is_skipped_in_a_folder(
        self, library: Library, folder: Path, name: str, text: str
    ) -> None:
        put(folder / name, text)
        change = library.add(folder)[name]
        assert change.kind is ChangeKind.SKIPPED
        assert change.message in {"There is no text in this file.", "The file is empty."}
        assert library.documents() == []
        assert library.add(folder / name)[name].kind is ChangeKind.FAILED

    def test_an_empty_pdf_in_a_folder_is_a_failure(self, library: Library, folder: Path) -> None:
        put(folder / "handbook.pdf", b"")
        assert library.kinds(folder) == {"handbook.pdf": "failed"}

    def test_a_page_that_became_empty_is_removed_with_pruning_only(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        library.add(folder)
        put(path, "---\nredirect_to: /new/\n---\n")
        assert library.kinds(folder, prune=False) == {"vacation.md": "skipped", "travel.md": "unchanged"}
        assert library.texts("vacation days")[0] == "You accrue 25 days of vacation each year."
        assert library.kinds(folder) == {"vacation.md": "skipped", "travel.md": "unchanged", "Vacation": "removed"}
        assert library.texts("vacation") == ["Book the train, not the plane."]

    def test_a_file_over_the_limit_is_refused_with_both_sizes(self, library: Library, folder: Path) -> None:
        path = folder / "huge.txt"
        with path.open("wb") as file:
            file.truncate(2 * 2**30)
        change = library.add(folder)["huge.txt"]
        assert (change.kind, change.code) == (ChangeKind.FAILED, TooLarge.code)
        assert change.message == "The file has 2,048 MB; the limit is 100 MB (server.max_upload_mb)."

    def test_an_upload_that_cannot_be_opened_is_an_error(self, library: Library, tmp_path: Path) -> None:
        with pytest.raises(UnreadableDocument, match="no such file"):
            asyncio.run(library.pipeline.add_file("a.md", tmp_path / "gone", "default"))


class TestRemoving:
    def test_a_removed_document_is_gone_from_everywhere(self, library: Library, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        library.add(folder)
        removed = asyncio.run(library.pipeline.remove(library.documents()[0].id[:8]))
        assert removed.title == "Vacation"
        assert (library.documents(), library.texts("vacation"), library.words("vacation")) == ([], [], [])
        assert library.vectors.count() == 0
        assert len(library.stored_files()) == 1, "it can be brought back"

    def test_a_copy_that_another_document_uses_stays(self, library: Library, folder: Path) -> None:
        put(folder / "a.md", VACATION)
        put(folder / "b.md", VACATION)
        library.add(folder)
        asyncio.run(library.pipeline.remove(library.documents()[0].id))
        assert len(library.stored_files()) == 1

    def test_an_unknown_document_cannot_be_removed(self, library: Library) -> None:
        with pytest.raises(NotFound):
            asyncio.run(library.pipeline.remove("0123456789"))


class TestPruning:
    def test_a_file_that_is_gone_from_its_folder_is_removed(self, library: Library, folder: Path) -> None:
        path = put(folder / "sub" / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        library.add(folder)
        path.unlink()
        assert library.kinds(folder) == {"travel.md": "unchanged", "Vacation": "removed"}
        assert library.words("vacation") == []

    def test_missing_files_can_be_kept(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        library.add(folder)
        path.unlink()
        assert library.kinds(folder, prune=False) == {"travel.md": "unchanged"}
        assert library.words("vacation") != []

    def test_only_documents_of_the_given_folder_are_looked_at(self, library: Library, folder: Path) -> None:
        outside = put(folder.parent / "docs-old" / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        library.add(outside)
        outside.unlink()
        assert library.kinds(folder) == {"travel.md": "added"}
        assert library.kinds(folder / "travel.md") == {"travel.md": "unchanged"}
        assert library.words("vacation") != []

    def test_a_folder_without_any_file_removes_nothing(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        library.add(folder)
        path.unlink()
        assert library.kinds(folder) == {}
        assert library.words("vacation") != []

    def test_below_a_folder_that_cannot_be_listed_nothing_is_removed(
        self, library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder / "sub" / "vacation.md", VACATION)
        put(folder / "travel.md", TRAVEL)
        library.add(folder)
        scandir = os.scandir

        def refuse(path: Path) -> object:
            if path == folder / "sub":
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr("ingest.sources.files.os.scandir", refuse)
        changes = library.add(folder)
        assert {name: change.kind.value for name, change in changes.items()} == {
            "sub": "failed",
            "travel.md": "unchanged",
        }
        assert changes["sub"].message == f"{folder / 'sub'} cannot be read: permission denied."
        assert library.words("vacation") != []


class TestReindexing:
    def test_everything_is_embedded_again_from_the_stored_copies(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", VACATION)
        library.add(folder)
        path.unlink()
        library.embedder.embedded.clear()
        (change,) = asyncio.run(library.pipeline.reindex())
        assert change.kind is ChangeKind.REPLACED
        assert any("25 days" in text for text in library.embedder.embedded)
        assert library.texts("vacation days") == ["You accrue 25 days of vacation each year."]

    def test_documents_keep_their_titles_and_passages(self, library: Library, folder: Path) -> None:
        for name in ("it/index.md", "index.md", "leave policy.txt", "hr/50% rule.html", "über_uns.txt"):
            put(folder / name, "By train, not by plane.\n")
        library.add(folder)
        library.add(put(folder.parent / "named" / "readme.txt", "A file that was named itself.\n"))
        upload = put(folder.parent / "spooled", "An upload.\n")
        asyncio.run(library.pipeline.add_file("plan 100%25.txt", upload, "default"))

        def state() -> list[tuple[str, list[str]]]:
            documents = library.documents()
            return [(each.title, [part.chunk_id for part in library.store.passages_of(each.id)]) for each in documents]

        before = state()
        assert set(dict(before)) == {
            *("It", "Index", "Leave policy", "50% rule", "Über uns", "Readme", "Plan 100%25"),
        }
        changes = asyncio.run(library.pipeline.reindex())
        assert {change.kind for change in changes} == {ChangeKind.REPLACED}
        assert {"leave policy.txt", "plan 100%25.txt"} <= {change.name for change in changes}
        assert state() == before

    def test_what_could_never_be_read_is_left_alone(self, library: Library, folder: Path) -> None:
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        put(folder / "vacation.md", VACATION)
        failed = library.add(folder)["bad.pdf"].document
        seen: list[tuple[int, int]] = []

        async def run() -> list[DocumentChange]:
            changes = await library.pipeline.reindex(lambda change, done, total: seen.append((done, total)))
            await asyncio.sleep(0)
            return changes

        assert [change.kind for change in asyncio.run(run())] == [ChangeKind.REPLACED]
        assert seen == [(1, 1)]
        assert failed in library.documents()

    def test_a_document_whose_copy_is_gone_says_so(self, library: Library, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        library.add(folder)
        library.stored_files()[0].unlink()
        (change,) = asyncio.run(library.pipeline.reindex())
        assert (change.kind, change.message) == (
            ChangeKind.FAILED,
            "Its stored copy is gone. Add the document again.",
        )
        assert library.kinds(folder) == {"vacation.md": "replaced"}

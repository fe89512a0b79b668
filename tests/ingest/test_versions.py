"""What a document was before: told, brought back, removed for a while, and erased for good."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from core.errors import InvalidRequest, NotFound
from core.settings_documents import History
from core.types import ChangeKind, DocumentChange, HistoryEvent, Origin
from ingest.received import Received
from tests.ingest.library import Library, open_library, put

ADA, BEN = Origin("slack", "U1"), Origin("discord", "2")
T = TypeVar("T")


def archive(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as whole:
        for name, text in members.items():
            whole.writestr(name, text)
    return stream.getvalue()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def send(library: Library, folder: Path, text: str, origin: Origin = ADA) -> DocumentChange:
    path = put(folder / "rules.md", f"# Rules\n\n{text}\n")
    return run(library.pipeline.add_file("rules.md", path, "default", origin=origin))


def only(library: Library) -> str:
    """The id of the only document."""
    (document,) = library.documents()
    return document.id


class TestHistory:
    def test_who_brought_which_version_when_and_from_where(self, library: Library, folder: Path) -> None:
        for text, origin in (("First.", ADA), ("Second.", BEN), ("Second.", ADA)):
            send(library, folder, text, origin)
        entries = run(library.pipeline.versions.history(only(library)))
        assert [(entry.version, entry.event, entry.origin) for entry in entries] == [
            (2, HistoryEvent.REPLACED, BEN),
            (1, HistoryEvent.ADDED, ADA),
        ]
        assert library.documents()[0].version == 2
        assert [passage.version for passage in library.ask("rules")] == [2]

    def test_a_document_that_never_answered_says_so(self, library: Library, folder: Path) -> None:
        bad = put(folder / "bad.pdf", b"%PDF-1.7 and nothing more")
        run(library.pipeline.add_file("bad.pdf", bad, "default"))
        for call in (library.pipeline.versions.history, library.pipeline.versions.restore):
            with pytest.raises(InvalidRequest, match=r"No version of bad\.pdf was finished so far: "):
                run(call(only(library)))

    def test_of_another_namespace_nothing_is_told(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        for call in (library.pipeline.versions.history, library.pipeline.versions.purge):
            with pytest.raises(NotFound):
                run(call(only(library), frozenset({"other"})))
        with pytest.raises(NotFound):
            run(library.pipeline.versions.restore(only(library), within=frozenset({"other"})))


class TestRollingBack:
    def test_the_version_before_comes_back_as_a_new_one(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        send(library, folder, "Second.")
        change = run(library.pipeline.versions.restore(only(library), origin=BEN))
        assert change.kind is ChangeKind.REPLACED
        assert library.texts("rules") == ["First."]
        latest = run(library.pipeline.versions.history(only(library)))[0]
        assert (latest.version, latest.event, latest.of_version, latest.origin) == (
            3,
            HistoryEvent.ROLLED_BACK,
            1,
            BEN,
        )

    def test_a_chosen_one_comes_back(self, library: Library, folder: Path) -> None:
        for text in ("First.", "Second.", "Third."):
            send(library, folder, text)
        run(library.pipeline.versions.restore(only(library), 1))
        assert library.texts("rules") == ["First."]

    @pytest.mark.parametrize(
        ("version", "why"), [(9, "has no version 9"), (2, "is what answers now"), (1, "is not kept any more")]
    )
    def test_what_cannot_come_back_is_told(self, tmp_path: Path, folder: Path, version: int, why: str) -> None:
        with open_library(tmp_path / "data", history=History(keep_versions=1)) as library:
            send(library, folder, "First.")
            send(library, folder, "Second.")
            assert len(library.stored_files()) == 1
            with pytest.raises(InvalidRequest, match=why):
                run(library.pipeline.versions.restore(only(library), version))
            assert library.texts("rules") == ["Second."]

    def test_a_document_of_one_version_has_none_before_it(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        with pytest.raises(InvalidRequest, match="no other version"):
            run(library.pipeline.versions.restore(only(library)))

    def test_an_old_version_is_open_to_nobody_else(self, library: Library, folder: Path) -> None:
        send(library, folder, "Open to all.")
        data = b"# Rules\n\nFor the board.\n"
        document = library.documents()[0]
        closed = Received("rules.md", document.source, "default", data, frozenset({"board"}))
        run(library.pipeline.add_received([closed]))
        run(library.pipeline.versions.restore(document.id, 1))
        assert library.documents()[0].readers == frozenset({"board"})
        assert library.texts("open to all") == []


class TestRemoving:
    def test_a_removed_document_answers_no_more_and_can_come_back(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        document = library.documents()[0]
        run(library.pipeline.remove(document.id, origin=BEN))
        assert (library.documents(), library.texts("rules"), library.vectors.count()) == ([], [], 0)
        removed, total = run(library.pipeline.versions.removed())
        assert ([(entry.title, entry.origin) for entry in removed], total) == ([("Rules", BEN)], 1)
        assert run(library.pipeline.versions.restore(document.id)).kind is ChangeKind.ADDED
        assert library.texts("rules") == ["First."]
        assert library.documents()[0] == replace(document, version=2, updated_at=library.documents()[0].updated_at)

    def test_it_comes_back_to_those_who_could_read_it(self, library: Library) -> None:
        closed = Received("rules.md", "upload:rules.md", "default", b"For the board.\n", frozenset({"board"}))
        run(library.pipeline.add_received([closed]))
        document_id = only(library)
        run(library.pipeline.remove(document_id))
        run(library.pipeline.versions.restore(document_id))
        assert library.documents()[0].readers == frozenset({"board"})

    def test_what_is_purged_is_gone_for_good(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        send(library, folder, "Second.")
        document_id = only(library)
        assert run(library.pipeline.versions.purge(document_id)).title == "Rules"
        assert (library.documents(), library.stored_files(), library.vectors.count()) == ([], [], 0)
        assert library.all_jobs() == []
        for call in (library.pipeline.versions.history, library.pipeline.versions.purge):
            with pytest.raises(NotFound):
                run(call(document_id))

    def test_an_archive_is_purged_with_what_lay_in_it(self, library: Library, folder: Path) -> None:
        (folder / "all.zip").write_bytes(archive({"one.md": "# One\n\nFirst.\n", "two.md": "# Two\n\nSecond.\n"}))
        run(library.pipeline.add_file("all.zip", folder / "all.zip", "default"))
        whole = next(each for each in library.documents() if each.source == "upload:all.zip")
        run(library.pipeline.versions.purge(whole.id))
        assert (library.documents(), library.stored_files(), library.vectors.count()) == ([], [], 0)
        assert run(library.pipeline.versions.removed()) == ([], 0)

    def test_what_could_never_be_read_is_purged_too(self, library: Library, folder: Path) -> None:
        bad = put(folder / "bad.pdf", b"%PDF-1.7 and nothing more")
        run(library.pipeline.add_file("bad.pdf", bad, "default"))
        run(library.pipeline.versions.purge(only(library)))
        assert (library.documents(), library.stored_files(), library.all_jobs()) == ([], [], [])

    def test_where_nothing_is_kept_it_is_erased_at_once(self, tmp_path: Path, folder: Path) -> None:
        with open_library(tmp_path / "data", history=History(keep_removed_days=0)) as library:
            send(library, folder, "First.")
            run(library.pipeline.remove(only(library)))
            assert library.stored_files() == []
            assert run(library.pipeline.versions.removed()) == ([], 0)

    def test_bytes_that_another_document_has_stay(self, library: Library, folder: Path) -> None:
        send(library, folder, "First.")
        run(library.pipeline.add_file("copy.md", folder / "rules.md", "default"))
        first = next(each for each in library.documents() if each.source == "upload:rules.md")
        run(library.pipeline.versions.purge(first.id))
        assert len(library.stored_files()) == 1
        run(library.pipeline.reindex())
        assert library.texts("rules") == ["First."]

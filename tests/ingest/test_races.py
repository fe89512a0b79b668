"""A removal, a purge or a cancellation while the document is worked on: what was decided last is how it ends."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import LorekeeperError, UnreadableDocument
from core.ports import Vectors
from core.settings_documents import History
from core.types import DocumentChange, ParsedDocument
from ingest.parse.process import ParserProcess
from ingest.received import Received
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put, until

WAIT = 30.0


class Gate:
    """Holds up whoever comes through."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.opened.wait(WAIT)


class GatedEmbedder(WordEmbedder):
    """Holds up texts about houses."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def embed(self, texts: Sequence[str]) -> Vectors:
        if any("house" in text for text in texts):
            self._gate.pass_through()
        return super().embed(texts)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def send(library: Library, path: Path) -> DocumentChange:
    return asyncio.run(library.pipeline.add_file(path.name, path, "default"))


def ended(work: Future[DocumentChange]) -> None:
    """Whatever is told of it."""
    try:
        work.result(WAIT)
    except LorekeeperError:
        return


def archive(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as whole:
        for name, text in members.items():
            whole.writestr(name, text)
    return stream.getvalue()


def sources(library: Library) -> set[str]:
    return {document.source.removeprefix("upload:") for document in library.documents()}


def held_parser(monkeypatch: pytest.MonkeyPatch, gate: Gate, error: Exception | None = None) -> None:
    """Files about houses take their time to be read, and may fail then."""
    parse: Callable[[ParserProcess, bytes, str], ParsedDocument] = ParserProcess.parse

    def slow(parser: ParserProcess, data: bytes, name: str) -> ParsedDocument:
        if b"house" in data:
            gate.pass_through()
            if error is not None:
                raise error
        return parse(parser, data, name)

    monkeypatch.setattr(ParserProcess, "parse", slow)


def test_a_new_archive_that_is_cancelled_leaves_the_old_one_whole(
    tmp_path: Path, gate: Gate, beside: ThreadPoolExecutor
) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(archive({"one.md": "# One\n\nFirst.\n", "two.md": "# Two\n\nSecond.\n"}))
    with open_library(tmp_path / "data", GatedEmbedder(gate)) as library:
        send(library, path)
        path.write_bytes(archive({"one.md": "# One\n\nFirst.\n", "three.md": "# Three\n\nThe house.\n"}))
        work = beside.submit(send, library, path)
        assert gate.reached.wait(WAIT)
        (job,) = (job for job in library.all_jobs() if not job.state.is_end)
        asyncio.run(library.pipeline.jobs.cancel(job.id))
        gate.opened.set()
        ended(work)
        until(lambda: sources(library) == {"all.zip", "all.zip!/one.md", "all.zip!/two.md"})
        assert library.texts("second") == ["Second.", "First."]


def test_a_new_archive_takes_away_what_it_does_not_hold_any_more(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with open_library(tmp_path / "data") as library:
        for members in (
            {"one.md": "# One\n\nFirst.\n", "two.md": "# Two\n\nSecond.\n"},
            {"one.md": "# One\n\nFirst.\n"},
        ):
            path.write_bytes(archive(members))
            change = send(library, path)
        assert sources(library) == {"all.zip", "all.zip!/one.md"}
        assert [each.kind.value for each in library.all_jobs()[0].changes] == [
            "unchanged",
            "removed",
            change.kind.value,
        ]


def test_what_fails_after_it_was_purged_stays_away(
    tmp_path: Path, gate: Gate, beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_parser(monkeypatch, gate, UnreadableDocument("It is broken."))
    with open_library(tmp_path / "data") as library:
        send(library, put(tmp_path / "a.md", "# A\n\nFirst.\n"))
        (document,) = library.documents()
        work = beside.submit(send, library, put(tmp_path / "a.md", "# A\n\nThe house.\n"))
        assert gate.reached.wait(WAIT)
        asyncio.run(library.pipeline.versions.purge(document.id))
        gate.opened.set()
        ended(work)
        until(lambda: not library.is_reading())
        assert (library.documents(), library.stored_files()) == ([], [])


def test_of_what_is_purged_while_it_is_read_no_bytes_are_left(
    tmp_path: Path, gate: Gate, beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_parser(monkeypatch, gate)
    with open_library(tmp_path / "data") as library:
        work = beside.submit(send, library, put(tmp_path / "a.md", "# A\n\nThe house.\n"))
        assert gate.reached.wait(WAIT)
        asyncio.run(library.pipeline.versions.purge(library.documents()[0].id))
        gate.opened.set()
        ended(work)
        until(lambda: not library.is_reading())
        until(lambda: (library.documents(), library.stored_files()) == ([], []))


def test_a_document_that_is_purged_before_its_turn_is_not_indexed_anew(
    tmp_path: Path, gate: Gate, beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.indexing.BATCH_CHUNKS", 1)
    with open_library(tmp_path / "data", GatedEmbedder(gate)) as library:
        gate.opened.set()
        for number in range(7):
            send(library, put(tmp_path / f"{number}.md", f"# Doc {number}\n\nThe house {number}.\n"))
        gate.opened.clear()
        gate.reached.clear()
        work = beside.submit(lambda: asyncio.run(library.pipeline.reindex()))
        assert gate.reached.wait(WAIT)
        time.sleep(0.3)
        asyncio.run(library.pipeline.versions.purge(library.documents()[-1].id))
        gate.opened.set()
        work.result(WAIT)
        assert {document.status.value for document in library.documents()} == {"ready"}
        assert len(library.documents()) == 6


def test_an_archive_whose_removal_was_cut_short_is_purged_whole(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(archive({"one.md": "# One\n\nFirst.\n", "two.md": "# Two\n\nSecond.\n"}))
    with open_library(tmp_path / "data") as library:
        send(library, path)
        whole = next(each for each in library.documents() if each.source == "upload:all.zip")
        library.store.withdraw(whole.id)
        asyncio.run(library.pipeline.versions.purge(whole.id))
        assert (library.documents(), library.stored_files(), library.texts("second")) == ([], [], [])


def test_where_nothing_is_kept_members_and_pruned_files_are_erased_too(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(archive({"one.md": "# One\n\nFirst.\n"}))
    with open_library(tmp_path / "data", history=History(keep_removed_days=0)) as library:
        send(library, path)
        whole = next(each for each in library.documents() if each.source == "upload:all.zip")
        asyncio.run(library.pipeline.remove(whole.id))
        put(folder / "a.md", "# A\n\nAlpha.\n")
        put(folder / "b.md", "# B\n\nBeta.\n")
        library.add(folder)
        (folder / "b.md").unlink()
        library.add(folder)
        assert asyncio.run(library.pipeline.versions.removed()) == ([], 0)
        assert [copy.read_text() for copy in library.stored_files()] == ["# A\n\nAlpha.\n"]


def test_a_version_that_was_closed_comes_back_to_those_alone_who_could_read_it(tmp_path: Path) -> None:
    with open_library(tmp_path / "data") as library:
        closed = Received("r.md", "upload:r.md", "default", b"# R\n\nFor the board.\n", frozenset({"board", "ada"}))
        asyncio.run(library.pipeline.add_received([closed]))
        (document,) = library.documents()
        asyncio.run(library.pipeline.remove(document.id))
        send(library, put(tmp_path / "r.md", "# R\n\nFor all.\n"))
        asyncio.run(library.pipeline.versions.restore(document.id, 1))
        assert library.documents()[0].readers == frozenset({"board", "ada"})
        assert library.texts("for the board") == []


def test_a_document_that_was_closed_meanwhile_is_not_opened_by_an_old_version(
    tmp_path: Path, gate: Gate, beside: ThreadPoolExecutor
) -> None:
    with open_library(tmp_path / "data", GatedEmbedder(gate)) as library:
        gate.opened.set()
        for text in ("The house.", "Second."):
            send(library, put(tmp_path / "r.md", f"# R\n\n{text}\n"))
        (document,) = library.documents()
        gate.opened.clear()
        gate.reached.clear()
        work = beside.submit(lambda: asyncio.run(library.pipeline.versions.restore(document.id, 1)))
        assert gate.reached.wait(WAIT)
        closed = library.store.get(document.id)
        library.store.put(replace(closed, readers=frozenset({"board"})))
        gate.opened.set()
        change = work.result(WAIT)
        assert change.message == "Who may read the document was changed meanwhile. Bring the version back again."
        assert library.store.get(document.id).readers == frozenset({"board"})
        assert library.store.get(document.id).sha256 == document.sha256

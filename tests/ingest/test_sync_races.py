"""A document of a source that is removed while the source is synchronised stays away; and who did what is on record."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from core.ports import Vectors
from core.store.sources import SourceStore
from core.types import NewSource, Origin
from ingest.parse.process import ParserProcess
from ingest.sync import SourceKeeper
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put
from tests.ingest.parse.office import packed

OLD, NEW = "# Leave\n\nThe old rule.\n", "# Leave\n\nThe new house rule.\n"


class Meanwhile:
    """Something that happens once, when it is switched on."""

    def __init__(self) -> None:
        self.work: Callable[[], None] | None = None

    def happen(self) -> None:
        work, self.work = self.work, None
        if work is not None:
            # As another process does it, and not in the middle of this one's work.
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(30)


class Interrupted(WordEmbedder):
    """Something else happens before texts are embedded."""

    def __init__(self, meanwhile: Meanwhile) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def embed(self, texts: Sequence[str]) -> Vectors:
        self._meanwhile.happen()
        return super().embed(texts)


@pytest.fixture
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def library(tmp_path: Path, meanwhile: Meanwhile) -> Iterator[Library]:
    with open_library(tmp_path / "data", Interrupted(meanwhile)) as opened:
        yield opened


@pytest.fixture
def sync(library: Library, folder: Path) -> Iterator[Callable[[], None]]:
    """Brings the folder into the index, and then again."""
    keeper = SourceKeeper(SourceStore(library.engine), library.pipeline, library.settings)
    source = asyncio.run(keeper.register(NewSource(str(folder), "default")))

    def sync() -> None:
        asyncio.run(keeper.sync(source.id))

    yield sync
    library.pipeline.close()
    keeper.close()


def purge_all(library: Library) -> None:
    for document in library.documents():
        if "!/" not in document.source:
            asyncio.run(library.pipeline.versions.purge(document.id))


def nothing_is_left(library: Library) -> None:
    assert library.documents() == []
    assert library.stored_files() == []
    assert asyncio.run(library.pipeline.check()) == []
    assert asyncio.run(library.pipeline.versions.removed()) == ([], 0)
    assert library.store.vector_garbage(10, with_reserved=True) == []


@pytest.mark.parametrize("before", [OLD, None])
def test_what_is_purged_while_it_is_embedded_stays_away(
    library: Library, folder: Path, sync: Callable[[], None], meanwhile: Meanwhile, before: str | None
) -> None:
    if before is not None:
        put(folder / "leave.md", before)
        sync()
    put(folder / "leave.md", NEW)
    meanwhile.work = lambda: purge_all(library)
    sync()
    nothing_is_left(library)
    sync()
    nothing_is_left(library)


@pytest.mark.parametrize("before", [OLD, None])
def test_an_archive_that_is_purged_while_a_file_in_it_is_read_stays_away(
    library: Library,
    folder: Path,
    sync: Callable[[], None],
    meanwhile: Meanwhile,
    monkeypatch: pytest.MonkeyPatch,
    before: str | None,
) -> None:
    parse = ParserProcess.parse

    def interrupted(parser: ParserProcess, data: bytes, name: str) -> object:
        if b"house" in data and not data.startswith(b"PK"):
            meanwhile.happen()
        return parse(parser, data, name)

    monkeypatch.setattr(ParserProcess, "parse", interrupted)
    if before is not None:
        put(folder / "all.zip", packed({"one.md": before.encode()}))
        sync()
    put(folder / "all.zip", packed({"one.md": NEW.encode(), "two.md": b"# Two\n\nSecond.\n"}))
    meanwhile.work = lambda: purge_all(library)
    sync()
    nothing_is_left(library)


def test_what_cannot_be_read_after_it_was_purged_stays_away(
    library: Library, folder: Path, sync: Callable[[], None], meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "leave.md", OLD)
    sync()
    parse = ParserProcess.parse

    def broken(parser: ParserProcess, data: bytes, name: str) -> object:
        meanwhile.happen()
        return parse(parser, b"%PDF-1.7 and nothing more", "leave.pdf")

    monkeypatch.setattr(ParserProcess, "parse", broken)
    put(folder / "leave.md", NEW)
    meanwhile.work = lambda: purge_all(library)
    sync()
    nothing_is_left(library)


def test_the_history_names_the_source(library: Library, folder: Path, sync: Callable[[], None]) -> None:
    put(folder / "stays.md", "# Stays\n\nText.\n")
    put(folder / "leave.md", OLD)
    sync()
    leave = next(document for document in library.documents() if document.title == "Leave")
    (folder / "leave.md").unlink()
    sync()
    history = asyncio.run(library.pipeline.versions.history(leave.id))
    source = Origin("source", f"{folder.as_uri()}/")
    assert [(entry.event.value, entry.origin) for entry in history] == [("removed", source), ("added", source)]

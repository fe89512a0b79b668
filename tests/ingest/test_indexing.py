"""Vectors of an earlier version are used again, unless they are garbage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.ports import Vectors
from ingest.garbage import collect_garbage
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put

OLD = "# One\n\nThe first rule.\n"
NEW = f"{OLD}\n# Two\n\nThe second rule.\n"


class Interrupting(WordEmbedder):
    """Something else happens while it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.meanwhile()
        return super().embed(texts)


def test_what_was_left_of_a_removed_version_is_no_garbage_when_it_comes_again(tmp_path: Path, folder: Path) -> None:
    embedder = Interrupting()
    with open_library(tmp_path / "data", embedder) as library:
        path = put(folder / "rules.md", OLD)
        asyncio.run(library.pipeline.add_file(path.name, path, "default"))
        library.store.withdraw(library.documents()[0].id)
        embedder.meanwhile = lambda: collect_garbage(library.store, library.vectors)
        put(path, NEW)
        asyncio.run(library.pipeline.add_file(path.name, path, "default"))
        assert asyncio.run(library.pipeline.check()) == []
        assert len(library.ask("rule")) == 2


def test_nothing_is_announced_while_it_is_deleted(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.pipeline._checking._inspection.queue_orphans("default", ["stray"])
    happened: list[str] = []
    delete = library.vectors.delete

    def announced() -> None:
        library.store.reserve_vectors({"stray": "default"})
        happened.append("announced")

    another = threading.Thread(target=announced)

    def slowly(namespace: str, chunk_ids: Sequence[str]) -> None:
        another.start()
        another.join(0.3)
        delete(namespace, chunk_ids)
        happened.append("deleted")

    monkeypatch.setattr(library.vectors, "delete", slowly)
    collect_garbage(library.store, library.vectors)
    another.join()
    assert happened == ["deleted", "announced"]
    assert library.pipeline._checking._inspection.announced() == {"stray"}

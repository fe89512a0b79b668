"""Postgres and a Chroma server: a backup while several processes could be at work, and the way there and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bots.load_servers import chroma_server
from tests.core.backup.installation import Home, answers, back_up, fill, put_back, rows, vectors

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path, postgres_url: str) -> Iterator[Home]:
    with chroma_server() as chroma:
        yield Home(tmp_path / "served", postgres_url, chroma)


def test_from_servers_to_a_folder_and_back(served: Home, tmp_path: Path, folder: Path, place: Path) -> None:
    with served.open() as library:
        fill(library, folder)
        before = (rows(library.engine), vectors(library), answers(library))
        first = back_up(served, place)
        assert not first.manifest.is_at_rest, "somebody is there"
    assert first.manifest.missing_vectors == 0
    assert back_up(served, tmp_path / "other").manifest.is_at_rest, "now nobody is"
    alone = Home(tmp_path / "alone")
    put_back(alone, place, first)
    with alone.open() as library:
        assert vectors(library) == before[1]
        assert answers(library) == before[2]
        (folder / "gym.md").write_text("# Gym\n\nThe gym opens at six.\n")
        library.add(folder)
        after = (rows(library.engine), vectors(library))
    second = back_up(alone, place)
    put_back(served, place, second, may_replace=True)
    with served.open() as library:
        assert {**rows(library.engine), "sources": []} == {**after[0], "sources": []}
        assert vectors(library) == after[1]
        assert asyncio.run(library.pipeline.check()) == []
    # Back to the first: what came since is gone, also from the index.
    put_back(served, place, first, may_replace=True)
    with served.open() as library:
        assert vectors(library) == before[1]
        assert library.words("gym") == []
        assert asyncio.run(library.pipeline.check()) == []

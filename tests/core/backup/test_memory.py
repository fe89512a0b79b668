"""A backup holds a part of it in memory, however much there is."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.backup import parts
from core.backup.manifest import Rows
from core.store.engine import open_engine, transaction, upgrade
from core.store.schema import documents, sections
from tests.core.backup.installation import Home, back_up, destination, put_back

TEXT = "You accrue 13 days of annual leave per year, whoever you are. " * 80
SECTIONS = 6000
DOCUMENT = {
    "id": "document", "namespace": "default", "title": "Leave", "source": "/leave.md", "status": "ready", "chunks": 0,
    "media_type": "text/markdown", "sha256": "", "size_bytes": 1, "updated_at": sa.func.current_timestamp(), "losses": (),
}  # fmt: skip
MEGABYTE = 2**20


@pytest.fixture
def large(tmp_path: Path) -> Home:
    """With 30 MB of text."""
    home = Home(tmp_path / "large")
    home.folder.mkdir()
    engine = open_engine(home.settings.database_url, home.folder)
    upgrade(engine)
    rows = [{"document_id": "document", "id": f"s{each}", "text": TEXT, "headings": ()} for each in range(SECTIONS)]
    with transaction(engine) as connection:
        connection.execute(sa.insert(documents).values(DOCUMENT))
        connection.execute(sa.insert(sections), rows)
    engine.dispose()
    return home


def test_memory_does_not_grow_with_the_record(
    large: Home, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", MEGABYTE)
    small = back_up(large, tmp_path / "warm", with_vectors=False)
    put_back(Home(tmp_path / "warmed"), tmp_path / "warm", small)
    tracemalloc.start()
    try:
        made = back_up(large, place, with_vectors=False)
        backing_up = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        put_back(Home(tmp_path / "new"), place, made)
        restoring = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text: Rows = made.manifest.tables["sections"]
    assert text.count * len(TEXT) > 28 * MEGABYTE
    assert len(text.parts) > 20
    assert backing_up < 12 * MEGABYTE
    assert restoring < 16 * MEGABYTE
    assert destination(place).folders() == [made.name]

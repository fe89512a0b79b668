"""A store for adapters' files in a folder and in a bucket, and an empty record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.backup.destination import open_destination
from core.store.adapters import AdapterStore
from core.store.engine import open_engine, upgrade
from tuning.registry.store import AdapterFiles


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> AdapterFiles:
    """Empty."""
    if request.param == "bucket":
        request.getfixturevalue("s3")
        return AdapterFiles(open_destination("s3://vault/models"))
    return AdapterFiles(open_destination(str(tmp_path / "vault")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AdapterStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield AdapterStore(engine)
    engine.dispose()

"""Fixtures of the tests of ingestion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.library import Library, open_library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Empty, in a data folder of its own."""
    with open_library(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test puts its files."""
    path = tmp_path / "docs"
    path.mkdir()
    return path

"""Installations to back up, on both databases, and empty ones to restore into."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.backup.make import Made
from tests.core.backup.installation import Home, back_up, fill
from tests.fakes.embedder import WordEmbedder
from tests.postgres import PostgresServer

OpenHome = Callable[[str, str], Home]


@pytest.fixture
def home_at(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenHome]:
    """A new installation by its name, on `sqlite` or `postgres`."""
    with ExitStack() as stack:

        def make_home(name: str, kind: str) -> Home:
            if kind == "sqlite":
                return Home(tmp_path / name)
            server: PostgresServer = request.getfixturevalue("postgres_server")
            return Home(tmp_path / name, stack.enter_context(server.database()))

        yield make_home


@pytest.fixture
def filled(home_at: OpenHome, folder: Path) -> Home:
    """One with something of everything, on SQLite, that is stopped."""
    home = home_at("filled", "sqlite")
    with home.open() as library:
        fill(library, folder)
    return home


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """For commands: the installations are made with it, and cut so."""
    monkeypatch.setattr("core.backup.commands.open_embedder", lambda _: WordEmbedder())
    monkeypatch.setattr("core.build.open_embedder", lambda _: WordEmbedder())
    monkeypatch.setenv("LOREKEEPER_SPLIT__MAX_TOKENS", "60")
    monkeypatch.setenv("LOREKEEPER_SPLIT__OVERLAP_TOKENS", "0")


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """A destination with one backup of an installation with something of everything. Not to be changed."""
    base = tmp_path_factory.mktemp("saved")
    home = Home(base / "filled")
    (base / "docs").mkdir()
    with home.open() as library:
        fill(library, base / "docs")
    return base / "backups", back_up(home, base / "backups")


@pytest.fixture
def copy(saved: tuple[Path, Made], place: Path) -> Made:
    """The same at `place`, to be changed."""
    shutil.copytree(saved[0], place)
    return saved[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test puts its files."""
    path = tmp_path / "docs"
    path.mkdir()
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where backups go; it is not there yet."""
    return tmp_path / "backups"

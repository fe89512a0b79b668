"""Copies in a folder are nobody's only for the one database that stores there: another one deletes none of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.settings import Database
from core.store.engine import open_engine, upgrade
from core.store.meta import IndexMeta
from core.types import Finding
from ingest.owners import Owners
from tests.ingest.library import Library, open_library, put
from tests.ingest.test_housekeeping import housekeeping, left_over

RULE = "# Rules\n\nRule {} of the house.\n"


@contextmanager
def with_database(folder: Path, name: str, **chosen: Any) -> Iterator[Library]:
    """The data folder with the SQLite database of this name."""
    url = SecretStr(f"sqlite:///{name}.db")
    with open_library(folder, database=Database(url=url), **chosen) as library:
        yield library


@pytest.fixture
def data(tmp_path: Path, folder: Path) -> Path:
    """A data folder with two documents of the database `ours`, stored long ago."""
    put(folder / "a.md", RULE.format(1))
    put(folder / "b.md", RULE.format(2))
    with with_database(tmp_path / "data", "ours") as library:
        library.add(folder)
    grow_old(tmp_path / "data")
    return tmp_path / "data"


def grow_old(data: Path) -> None:
    for path in (data / "files").rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))


def do_everything(library: Library) -> list[Finding]:
    """All that deletes copies."""
    library.pipeline.recover()
    housekeeping(library).clean_up()
    return asyncio.run(library.pipeline.check(repair=True))


def unused(found: list[Finding]) -> Finding:
    (finding,) = (finding for finding in found if finding.kind == "unused copies")
    return finding


def test_an_empty_database_deletes_nothing_of_another(data: Path) -> None:
    with with_database(data, "wrong") as library:
        finding = unused(do_everything(library))
        assert (finding.count, finding.is_repaired) == (2, False)
        assert "another database stored copies in this folder too" in finding.remedy
        assert len(library.stored_files()) == 2
    # It leaves no trace that would matter to the right one.
    with with_database(data, "ours") as library:
        stray = left_over(library, 1)
        do_everything(library)
        assert not stray.exists()
        assert len(library.stored_files()) == 2


def test_a_filled_database_from_elsewhere_deletes_nothing_of_another(data: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "other" / "c.md", RULE.format(3))
    with with_database(tmp_path / "elsewhere", "theirs") as library:
        library.add(other)
    for database in (tmp_path / "elsewhere").glob("theirs.db*"):
        database.rename(data / database.name)
    # Not noted, as in a folder of an earlier version.
    (data / "files.databases").unlink()
    with with_database(data, "theirs") as library:
        assert "refers to none of the copies here" in unused(do_everything(library)).remedy
        assert len(library.stored_files()) == 2


def test_of_two_filled_databases_neither_deletes_the_others_copies(data: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "other" / "c.md", RULE.format(3))
    with with_database(data, "theirs") as library:
        library.add(other)
        grow_old(data)
        finding = unused(do_everything(library))
        own = IndexMeta(library.engine).database_id()
        assert not finding.is_repaired
        assert "another database stored copies in this folder too" in finding.remedy
        assert f"delete all lines but {own} from {data / 'files.databases'}" in finding.remedy
    with with_database(data, "ours") as library:
        do_everything(library)
        assert len(library.stored_files()) == 3


def test_once_the_other_is_said_to_be_gone_its_copies_go(data: Path, tmp_path: Path) -> None:
    with with_database(data, "theirs") as library:
        library.add(put(tmp_path / "other" / "c.md", RULE.format(3)))
    grow_old(data)
    with with_database(data, "ours") as library:
        put(data / "files.databases", IndexMeta(library.engine).database_id() + "\n")
        do_everything(library)
        assert len(library.stored_files()) == 2
        assert asyncio.run(library.pipeline.check()) == []


def test_a_database_is_noted_once_before_its_first_copy(tmp_path: Path, folder: Path) -> None:
    note = tmp_path / "data" / "files.databases"
    with open_library(tmp_path / "data") as library:
        assert not note.exists()
        library.add(put(folder / "a.md", RULE.format(1)), put(folder / "b.md", RULE.format(2)))
        own = IndexMeta(library.engine).database_id()
    assert note.read_text() == f"{own}\n"
    assert note.stat().st_mode & 0o777 == 0o600


def test_of_several_who_ask_at_once_one_gives_the_id(engine_url: str, tmp_path: Path) -> None:
    engines = [open_engine(engine_url, tmp_path) for _ in range(2)]
    upgrade(engines[0])
    first, second = (IndexMeta(engine) for engine in engines)
    get = first.get
    asked: list[str] = []

    def outrun(key: str) -> str | None:
        if not asked:
            asked.append(key)
            found = get(key)
            second.database_id()
            return found
        return get(key)

    first.get = outrun  # type: ignore[method-assign]
    assert first.database_id() == second.database_id()
    for engine in engines:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def engine_url(request: pytest.FixtureRequest) -> str:
    return "sqlite:///one.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def test_without_a_note_nobody_else_is_there(tmp_path: Path) -> None:
    owners = Owners(tmp_path / "files.databases", "one")
    assert not owners.are_others()
    owners.join()
    owners.join()
    assert not owners.are_others()
    assert Owners(tmp_path / "files.databases", "two").are_others()

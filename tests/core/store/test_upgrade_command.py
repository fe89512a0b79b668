"""`lorekeeper upgrade`, as a person uses it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy.engine import Engine
from typer.testing import CliRunner, Result

from core.cli import app
from core.datafolder import Claim, claim
from core.errors import DataFolderInUse
from core.store.engine import open_engine, reading, transaction, upgrade
from core.store.migrations import HEAD, stored_revision
from core.store.migrations.run import configuration

OLD = "0004"
Run = Callable[..., Result]


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a database without tables."""
    monkeypatch.setattr("core.store.upgrade_command.WAIT_SECONDS", 0.0)
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOREKEEPER_DATABASE__URL", database_url)
    monkeypatch.setenv("LOREKEEPER_CHROMA__URL", "http://127.0.0.1:9")
    return database_url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["upgrade", *arguments])


def make_old(url: str) -> None:
    engine = open_engine(url)
    with transaction(engine) as connection:
        command.upgrade(configuration(connection), OLD)
    engine.dispose()


def revision(url: str) -> str | None:
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            return stored_revision(connection)
    finally:
        engine.dispose()


class Other:
    """Another process, as far as anybody can see."""

    def __init__(self, url: str, folder: Path) -> None:
        self._engine: Engine | None = open_engine(url) if url.startswith("postgresql") else None
        self._connection = self._engine.connect() if self._engine else None
        self._claim: Claim | None = None
        if self._engine is None:
            held = claim(folder, "lorekeeper run")
            assert isinstance(held, Claim)
            self._claim = held

    def serves(self) -> None:
        if self._claim is not None:
            self._claim.announce("http://127.0.0.1:8080")

    def stop(self) -> None:
        if self._connection is not None and self._engine is not None:
            self._connection.close()
            self._engine.dispose()
        if self._claim is not None:
            self._claim.release()


@pytest.fixture
def other(url: str, tmp_path: Path) -> Other:
    return Other(url, tmp_path / "data")


def test_tables_are_made_and_brought_up_to_date(url: str) -> None:
    assert "can be made" in run("--check").stdout
    assert revision(url) is None
    assert json.loads(run("--json").stdout) == {"before": None, "after": HEAD, "is_done": True}
    assert f"up to date: revision {HEAD}" in run("--check").stdout


def test_a_trial_changes_nothing_and_says_what_there_is_to_do(url: str) -> None:
    make_old(url)
    tried = run("--check")
    assert tried.exit_code == 3
    assert revision(url) == OLD
    assert f"from revision {OLD} to {HEAD}" in run().stdout
    assert revision(url) == HEAD


@pytest.mark.parametrize("serves", [False, True])
def test_while_another_process_is_at_work_its_tables_are_not_changed(url: str, other: Other, serves: bool) -> None:
    make_old(url)
    if serves:
        other.serves()
    try:
        refused = run()
        assert isinstance(refused.exception, DataFolderInUse)
        assert "in use" in refused.exception.message
        assert revision(url) == OLD
        assert run("--check").exit_code == 3, "to try disturbs nobody"
    finally:
        other.stop()
    assert run().exit_code == 0
    assert revision(url) == HEAD


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_who_has_just_been_stopped_is_waited_for(url: str, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(url)
    monkeypatch.setattr("core.store.upgrade_command.WAIT_SECONDS", 60.0)
    going = threading.Timer(0.3, other.stop)
    going.start()
    assert run().exit_code == 0
    going.join()
    assert revision(url) == HEAD


def test_where_nothing_changes_others_go_on(url: str, other: Other) -> None:
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    try:
        assert run().exit_code == 0
    finally:
        other.stop()

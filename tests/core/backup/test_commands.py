"""`lorekeeper backup` and `lorekeeper restore`, as a person uses them."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from core.backup import commands
from core.backup.make import Made
from core.build import Application, open_application
from core.errors import BackupDamaged, DataFolderInUse, InvalidRequest, StorageFailed
from core.restoring import refuse_unfinished
from core.settings import Chroma, Database, Settings
from tests.bots.command import place as place_at
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home
from tests.core.backup.running import run, said
from tests.fakes.embedder import WordEmbedder


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("model")


def test_a_backup_is_made_listed_verified_and_restored(home_at: OpenHome, filled: Home, place: Path) -> None:
    made = said(run(filled, "backup", "--json", place))
    assert made["rows"]["documents"] == made["new_files"] - 1 == 4
    again = run(filled, "backup", place, "--keep", "1")
    assert f"Removed {made['name']}." in again.stdout
    assert "4 documents" in again.stdout
    (listed,) = said(run(filled, "backup", "list", place, "--json"))["backups"]
    assert listed["name"] != made["name"]
    assert "is whole" in run(filled, "backup", "verify", place).stdout
    new = home_at("new", "postgres")
    restored = run(new, "restore", place / listed["name"], "--yes")
    assert "Start Lorekeeper again" in restored.stdout, restored.exception
    assert "Note:" not in restored.stderr
    with new.open() as library:
        assert len(library.documents()) == 4


def test_help_names_the_parts(filled: Home) -> None:
    text = run(filled, "backup", "--help").stdout
    assert all(name in text for name in ("create", "list", "verify"))
    assert "--keep" in run(filled, "backup", "create", "--help").stdout


def test_without_vectors_they_are_embedded_again(home_at: OpenHome, filled: Home, place: Path) -> None:
    assert said(run(filled, "backup", place, "--no-vectors", "--json"))["vectors"] == 0
    new = home_at("new", "sqlite")
    notes = said(run(new, "restore", place, "--yes", "--json"))["notes"]
    assert any("were embedded again" in note for note in notes)
    with new.open() as library:
        assert library.vectors.count() > 0
        assert library.texts("annual leave")


def test_until_they_are_embedded_again_the_restoration_is_not_at_its_end(
    home_at: OpenHome, filled: Home, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(run(filled, "backup", place, "--no-vectors", "--json"))

    def opened(settings: Settings, *given: Any, **chosen: Any) -> Application:
        with pytest.raises(StorageFailed, match="has not come to its end"):
            refuse_unfinished(settings.data_dir)
        return open_application(settings, *given, **chosen)

    monkeypatch.setattr(commands, "open_application", opened)
    new = home_at("new", "sqlite")
    assert "were embedded again" in run(new, "restore", place, "--yes").stderr
    assert run(new, "documents", "list").exit_code == 0


def test_another_model_is_told_with_the_command_that_helps(
    home_at: OpenHome, copy: Made, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(WordEmbedder):
        identity = "other/256"

    monkeypatch.setattr(commands, "open_embedder", lambda _: Other())
    done = run(home_at("new", "sqlite"), "restore", place, "--yes")
    assert done.exit_code == 0
    assert "lorekeeper documents reindex" in done.stderr


def test_nothing_is_restored_without_a_yes(home_at: OpenHome, copy: Made, place: Path) -> None:
    new = home_at("new", "sqlite")
    done = run(new, "restore", place)
    assert isinstance(done.exception, InvalidRequest)
    assert "--yes" in done.exception.message
    assert not new.folder.exists()


def test_the_question_names_what_is_replaced_and_no_password(
    copy: Made, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = Settings(
        data_dir=place.parent / "new",
        database=Database(url=SecretStr("postgresql+psycopg://ada:sesame@db.example/lore?password=sesame")),
        chroma=Chroma(url="http://ada:sesame@chroma.example:8000"),
    )
    monkeypatch.setattr(commands, "load", lambda: chosen)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    with pytest.raises(typer.Abort):
        commands.restore(str(place), replace=True)
    asked = capsys.readouterr().err
    assert f"Data folder: {chosen.data_dir}\nDatabase: db.example/lore\nIndex: chroma.example:8000\n" in asked
    assert "replaces everything" in asked
    assert "sesame" not in asked


def test_a_lost_copy_is_noted(home_at: OpenHome, copy: Made, place: Path) -> None:
    next(path for path in (place / "files").rglob("*") if path.is_file()).unlink()
    done = run(home_at("new", "sqlite"), "restore", place, "--yes")
    assert "Note: 1 stored copies are gone from the backup" in done.stderr


def test_a_damaged_backup_cannot_be_verified_and_is_listed_as_such(filled: Home, copy: Made, place: Path) -> None:
    (place / copy.name / "manifest.json").write_text("{}")
    assert isinstance(run(filled, "backup", "verify", place).exception, BackupDamaged)
    assert "cannot be read" in run(filled, "backup", "list", place).stdout
    assert said(run(filled, "backup", "list", place, "--json")) == {"backups": [{"name": copy.name}]}


def test_restoring_while_another_process_uses_the_database_is_refused(
    home_at: OpenHome, copy: Made, place: Path
) -> None:
    new = home_at("new", "postgres")
    with new.open() as library, library.engine.connect():
        done = run(new, "restore", place, "--yes")
    assert isinstance(done.exception, DataFolderInUse)
    assert "Stop Lorekeeper" in done.exception.message


def test_a_running_server_is_backed_up_and_restored_somewhere_else(tmp_path: Path) -> None:
    here = place_at(tmp_path / "here")
    (here.folder / "leave.md").write_text("# Leave\n\nYou accrue 13 days of annual leave per year.\n")
    with here.serving() as server:
        assert here.run("documents", "add", "leave.md").status == 0
        asked = here.run("ask", "How many days of annual leave do I accrue?", "--json").json
        made = here.run("backup", "../backups", "--json")
        assert (made.json["vectors"], made.json["missing_vectors"]) == (1, 0), made.err
        refused = here.run("restore", "../backups", "--yes", "--replace")
        assert refused.status == 1
        assert "Stop Lorekeeper" in refused.err
        server.stop()
    there = place_at(tmp_path / "there")
    restored = there.run("restore", "../backups", "--yes")
    assert restored.status == 0, restored.err
    assert "Traceback" not in restored.err
    answered = there.run("ask", "How many days of annual leave do I accrue?", "--json").json
    assert answered["text"] == asked["text"]
    assert answered["citations"][0]["quote"] == asked["citations"][0]["quote"]

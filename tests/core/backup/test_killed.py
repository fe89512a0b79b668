"""kill -9 in the middle of a backup and of a restoration, in a process of its own: what is left, and how it goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.backup.listing import all_backups, complete_backups
from core.backup.make import Made
from core.backup.verify import verify
from core.datafolder import STORED_BY
from core.errors import LorekeeperError
from core.store.meta import IndexMeta
from tests.bots.command import place as place_at
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, answers, back_up, destination, put_back, rows, silent, vectors
from tests.core.backup.running import run, said
from tests.core.backup.test_listing import age

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("model")]

# Runs the same entry point, and kills itself with -9 before or after the first such call about what `text` says.
KILLED = """
import importlib, os, signal, sys
from core.cli import main

where, text, when = sys.argv[1:4]
del sys.argv[1:4]
module, _, path = where.partition(":")
*owners, name = path.split(".")
owner = importlib.import_module(module)
for each in owners:
    owner = getattr(owner, each)
real = getattr(owner, name)

def killed(*given, **chosen):
    if text not in repr(given):
        return real(*given, **chosen)
    if when == "after":
        real(*given, **chosen)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killed)
main()
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """Before or after the first call of `where` about `text`; `name` tells it from others."""

    name: str
    where: str
    text: str = ""
    when: str = "before"

    def __str__(self) -> str:
        return self.name


def kill(home: Home, at: Moment, *arguments: str | Path) -> None:
    """`lorekeeper` with these arguments, killed at a moment."""
    there = place_at(home.folder.parent, LOREKEEPER_DATA_DIR=str(home.folder), LOREKEEPER_DATABASE__URL=home.database)
    program = (sys.executable, "-c", KILLED, at.where, at.text, at.when)
    done = there.run(*[str(each) for each in arguments], command=program)
    assert done.status == -signal.SIGKILL, done.err


def refusal(home: Home, *arguments: str | Path) -> str:
    """What the error of a command says."""
    error = run(home, *arguments).exception
    assert isinstance(error, LorekeeperError)
    return error.message


REPLACE = "pathlib:Path.replace"
BACKING_UP = [
    Moment("at its beginning", "core.backup.make:_read_record"),
    Moment("while rows are written", REPLACE, "chunks-00001"),
    Moment("after the vectors", "core.backup.vectors:save", when="after"),
    Moment("while a copy is written", REPLACE, "/files/"),
    Moment("before the manifest", REPLACE, "manifest.json"),
]


@pytest.mark.parametrize(("at", "kind"), [*((at, "sqlite") for at in BACKING_UP), (BACKING_UP[1], "postgres")], ids=str)
def test_a_backup_that_was_killed_is_none_and_hinders_no_other(
    home_at: OpenHome, filled: Home, copy: Made, tmp_path: Path, at: Moment, kind: str
) -> None:
    home = filled
    if kind == "postgres":
        home = home_at("served", kind)
        put_back(home, tmp_path / "backups", copy)
    place = tmp_path / "others"
    kill(home, at, "backup", place)
    assert [each.is_complete for each in all_backups(destination(place))] == [False]
    assert "no complete backup" in refusal(home, "restore", place, "--yes", "--replace")
    assert said(run(home, "backup", "list", place, "--json")) == {"backups": []}
    made = back_up(home, place)
    verify(destination(place), made.name, made.manifest, silent, with_copies=True)
    (left,) = [each for each in all_backups(destination(place)) if not each.is_complete]
    age(place / left.name)
    again = back_up(home, place)
    assert [each.name for each in all_backups(destination(place))] == [made.name, again.name]


def test_a_backup_that_was_killed_after_its_manifest_is_whole(filled: Home, place: Path) -> None:
    kill(filled, Moment("after", REPLACE, "manifest.json", "after"), "backup", place)
    assert "is whole" in run(filled, "backup", "verify", place).stdout
    (listed,) = complete_backups(destination(place))
    again = back_up(filled, place, keep=1)
    assert again.removed == (listed.name,)
    assert destination(place).folders() == [again.name, "files"]


RESTORING = [
    Moment("while copies are restored", "core.backup.copies:copy_in", when="after"),
    Moment("while rows are restored", "core.backup.tables:fill", "Table('chunks'", "after"),
    Moment("while vectors are restored", "core.retrieval.chroma:ChromaIndex.put_stored", when="after"),
    Moment("before the vectors of others go", "core.backup.vectors:drop_orphans"),
    Moment("before the copies are handed over", "core.backup.restore:hand_over"),
]


def check_restored(home: Home, source: Home) -> None:
    """The one is what the other is."""
    with source.open() as library:
        expected = (rows(library.engine), vectors(library), answers(library))
    with home.open() as library:
        assert ({**rows(library.engine), "sources": []}) == {**expected[0], "sources": []}
        assert vectors(library) == expected[1]
        assert answers(library) == expected[2]
        assert asyncio.run(library.pipeline.check()) == []
        assert (home.folder / STORED_BY).read_text().split() == [IndexMeta(library.engine).database_id()]


@pytest.mark.parametrize(("at", "kind"), [*((at, "sqlite") for at in RESTORING), (RESTORING[2], "postgres")], ids=str)
def test_a_restoration_that_was_killed_says_so_and_is_done_again(
    home_at: OpenHome, filled: Home, place: Path, folder: Path, at: Moment, kind: str
) -> None:
    made = back_up(filled, place)
    other = home_at("other", kind)
    (folder / "x.md").write_text("# Only here\n\nThe gym opens at six.\n")
    with other.open() as library:
        library.add(folder)
    kill(other, at, "restore", place, "--yes", "--replace")
    for arguments in (("documents", "list"), ("ask", "When does the gym open?"), ("run",), ("upgrade",)):
        refused = refusal(other, *arguments)
        assert "has not come to its end" in refused
        assert f"{made.name} --replace" in refused
    checks = json.loads(run(other, "doctor", "--json").stdout)["checks"]
    assert [each["name"] for each in checks if "has not come to its end" in each["detail"]] == ["storage failed"]
    assert run(other, "restore", place, "--yes", "--replace").exit_code == 0
    check_restored(other, filled)


def test_a_new_installation_takes_another_backup_after_one_that_was_killed(
    home_at: OpenHome, filled: Home, place: Path, tmp_path: Path
) -> None:
    back_up(filled, place)
    with filled.open() as library:
        (pay,) = [document for document in library.documents() if document.title == "Pay"]
        asyncio.run(library.pipeline.versions.purge(pay.id))
    back_up(filled, tmp_path / "later")
    new = home_at("new", "sqlite")
    kill(new, RESTORING[2], "restore", place, "--yes")
    assert run(new, "restore", tmp_path / "later", "--yes").exit_code == 0
    check_restored(new, filled)


@pytest.mark.parametrize("at", [RESTORING[0], RESTORING[2]], ids=str)
def test_what_was_there_before_a_restoration_that_was_killed_can_be_gone_on_with(
    home_at: OpenHome, filled: Home, place: Path, folder: Path, at: Moment
) -> None:
    back_up(filled, place)
    other = home_at("other", "sqlite")
    (folder / "x.md").write_text("# Only here\n\nThe gym opens at six.\n")
    with other.open() as library:
        library.add(folder)
        before = (rows(library.engine), vectors(library))
    kill(other, at, "restore", place, "--yes", "--replace")
    assert "has not come to its end" in refusal(other, "documents", "check"), "to look puts nothing right"
    run(other, "documents", "check", "--repair")
    assert run(other, "documents", "list").exit_code == 0
    with other.open() as library:
        assert (rows(library.engine), vectors(library)) == before

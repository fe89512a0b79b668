"""`lorekeeper sources` in processes of its own, with the real embedding model: kept in sync, also over crashes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bots.command import COMMAND, SECONDS, Place, place

LEAVE = "# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n"
QUESTION = "How many days of vacation do I accrue?"


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """With a folder of two documents beside it."""
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text(LEAVE)
    (tmp_path / "handbook" / "travel.md").write_text("# Travel\n\nBook flights early.\n")
    return place(tmp_path)


def test_a_folder_is_added_kept_in_sync_and_removed(here: Place) -> None:
    folder = here.folder / "handbook"
    added = here.run("sources", "add", "handbook", "--every", "1h")
    assert added.status == 0, added.err
    assert f": {folder.as_uri()}/\nFiles: 2 added.\n" in added.out
    (source,) = here.run("sources", "list", "--json").json["sources"]
    assert (source["interval_seconds"], source["entries"], source["last_error"]) == (3600, 2, None)
    (folder / "leave.md").write_text(LEAVE.replace("15", "20"))
    (folder / "travel.md").unlink()
    synced = here.run("sources", "sync", source["id"][:6])
    assert (synced.status, synced.out) == (0, "Files: 1 replaced, 1 removed.\n")
    assert "20 days" in here.run("ask", "--json", QUESTION).json["text"]
    (folder / "leave.md").unlink()
    emptied = here.run("sources", "sync")
    assert emptied.status == 1
    assert "--allow-empty" in emptied.err
    shown = here.run("sources", "show", source["id"], "--json").json
    assert "Nothing was removed" in shown["last_error"]
    assert here.run("sources", "remove", source["id"]).status == 0
    assert here.run("documents", "list", "--json").json["total"] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "There is no folder"),
        (["handbook", "--every", "5s"], "--every takes"),
        (["ftp://example.org/x"], "no kind of source"),
        (["http://127.0.0.1/x"], "sources.allowed_hosts"),
        (["http://2130706433/x"], "sources.allowed_hosts"),
        (["langchain:os.system", "--argument", "command=true"], "no LangChain loader"),
    ],
)
def test_what_cannot_be_a_source_is_told_and_not_kept(here: Place, arguments: list[str], told: str) -> None:
    refused = here.run("sources", "add", *arguments)
    assert refused.status == 1
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert here.run("sources", "list", "--json").json["sources"] == []


def test_sources_go_through_the_process_that_owns_the_data_folder(here: Place) -> None:
    with here.serving():
        added = here.run("sources", "add", "handbook", "-n", "hr", "--reader", "slack:U1")
        assert added.status == 0, added.err
        assert "Files: 2 added." in added.out
        (source,) = here.run("sources", "list", "--json").json["sources"]
        assert (source["namespace"], source["readers"], source["entries"]) == ("hr", ["slack:U1"], 2)
        (here.folder / "handbook" / "travel.md").unlink()
        assert here.run("sources", "sync", source["id"]).out == "Files: 1 unchanged, 1 removed.\n"
        refused = here.run("sources", "add", "nowhere")
        assert (refused.status, "There is no folder" in refused.err) == (1, True)
        assert here.run("sources", "remove", source["id"], "--keep-documents").status == 0
        assert here.run("documents", "list", "--json").json["total"] == 1
        assert here.run("sources", "show", source["id"]).status == 1


@pytest.mark.slow
def test_a_synchronisation_that_is_killed_is_finished_by_the_next(here: Place) -> None:
    folder = here.folder / "handbook"
    for number in range(120):
        (folder / f"rule{number}.md").write_text(f"# Rule {number}\n\nThe limit of rule {number} is {number} euros.\n")
    command = [str(COMMAND), "sources", "add", "handbook"]
    process = subprocess.Popen(command, cwd=here.folder, env=here.environment(), stderr=subprocess.DEVNULL)
    wait_for_documents(here.data / "lorekeeper.db", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(SECONDS)
    # It was indexed, and nothing was noted of it: it must go all the same.
    (folder / "leave.md").unlink()
    (source,) = here.run("sources", "list", "--json").json["sources"]
    assert source["last_finished_at"] is None
    done = here.run("sources", "sync", source["id"])
    assert done.status == 0, done.err
    documents = here.run("documents", "list", "--json").json
    assert documents["total"] == 121
    assert {(each["status"], each["chunks"]) for each in documents["documents"]} == {("ready", 1)}
    assert here.run("sources", "sync", source["id"]).out == "Files: 121 unchanged.\n"


def wait_for_documents(database: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the first ones are indexed."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "it was done sooner than it could be killed"
        try:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
                if connection.execute("SELECT count(*) FROM documents WHERE chunks > 0").fetchone()[0]:
                    return
        except sqlite3.Error:
            pass
        time.sleep(0.01)
    raise AssertionError

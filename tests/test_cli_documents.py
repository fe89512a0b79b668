"""Documents in, answers out, each command in a process of its own, with the real embedding model."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bots.command import COMMAND, SECONDS, Place, place

QUESTION = "How many days of vacation do I accrue?"
MODEL_DOWN = {"LOREKEEPER_GENERATION__BASE_URL": "http://127.0.0.1:9/v1"}
LEAVE = "# Leave\n\n## Vacation\n\nFull-time staff accrue 15 days of vacation each year.\n"
TRAVEL = "# Travel\n\nBook flights at least three weeks before the journey.\n"


# No file may grow beyond 150 KB, which is what a disk without space looks like to a program.
ON_A_FULL_DISK = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (150 * 1024, 150 * 1024))
os.execv(sys.argv[1], sys.argv[1:])
"""


def write_documents(folder: Path) -> Path:
    folder.mkdir()
    (folder / "leave.md").write_text(LEAVE)
    (folder / "travel.md").write_text(TRAVEL)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with two indexed documents."""
    made = place(tmp_path_factory.mktemp("indexed"))
    done = made.run("documents", "add", str(write_documents(made.folder / "documents")))
    assert done.status == 0, done.err
    assert done.out == "Documents: 2 added. Passages indexed: 2.\n"
    return made


@pytest.fixture
def indexed(original: Place, tmp_path: Path) -> Place:
    """A copy of it for one test."""
    shutil.copytree(original.data, tmp_path / "data")
    return place(tmp_path)


def test_an_answer_is_one_object_with_citations_and_needs_no_torch(indexed: Place) -> None:
    done = indexed.with_modules("ask", "--json", QUESTION)
    answer = done.json
    assert done.status == 0
    assert answer["outcome"] == "answered"
    assert "15 days of vacation" in answer["text"]
    assert answer["citations"][0]["title"] == "Leave"
    assert answer["citations"][0]["locator"] == "Vacation"
    assert "why" not in answer
    assert done.modules & {"torch", "transformers", "sentence_transformers", "langchain_core", "fastapi"} == set()


def test_the_printed_answer_names_its_sources_and_with_why_its_reasons(indexed: Place) -> None:
    done = indexed.run("ask", "--why", QUESTION)
    assert done.status == 0
    assert "15 days of vacation each year. [1]" in done.out
    assert "[1] Leave, Vacation" in done.out
    assert "Confidence" in done.out
    assert "\x1b" not in done.out


def test_a_model_that_is_down_means_a_quoted_answer_and_a_notice(indexed: Place) -> None:
    done = Place(indexed.folder, MODEL_DOWN).run("ask", "--json", QUESTION)
    assert done.status == 0
    assert done.json["generator"] == "extractive"
    assert "15 days" in done.json["text"]
    assert "not available" in done.json["notice"]


@pytest.mark.slow
def test_exit_statuses_tell_an_answer_from_no_question_and_from_a_failure(indexed: Place) -> None:
    assert indexed.run("ask", "--json", "--namespace", "empty", QUESTION).json["outcome"] == "empty_index"
    no_question = indexed.run("ask", "🎉")
    assert (no_question.status, "no words" in no_question.out) == (2, True)
    must = {**MODEL_DOWN, "LOREKEEPER_GENERATION__MODE": "chat"}
    failure = Place(indexed.folder, must).run("ask", "--json", QUESTION)
    assert (failure.status, failure.json["outcome"]) == (1, "failed")
    assert "reference" in failure.json["text"]


def test_a_conversation_ends_with_its_input_also_on_a_terminal_without_unicode(indexed: Place) -> None:
    done = Place(indexed.folder, {"PYTHONIOENCODING": "ascii"}).run("chat", text=f"{QUESTION} 🎉 ü\n")
    assert done.status == 0
    assert "15 days of vacation" in done.out
    assert "[1] Leave, Vacation" in done.out
    assert "Traceback" not in done.err


def read_to(terminal: int, end: bytes) -> bytes:
    """What a process wrote to a terminal, up to `end` or until it closed it."""
    written = b""
    while end not in written:
        try:
            written += os.read(terminal, 4096)
        except OSError:
            break
    return written


def _pressed_until_it_ends(process: subprocess.Popen[bytes]) -> int:
    """Ctrl-C between a prompt and the reading of its answer is seen only by the next one: so it is in Python itself.

    The next comes late, because one in the midst of ending would be another end.
    """
    for _ in range(int(SECONDS / 15)):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(15)
    raise AssertionError("it did not end")


def test_ctrl_c_ends_a_conversation_that_waits_for_a_question(indexed: Place) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(COMMAND), "chat"], stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=indexed.folder, env=indexed.environment(),
    )  # fmt: skip
    os.close(theirs)
    try:
        assert b"> " in read_to(ours, b"> ")
        status = _pressed_until_it_ends(process)
        left = read_to(ours, b"no end")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert status == 130
    assert b"Traceback" not in left
    assert not (indexed.data / "owner.json").exists(), "the data folder is given back"


@pytest.mark.parametrize("command", [("ask", QUESTION), ("chat",)])
def test_a_name_that_no_namespace_can_have_is_refused_in_words(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = place(tmp_path).run(*command, "--namespace", "HR docs", text=f"{QUESTION}\n")
    assert done.status == 1
    assert "A namespace's name is made of" in done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_documents_are_listed_shown_removed_and_indexed_anew(indexed: Place) -> None:
    listed = indexed.run("documents", "list", "--json").json
    assert [(each["title"], each["status"]) for each in listed["documents"]] == [
        ("Leave", "ready"),
        ("Travel", "ready"),
    ]
    assert "Leave" in indexed.run("documents", "list").out
    leave, travel = (each["id"] for each in listed["documents"])
    shown = indexed.run("documents", "show", leave[:8], "--json").json
    assert [passage["locator"] for passage in shown["passages"]] == ["Vacation"]
    assert indexed.run("documents", "remove", travel).out.startswith("Removed Travel\n")
    gone = indexed.run("documents", "show", travel)
    assert (gone.status, "Travel was removed on " in gone.err) == (1, True)
    split = Place(indexed.folder, {"LOREKEEPER_SPLIT__MAX_TOKENS": "100"})
    refused = split.run("ask", QUESTION)
    assert (refused.status, "lorekeeper documents reindex" in refused.err) == (1, True)
    anew = split.run("documents", "reindex")
    assert (anew.status, anew.out) == (0, "Documents: 1 replaced. Passages indexed: 1.\n")
    assert "15 days" in split.run("ask", "--json", QUESTION).json["text"]


@pytest.mark.slow
def test_adding_again_skips_replaces_and_prunes_and_one_bad_file_fails_alone(original: Place, tmp_path: Path) -> None:
    here = place(tmp_path)
    folder = write_documents(tmp_path / "documents")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (folder / "photo.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    first = here.run("documents", "add", "documents")
    assert (first.status, first.out) == (1, "Documents: 2 added, 1 skipped, 1 failed. Passages indexed: 2.\n")
    assert "broken.pdf" in first.err
    (folder / "broken.pdf").unlink()
    (folder / "travel.md").unlink()
    (folder / "leave.md").write_text(LEAVE.replace("15", "20"))
    again = here.run("documents", "add", "documents")
    assert again.status == 0
    assert again.out == "Documents: 1 replaced, 2 removed, 1 skipped. Passages indexed: 1.\n"
    assert "20 days" in here.run("ask", "--json", QUESTION).json["text"]


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_an_error_and_loses_nothing(indexed: Place) -> None:
    text = "\n\n".join(f"Paragraph {number} says that the limit is {number}." for number in range(300))
    (indexed.folder / "long.txt").write_text(text)
    refused = indexed.run("documents", "add", "long.txt", command=(sys.executable, "-c", ON_A_FULL_DISK, str(COMMAND)))
    assert refused.status == 1
    assert "Error: " in refused.err
    assert "Traceback" not in refused.err
    assert "15 days" in indexed.run("ask", "--json", QUESTION).json["text"]
    assert indexed.run("documents", "add", "long.txt").status == 0


@pytest.mark.slow
def test_versions_come_back_and_are_erased_also_through_a_running_server(indexed: Place) -> None:
    (indexed.folder / "rules.md").write_text("# Rules\n\nThe first rule.\n")
    with indexed.serving():
        assert indexed.run("documents", "add", "rules.md").status == 0
        (indexed.folder / "rules.md").write_text("# Rules\n\nThe second rule.\n")
        assert indexed.run("documents", "add", "rules.md").status == 0
        listed = indexed.run("documents", "list", "--json").json["documents"]
        rules = next(each["id"] for each in listed if each["title"] == "Rules")
        restored = indexed.run("documents", "restore", rules[:8])
        assert (restored.status, restored.out) == (0, "Restored Rules: version 3 answers now.\n"), restored.err
        assert "can be restored" in indexed.run("documents", "history", rules[:8]).out
        removed = indexed.run("documents", "remove", rules)
        assert "brings it back: lorekeeper documents restore" in removed.out, removed.err
        assert indexed.run("documents", "removed", "--json").json["total"] == 1
        assert indexed.run("documents", "purge", rules, "--yes").out == "Erased Rules\n"
        jobs = indexed.run("documents", "jobs", "--json").json["jobs"]
        assert {(job["state"], job["origin"]["channel"]) for job in jobs} == {("done", "command line")}
        checked = indexed.run("documents", "check")
        assert checked.status == 0, checked.out
    assert indexed.run("documents", "history", rules).status == 1


@pytest.mark.slow
def test_what_failed_is_tried_again_through_a_running_server(indexed: Place) -> None:
    (indexed.folder / "bad.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    with indexed.serving():
        assert indexed.run("documents", "add", "bad.pdf").status == 1
        (job,) = indexed.run("documents", "jobs", "--failed", "--json").json["jobs"]
        retried = indexed.run("documents", "retry", job["id"][:8])
        assert (retried.status, retried.out) == (1, "Documents: 1 failed. Passages indexed: 0.\n"), retried.err
        assert "Not indexed: bad.pdf: The file is damaged" in retried.err
        done = indexed.run("documents", "cancel", job["id"])
        assert (done.status, done.out) == (1, "")


@pytest.mark.slow
def test_after_ctrl_c_what_was_received_is_finished_by_the_next_run(indexed: Place) -> None:
    folder = indexed.folder / "rules"
    folder.mkdir()
    for number in range(150):
        (folder / f"rule{number}.md").write_text(f"# Rule {number}\n\nThe limit of rule {number} is {number} euros.\n")
    command = [str(COMMAND), "documents", "add", "rules"]
    process = subprocess.Popen(
        command, cwd=indexed.folder, env=indexed.environment(), stderr=subprocess.PIPE, text=True
    )
    wait_for_jobs(indexed.data / "lorekeeper.db", process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "What was received is finished by the next `lorekeeper run`" in told
    assert "Traceback" not in told
    assert "waiting" in states(indexed)
    with indexed.serving():
        deadline = time.monotonic() + SECONDS
        while states(indexed) != {"done"} and time.monotonic() < deadline:
            time.sleep(0.2)
        assert states(indexed) == {"done"}


def states(place: Place) -> set[str]:
    """Of all jobs."""
    return {job["state"] for job in place.run("documents", "jobs", "--json", "--limit", "1000").json["jobs"]}


def wait_for_jobs(database: Path, process: subprocess.Popen[str]) -> None:
    """Until some files are received."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "it was done sooner than it could be stopped"
        try:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
                if connection.execute("SELECT count(*) FROM jobs WHERE name LIKE 'rule%'").fetchone()[0]:
                    return
        except sqlite3.Error:
            pass
        time.sleep(0.01)
    raise AssertionError

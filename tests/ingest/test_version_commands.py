"""`lorekeeper documents history`, `restore`, `removed`, `purge` and `check` as a person or a script runs them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import load
from core.store.adapters import AdapterStore
from core.store.engine import open_engine
from core.types import Finding
from tests.core.store.samples import adapter
from tests.ingest.commanding import Commands, commanding
from tests.ingest.library import put

VACATION = "# Vacation\n\nYou accrue 25 days of vacation each year.\n"
MORE = VACATION.replace("25", "30")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Runs `lorekeeper documents` on a data folder of its own."""
    with commanding(tmp_path, monkeypatch, capsys) as commands:
        yield commands


@pytest.fixture
def document_id(run: Commands, folder: Path) -> str:
    """Of a document in its second version."""
    for text in (VACATION, MORE):
        run("add", put(folder / "vacation.md", text))
    return run.id_of("Vacation")


def texts(run: Commands, document_id: str) -> list[str]:
    return [passage["text"] for passage in run("show", document_id, "--json").json["passages"]]


def stored(folder: Path) -> list[Path]:
    return [path for path in (folder / "data" / "files").rglob("*") if path.is_file()]


class TestHistory:
    def test_versions_are_told_with_who_made_them_and_which_answers(self, run: Commands, document_id: str) -> None:
        told = run("history", document_id[:8])
        assert told.status == 0
        assert [row[0:3] for row in told.rows] == [["2", "replaced", "Vacation"], ["1", "added", "Vacation"]]
        assert all("ana (command line)" in line for line in told.out.splitlines()[1:])
        assert [" ".join(row[-3:]) for row in told.rows] == ["1 answers now", "can be restored"]

    def test_a_removal_is_told_and_json_is_one_object(self, run: Commands, document_id: str) -> None:
        run("remove", document_id)
        entries = run("history", document_id, "--json").json["history"]
        assert [(entry["event"], entry["version"]) for entry in entries] == [
            ("removed", 2), ("replaced", 2), ("added", 1),
        ]  # fmt: skip
        assert "answers now" not in run("history", document_id).out

    def test_what_is_not_kept_any_more_is_said(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOREKEEPER_HISTORY__KEEP_VERSIONS", "1")
        for text in (VACATION, MORE):
            run("add", put(folder / "vacation.md", text))
        assert run("history", run.id_of("Vacation")).rows[1][-2:] == ["not", "kept"]


class TestRestore:
    def test_the_version_before_comes_back_as_a_new_one(self, run: Commands, document_id: str) -> None:
        restored = run("restore", document_id[:8])
        assert (restored.status, restored.out) == (0, "Restored Vacation: version 3 answers now.\n")
        assert texts(run, document_id) == ["You accrue 25 days of vacation each year."]
        assert run("history", document_id).rows[0][:4] == ["3", "rolled", "back", "to"]

    def test_a_version_can_be_named(self, run: Commands, document_id: str) -> None:
        run("restore", document_id)
        assert run("restore", document_id, "--version", 2).out == "Restored Vacation: version 4 answers now.\n"
        assert texts(run, document_id) == ["You accrue 30 days of vacation each year."]
        refused = run("restore", document_id, "--version", 9)
        assert (refused.status, "no version 9" in refused.err) == (1, True)

    def test_before_an_error_there_is_no_bar(self, run: Commands, document_id: str) -> None:
        assert run("restore", document_id, "--version", 9).err == "Error: Vacation has no version 9.\n"

    def test_a_removed_document_comes_back(self, run: Commands, document_id: str) -> None:
        run("remove", document_id)
        assert run("restore", document_id[:12]).status == 0
        assert texts(run, document_id) == ["You accrue 30 days of vacation each year."]


class TestRemoved:
    def test_what_can_come_back_is_listed_until_it_does(self, run: Commands, document_id: str) -> None:
        assert run("removed", "--json").json == {"removed": [], "total": 0}
        run("remove", document_id)
        ((first, *row),) = run("removed").rows
        assert (first, row[:3]) == (document_id[:12], ["Vacation", "default", "2"])
        assert run("removed", "-n", "hr", "--json").json["total"] == 0
        assert run("removed", "--json").json["removed"][0]["document_id"] == document_id
        run("restore", document_id)
        assert run("removed", "--json").json["total"] == 0


class TestPurge:
    def test_nothing_is_left(self, run: Commands, tmp_path: Path, document_id: str) -> None:
        assert stored(tmp_path)
        assert run("purge", document_id[:8], "--yes").out == "Erased Vacation\n"
        assert stored(tmp_path) == []
        assert run("list", "--json").json["total"] == 0
        assert run("history", document_id).status == 1

    def test_what_was_removed_before_is_erased(self, run: Commands, tmp_path: Path, document_id: str) -> None:
        run("remove", document_id)
        assert run("purge", document_id, "--yes").out == "Erased Vacation\n"
        assert stored(tmp_path) == []

    def test_tuned_models_that_learnt_from_it_are_named(self, run: Commands, tmp_path: Path, document_id: str) -> None:
        engine = open_engine(load().database_url, load().data_dir)
        store = AdapterStore(engine)
        for content, learnt in (("1", document_id), ("2", "another"), ("3", document_id)):
            store.add(adapter(content=content, documents=frozenset({learnt})))
        store.retire("hr-3", "ann")
        engine.dispose()
        assert "Tuned models learnt from it: hr-1. `lorekeeper tune uses" in run("purge", document_id, "--yes").out

    def test_nothing_is_erased_where_nobody_can_be_asked(
        self, run: Commands, document_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        refused = run("purge", document_id)
        assert (refused.status, "Add --yes" in refused.err) == (1, True)
        assert run("list", "--json").json["total"] == 1

    @pytest.mark.parametrize(("answer", "left"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
    def test_on_a_terminal_it_is_asked_by_title(
        self, run: Commands, document_id: str, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
    ) -> None:
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", terminal)
        asked = run("purge", document_id)
        assert f"{document_id[:12]} Vacation\n" in asked.err
        assert asked.status == left
        assert run("list", "--json").json["total"] == left

    def test_a_mistyped_id_among_them_erases_nothing(self, run: Commands, document_id: str) -> None:
        assert run("purge", document_id, "0123456789", "--yes").status == 1
        assert run("list", "--json").json["total"] == 1


class TestCheck:
    def test_nothing_to_say(self, run: Commands, document_id: str) -> None:
        checked = run("check")
        assert (checked.status, checked.out.startswith("Everything agrees")) == (0, True)
        assert run("check", "--json").json == {"findings": []}

    def test_what_cannot_be_repaired_gives_status_1(self, run: Commands, tmp_path: Path, document_id: str) -> None:
        for path in stored(tmp_path):
            path.unlink()
        for arguments in ([], ["--repair"]):
            checked = run("check", *arguments)
            assert checked.status == 1
            assert "missing copy" in checked.out
            assert document_id[:12] in checked.out
            assert "Add these documents again." in checked.out
        assert run("check", "--json").json["findings"][0]["documents"] == [document_id]

    def test_what_was_repaired_is_told_and_is_no_failure(self, run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
        many = tuple(f"{number:032x}" for number in range(9))

        async def check(pipeline: object, *, repair: bool = False) -> list[Finding]:
            return [Finding("wrong count", 9, many, is_repaired=repair)]

        monkeypatch.setattr("ingest.pipeline.Pipeline.check", check)
        found = run("check")
        assert (found.status, "lorekeeper documents check --repair" in found.out) == (1, True)
        assert "and 4 more" in found.out
        repaired = run("check", "--repair")
        assert (repaired.status, repaired.rows[0][-1]) == (0, "repaired")

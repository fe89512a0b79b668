"""`lorekeeper documents jobs`, `cancel` and `retry` as a person or a script runs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import EmbeddingFailed, UnreadableDocument
from core.types import ChangeKind, DocumentChange, Job, JobState
from ingest.job_commands import outcome
from tests.fakes.embedder import WordEmbedder
from tests.ingest.commanding import Commands, commanding
from tests.ingest.library import put

VACATION = "# Vacation\n\nYou accrue 25 days of vacation each year.\n"
JOB = Job("job1", "document1", "default", "leave.md", "upload:leave.md", JobState.FAILED)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Runs `lorekeeper documents` on a data folder of its own."""
    with commanding(tmp_path, monkeypatch, capsys) as commands:
        yield commands


def add_unreadable(run: Commands, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Add files at a time when none can be read."""

    def unreadable(*arguments: Any) -> Any:
        raise UnreadableDocument("A program is missing.")

    with monkeypatch.context() as patch:
        patch.setattr("ingest.engine.split", unreadable)
        assert run("add", *arguments).status == 1


def add_without_worker(run: Commands, monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Files are received, and nobody works on them; whoever added them does not wait."""

    def give_up(*arguments: Any) -> Any:
        raise EmbeddingFailed("Nobody waits.")

    with monkeypatch.context() as patch:
        patch.setenv("LOREKEEPER_JOBS__RUN", "false")
        patch.setattr("ingest.waiting.Waiting.all", give_up)
        assert run("add", *paths).status == 1


class TestJobs:
    def test_what_ended_is_listed_with_who_brought_it(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        run("add", "-n", "hr", folder)
        listed = run("jobs")
        assert listed.status == 0
        head, *rows, of_all = listed.out.splitlines()
        assert head.split() == ["id", "state", "since", "file"]
        assert any(row.split()[1::3] == ["done", "vacation.md"] for row in rows)
        (failed,) = [number for number, row in enumerate(rows) if "bad.pdf" in row]
        assert rows[failed + 1].strip() == "The file is damaged or not a valid PDF."
        assert of_all == "All in the namespace hr, by ana (command line)."

    def test_on_a_narrow_terminal_names_stay_whole(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        names = ["visitor-guide-2026.md", "parental-leave-policy.md"]
        for name, namespace in zip(names, ("hr", "it"), strict=True):
            run("add", "-n", namespace, put(folder / name, VACATION))
        *rows, of_all = run("jobs").out.splitlines()[1:]
        assert [row.split()[-1] for row in rows] == ["parental-leave-policy.md", "it", "visitor-guide-2026.md", "hr"]
        assert of_all == "All by ana (command line)."

    def test_only_failures_and_only_a_namespace(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        run("add", folder)
        failed = run("jobs", "--failed", "--json").json
        assert [(job["name"], job["state"]) for job in failed["jobs"]] == [("bad.pdf", "failed")]
        assert failed["jobs"][0]["origin"] == {"channel": "command line", "person": "ana"}
        assert run("jobs", "-n", "hr", "--json").json == {"jobs": [], "total": 0}
        assert run("jobs", "-n", "HR docs").status == 1

    def test_more_than_the_limit_is_said(self, run: Commands, folder: Path) -> None:
        for name in ("a.md", "b.md", "c.md"):
            put(folder / name, VACATION)
        run("add", folder)
        assert run("jobs", "--limit", 2).out.endswith("2 of 3; see more with --limit 3\n")

    def test_those_that_wait_are_listed_in_their_order(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [put(folder / name, VACATION) for name in ("b.md", "a.md")]
        add_without_worker(run, monkeypatch, *paths)
        rows = run("jobs").rows
        assert [row[1::3] for row in rows[:2]] == [["waiting", "b.md"], ["waiting", "a.md"]]
        assert rows[2] == ["1", "before", "it"]

    def test_that_nobody_works_on_what_waits_is_said_with_what_to_do(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_without_worker(run, monkeypatch, put(folder / "vacation.md", VACATION))
        assert "because no `lorekeeper run` is running. They are safe: start it" in run("jobs").out
        monkeypatch.setenv("LOREKEEPER_JOBS__RUN", "false")
        assert "whose setting jobs.run is true" in run("jobs").out
        monkeypatch.delenv("LOREKEEPER_JOBS__RUN")
        run("add", put(folder / "travel.md", "By train."))
        run("retry", "--all")
        assert "Nobody works" not in run("jobs", "--failed").out

    def test_what_failed_and_came_again_is_no_work_to_do(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_unreadable(run, monkeypatch, put(folder / "vacation.md", VACATION))
        (job,) = run("jobs", "--failed", "--json").json["jobs"]
        run("add", put(folder / "vacation.md", VACATION.replace("25", "30")))
        assert run("jobs", "--failed", "--json").json == {"jobs": [], "total": 0}
        assert run("jobs", "--json").json["total"] == 2, "it is told with the others"
        assert "vacation.md came again since" in run("retry", job["id"]).err

    def test_what_ended_is_in_no_stage_of_the_work(self, run: Commands, folder: Path) -> None:
        put(folder / "vacation.md", VACATION)
        put(folder / "bad.pdf", b"%PDF-1.4 and then nothing")
        run("add", folder)
        ended = run("jobs", "--json").json["jobs"]
        assert {(job["state"], job["stage"]) for job in ended} == {("done", "ended"), ("failed", "ended")}


class TestCancel:
    def test_a_file_that_waits_is_given_up(self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add_without_worker(run, monkeypatch, put(folder / "vacation.md", VACATION))
        (job,) = run("jobs", "--json").json["jobs"]
        assert run("cancel", job["id"][:8]).out == "Cancelled vacation.md\n"
        assert run("jobs", "--json").json["jobs"][0]["state"] == "cancelled"
        again = run("cancel", job["id"])
        assert (again.status, again.out) == (1, "")
        assert "vacation.md was cancelled already." in again.err

    def test_what_failed_cannot_be_given_up(self, run: Commands, folder: Path) -> None:
        run("add", put(folder / "bad.pdf", b"%PDF-1.4 and then nothing"))
        (job,) = run("jobs", "--failed", "--json").json["jobs"]
        assert "bad.pdf has failed already." in run("cancel", job["id"]).err

    def test_what_is_unknown_is_said(self, run: Commands) -> None:
        assert "There is no job 0123456789" in run("cancel", "0123456789").err


class TestRetry:
    def test_what_failed_is_tried_again_and_its_end_is_shown(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_unreadable(run, monkeypatch, put(folder / "vacation.md", VACATION))
        (job,) = run("jobs", "--failed", "--json").json["jobs"]
        retried = run("retry", job["id"][:8])
        assert (retried.status, retried.out) == (0, "Documents: 1 added. Passages indexed: 1.\n")
        assert run("jobs", "--failed", "--json").json["total"] == 0

    def test_what_fails_again_says_why_and_gives_status_1(self, run: Commands, folder: Path) -> None:
        run("add", put(folder / "bad.pdf", b"%PDF-1.4 and then nothing"))
        (job,) = run("jobs", "--failed", "--json").json["jobs"]
        retried = run("retry", job["id"])
        assert (retried.status, retried.out) == (1, "Documents: 1 failed. Passages indexed: 0.\n")
        assert "Not indexed: bad.pdf: The file is damaged" in retried.err

    def test_all_leaves_alone_what_was_mended_or_removed_since(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = ("failed.md", "mended.md", "removed.md")
        for name in names:
            put(folder / name, f"# {name}\n\nThe first version.\n")
        add_unreadable(run, monkeypatch, folder)
        run("add", put(folder / "mended.md", "# Mended\n\nThe second version.\n"))
        run("remove", run.id_of("removed.md"))
        retried = run("retry", "--all")
        assert (retried.status, retried.out) == (0, "Documents: 1 added. Passages indexed: 1.\n")
        listed = run("list", "--json").json["documents"]
        assert sorted(each["title"] for each in listed) == ["Mended", "failed.md"]

    def test_of_several_failures_of_a_document_the_last_one_is_tried_again(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = put(folder / "leave.md", "# First\n\nText.\n")
        add_unreadable(run, monkeypatch, path)
        add_unreadable(run, monkeypatch, put(path, "# Second\n\nText.\n"))
        assert run("jobs", "--failed", "--json").json["total"] == 2
        run("retry", "--all")
        assert [each["title"] for each in run("list", "--json").json["documents"]] == ["Second"]

    def test_what_failed_for_now_is_told_and_waits(
        self, run: Commands, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_unreadable(run, monkeypatch, put(folder / "vacation.md", VACATION))
        (job,) = run("jobs", "--failed", "--json").json["jobs"]

        def away(embedder: WordEmbedder, texts: Sequence[str]) -> Any:
            raise EmbeddingFailed("The embedding server does not answer.")

        monkeypatch.setattr(WordEmbedder, "embed", away)
        retried = run("retry", job["id"])
        assert retried.status == 1
        told = "The embedding server does not answer. It is tried again by itself."
        assert f"Not indexed: vacation.md: {told}" in retried.err
        assert run("jobs", "--json").json["jobs"][0]["state"] == "waiting"

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ([], "Give the ids of jobs, which"),
            (["0123456789", "--all"], "Give either the ids of jobs or --all, not both."),
        ],
    )
    def test_either_ids_or_all(self, run: Commands, tmp_path: Path, arguments: list[str], told: str) -> None:
        refused = run("retry", *arguments)
        assert (refused.status, told in refused.err) == (1, True)
        assert not (tmp_path / "data").exists()


class TestOutcome:
    def test_of_what_was_cancelled_meanwhile(self) -> None:
        (change,) = outcome(replace(JOB, state=JobState.CANCELLED))
        assert (change.kind, change.message) == (ChangeKind.FAILED, "It was cancelled.")

    def test_of_a_file_with_others_inside(self) -> None:
        changes = (DocumentChange(ChangeKind.ADDED, "a.zip/b.md"), DocumentChange(ChangeKind.ADDED, "a.zip"))
        assert outcome(replace(JOB, state=JobState.DONE, changes=changes)) == changes

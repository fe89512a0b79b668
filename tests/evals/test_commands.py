"""`lorekeeper eval …`: what is refused before anything is measured, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import InvalidRequest
from evals.commands import app
from tests.evals.recorded import ROWS, run


def evaluate(*arguments: object) -> str:
    """What is printed. Raises what the command raised, `SystemExit` when it was called wrongly."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(" ".join(done.output.replace("│", " ").split()))  # without the frame and its line breaks
    return done.stdout


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(json.dumps({"doc_id": "a", "text": "Thirteen days of leave."}) + "\n")
    (folder / "questions.jsonl").write_text("")
    return folder


class TestIngest:
    def test_small_documents_are_measured_in_tenths_and_recorded(self, tmp_path: Path) -> None:
        rows = [
            json.loads(line) for line in evaluate("ingest", "--small", 12, "--json", "--save", tmp_path).splitlines()
        ]
        assert [row["part"] for row in rows][-2:] == ["10/10", "all"]
        assert json.loads((tmp_path / "small.json").read_text())["rows"] == rows

    def test_a_folder_of_files_and_a_data_set_are_told_apart(self, dataset: Path, tmp_path: Path) -> None:
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "leave.txt").write_text("Thirteen days of leave.")
        lines = evaluate("ingest", dataset, tmp_path / "files", "--json").splitlines()
        texts, files = map(json.loads, lines)
        assert (texts["dataset"], texts["pages"], texts["stages"]["receiving"]) == ("tiny", None, 0.0)
        assert (files["dataset"], files["pages"]) == ("files", 0)
        assert files["reader_peak_mb"] > 5

    def test_seconds_of_stages_are_printed(self, dataset: Path) -> None:
        printed = evaluate("ingest", dataset)
        assert [line.split()[0] for line in printed.splitlines() if "(s)" in line] == [
            *("receiving", "reading", "splitting", "embedding", "vectors", "record", "other")
        ]

    @pytest.mark.parametrize("arguments", [[], ["--small", "5", "folder"]])
    def test_either_folders_or_made_documents(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit, match="not both"):
            evaluate("ingest", *arguments)

    def test_made_documents_go_beside_nothing(self) -> None:
        with pytest.raises(SystemExit, match="not with --small"):
            evaluate("ingest", "--small", 5, "--beside", "langchain")

    def test_a_data_set_goes_beside_nothing(self, dataset: Path) -> None:
        with pytest.raises(InvalidRequest, match="is a data set, and no folder of files"):
            evaluate("ingest", dataset, "--beside", "langchain")

    def test_an_unknown_system_is_told_before_anything_is_indexed(self, tmp_path: Path) -> None:
        (tmp_path / "leave.txt").write_text("Thirteen days of leave.")
        with pytest.raises(InvalidRequest, match="no lucene to put files through; there are langchain, markitdown"):
            evaluate("ingest", tmp_path, "--beside", "lucene")

    def test_a_folder_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="does not exist"):
            evaluate("ingest", tmp_path / "none")


@pytest.mark.parametrize("what", ["retrieval", "answers"])
def test_without_a_question_that_can_be_scored_there_are_no_figures(dataset: Path, what: str) -> None:
    (dataset / "questions.jsonl").write_text(json.dumps({"qid": "1", "question": "Why?"}) + "\n")
    with pytest.raises(InvalidRequest, match="tiny has no question that can be scored: none of its 1 questions"):
        evaluate(what, dataset)


def test_tables_of_parsing_are_not_cut(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.ending{number}").write_bytes(b"MZ" + bytes(50))
    printed = evaluate("parse", tmp_path)
    assert max(map(len, printed.splitlines())) <= 80
    assert all(f"ending{number}" in printed for number in range(9))
    assert "processes_broken" in printed
    assert "…" not in printed


class TestReport:
    @pytest.fixture
    def results(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        from evals.record import save

        folder = tmp_path / "elsewhere"
        folder.mkdir()
        monkeypatch.chdir(folder)
        save(run("load", ROWS["load"]), tmp_path / "results")
        return tmp_path / "results"

    def test_the_page_of_another_project_is_left_alone(self, results: Path) -> None:
        Path("docs").mkdir()
        Path("docs/benchmarks.md").write_text("Ours.")
        with pytest.raises(InvalidRequest, match=r"no checkout of Lorekeeper.*--page FILE"):
            evaluate("report", "--results", results)
        assert Path("docs/benchmarks.md").read_text() == "Ours."

    @pytest.mark.parametrize("option", ["--page", "--out"])
    def test_a_page_that_is_named_is_written_anywhere(self, results: Path, option: str) -> None:
        assert evaluate("report", "--results", results, option, "page.md").splitlines() == ["page.md"]
        assert "50 questions per second" in Path("page.md").read_text()

    def test_in_a_checkout_its_own_page_is_written(self, results: Path) -> None:
        Path("evals/results").mkdir(parents=True)
        evaluate("report", "--results", results)
        assert "50 questions per second" in Path("docs/benchmarks.md").read_text()

"""How fast documents are indexed: texts of a data set, and files that go the whole way."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.settings import Settings, load
from core.settings_documents import Jobs
from evals.datasets import CorpusDocument, Dataset
from evals.ingesting import Indexed, evaluate_files, evaluate_ingest, files_in
from ingest.parse.process import ParserProcess
from tests.pdf import make_pdf

KEYS = [
    *("dataset", "system", "files", "documents", "pages", "refused", "skipped", "chunks", "seconds"),
    *("documents_per_second", "pages_per_second", "chunks_per_second", "tokens_per_second", "read_per_second"),
    *("stages", "embedding_share", "peak_rss_mb", "reader_peak_mb", "reasons", "versions"),
]
STAGES = ["receiving", "reading", "splitting", "embedding", "vectors", "record", "other"]
CORPUS = Dataset(
    "tiny",
    tuple(
        CorpusDocument(str(number), f"Leave {number}", f"You accrue {number} days of annual leave. " * 12)
        for number in range(6)
    ),
    (),
)


def unheard(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    (folder / "inner").mkdir(parents=True)
    (folder / "leave.md").write_text("# Leave\n\nYou accrue 13 days of annual leave per year.\n")
    (folder / "inner" / "travel.pdf").write_bytes(make_pdf(["Travel needs the approval of a manager.", "It is paid."]))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"x" * 100)
    (folder / "blank.txt").write_text("  \n")
    (folder / "setup.exe").write_bytes(b"MZ" + bytes(50))
    (folder / ".hidden.txt").write_text("Nobody looks here.")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("laptops.txt", "Laptops are replaced every four years.")
    return folder


def figures(**changed: object) -> Indexed:
    fields: dict[str, object] = {
        "dataset": "tiny",
        "system": "lorekeeper",
        "files": 7,
        "documents": 6,
        "pages": 12,
        "skipped": 0,
        "refused": {"It is damaged.": 1},
        "chunks": 24,
        "seconds": 8.0,
        "tokens": 400,
        "stages": {"reading": 2.0, "embedding": 6.0},
        "peak_rss_mb": 100.0,
    }
    return Indexed(**{**fields, **changed})  # type: ignore[arg-type]


def test_rates_are_of_the_whole_time_and_that_of_reading_of_its_own() -> None:
    found = figures().row()
    assert list(found) == KEYS
    assert (found["documents_per_second"], found["pages_per_second"], found["chunks_per_second"]) == (0.75, 1.5, 3.0)
    assert (found["tokens_per_second"], found["read_per_second"], found["embedding_share"]) == (50, 3.0, 0.75)
    assert (found["refused"], found["reasons"]) == (1, {"It is damaged.": 1})


def test_a_system_that_only_reads_indexes_no_documents_per_second() -> None:
    found = figures(chunks=None, tokens=None, stages={"reading": 8.0}).row()
    assert list(found) == KEYS
    assert {name for name, value in found.items() if value is None} == {
        *("chunks", "documents_per_second", "pages_per_second", "chunks_per_second", "tokens_per_second"),
        *("embedding_share", "reader_peak_mb"),
    }
    assert found["read_per_second"] == 0.75


async def test_texts_are_indexed_and_the_time_is_taken_apart() -> None:
    found = await evaluate_ingest(CORPUS, load(), unheard)
    assert list(found) == KEYS
    assert (found["dataset"], found["documents"], found["pages"]) == ("tiny", 6, None)
    assert found["chunks"] >= 6
    assert list(found["stages"]) == STAGES
    assert found["stages"]["embedding"] > 0
    assert found["stages"]["record"] > 0
    assert found["stages"]["receiving"] == 0
    assert 0 < found["embedding_share"] < 1
    assert found["tokens_per_second"] > 0
    assert found["reader_peak_mb"] is None


async def test_files_go_the_whole_way_and_what_is_not_read_is_counted(folder: Path) -> None:
    reported: list[tuple[int, int]] = []
    settings: Settings = load().model_copy(update={"jobs": Jobs(run=False)})
    found = await evaluate_files(folder, settings, lambda stage, done, total: reported.append((done, total)))
    assert list(found) == KEYS
    assert (found["dataset"], found["files"], found["pages"]) == ("handbook", 6, 2)
    # The one inside the archive is one of them; the archive itself is not.
    assert (found["documents"], found["refused"], found["skipped"]) == (3, 1, 2)
    [reason] = found["reasons"]
    assert reason.endswith(".")
    assert list(found["stages"]) == STAGES
    assert found["stages"]["reading"] > 0
    assert found["stages"]["receiving"] + found["stages"]["record"] > 0
    assert found["reader_peak_mb"] > 5
    assert reported[-1][0] == reported[-1][1]


async def test_the_parts_are_as_before_afterwards(folder: Path) -> None:
    before = ParserProcess.parse
    with pytest.raises(InvalidRequest):
        await evaluate_files(folder / "none", load(), unheard)
    await evaluate_ingest(CORPUS, load(), unheard)
    assert ParserProcess.parse is before


def test_all_files_are_listed_but_hidden_ones(folder: Path) -> None:
    assert [path.name for path in files_in(folder)] == [
        *("blank.txt", "broken.pdf", "travel.pdf", "leave.md", "more.zip", "setup.exe"),
    ]


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="holds no file"):
        files_in(tmp_path)
    with pytest.raises(InvalidRequest, match="does not exist"):
        files_in(tmp_path / "none")

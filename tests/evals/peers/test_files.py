"""Files through other systems, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidRequest
from evals.ingesting import Indexed
from evals.peers import files
from evals.peers.files import SUBJECTS, compare
from evals.peers.process import Subject
from evals.peers.protocol import FileJob, FileResult

OWN = Indexed("set", "lorekeeper", 1, 1, 0, {}, 0, 1, 1.0, 1, {}, 1.0).row()


def unheard(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "leave.txt").write_text("You accrue 13 days of leave. It expires after two years.")
    (folder / "travel.md").write_text("Travel needs approval.")
    (folder / "blank.txt").write_text(" \n")
    (folder / "paper.pdf").write_bytes(b"%PDF-1.7")
    (folder / "setup.exe").write_bytes(b"MZ")
    return folder


@pytest.fixture
def _fakes(environments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Subject(Path(__file__).with_name("fake_files.py"), "fake")
    monkeypatch.setattr(files, "SUBJECTS", {**SUBJECTS, "converts": fake, "indexes": fake})


@pytest.mark.usefixtures("_fakes")
async def test_every_system_gets_the_same_files_and_what_it_cannot_read_is_counted(folder: Path) -> None:
    converts, indexes = await compare(folder, ["converts", "indexes"], unheard)
    assert list(converts) == list(indexes) == list(OWN)
    for row in (converts, indexes):
        assert (row["dataset"], row["files"], row["documents"], row["refused"]) == ("handbook", 5, 2, 3)
        # No path: the page that it may end up on is for everybody.
        assert row["reasons"] == {"no text": 1, "ValueError: no reader for .pdf": 1, "OSError": 1}
        assert row["read_per_second"] is None or row["read_per_second"] > 0
        assert row["peak_rss_mb"] > 1


@pytest.mark.usefixtures("_fakes")
async def test_the_memory_of_who_starts_a_system_is_not_the_systems(folder: Path) -> None:
    held = b"x" * 300_000_000
    [row] = await compare(folder, ["converts"], unheard)
    assert row["peak_rss_mb"] < len(held) / 1e6


@pytest.mark.usefixtures("_fakes")
async def test_one_that_indexes_is_taken_apart(folder: Path) -> None:
    [row] = await compare(folder, ["indexes"], unheard)
    assert list(row["stages"]) == ["reading", "splitting", "embedding", "vectors"]
    assert row["stages"]["embedding"] > 0
    assert sum(row["stages"].values()) == pytest.approx(row["seconds"], abs=0.03)
    assert 0 < row["embedding_share"] <= 1
    assert (row["chunks"], row["pages"]) == (3, 4)


@pytest.mark.usefixtures("_fakes")
async def test_one_that_converts_has_only_a_speed_of_reading(folder: Path) -> None:
    [row] = await compare(folder, ["converts"], unheard)
    assert list(row["stages"]) == ["reading"]
    assert (row["chunks"], row["documents_per_second"], row["embedding_share"], row["pages"]) == (
        None,
        None,
        None,
        None,
    )


async def test_beside_nothing_nothing_is_run(folder: Path) -> None:
    assert await compare(folder, [], unheard) == []


async def test_a_missing_environment_is_told(folder: Path, environments: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"python -m evals\.peers\.setup markitdown"):
        await compare(folder, ["markitdown"], unheard)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    result = FileResult(2, None, {"no text": 1}, 3, 1.5, {"reading": 0.5}, 90.0, {"library": "1.0"})
    result.write(tmp_path / "result.json")
    assert FileResult.read_from(tmp_path / "result.json") == result
    FileJob("fake", ["/a", "/b"], "/model", "/workspace").write(tmp_path / "job.json")
    assert '"files": ["/a", "/b"]' in (tmp_path / "job.json").read_text()

"""`lorekeeper tune …` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import InvalidRequest
from tests.fakes.openai_server import MODEL, fake_openai
from tests.tuning.dataset.library import build_library
from tuning.commands import app
from tuning.dataset import files
from tuning.dataset.review import reviewed


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(autouse=True)
def _data(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(library))


def tune(*arguments: object, typed: str = "") -> str:
    """What is printed. Raises what the command raised, `SystemExit` when it was called wrongly."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], input=typed, catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(done.output)
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_twice_has_the_same_bytes(tmp_path: Path) -> None:
    said = tune("dataset", tmp_path / "one", "--most", 30)
    tune("dataset", tmp_path / "two", "--most", 30)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert set(contents(tmp_path / "one")) == {
        files.TRAIN, files.TEST, files.PREFERENCES, files.CARD, files.MANIFEST,
    }  # fmt: skip
    train = (tmp_path / "one" / files.TRAIN).read_text().splitlines()
    assert f"Examples: {len(train)} to train" in said
    assert "1 document is left out" in said


def test_a_review_is_kept_over_a_dataset_that_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    tune("dataset", folder, "--most", 30)
    before = files.read_examples(folder)
    assert "Accepted: 1, rejected: 1, edited: 0" in tune("review", folder, typed="a\nr\nq\n")
    tune("dataset", folder, "--most", 30)
    assert len(reviewed(folder).examples) == len(before) - 1
    assert "3 of" in tune("review", folder, typed="q\n")


def test_who_uses_a_document_is_told_without_making_anything(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    tune("dataset", folder, "--most", 30)
    made = contents(folder)
    example = next(each for each in files.read_examples(folder) if each.lineage.answer)
    assert example.hash in tune("dataset", folder, "--who-uses", example.lineage.answer[0].document_id)
    assert "Nothing in" in tune("dataset", folder, "--who-uses", "slack:U404")
    assert contents(folder) == made


def test_a_teachers_replies_are_kept_beside_the_dataset_and_its_key_is_not(tmp_path: Path) -> None:
    reply = json.dumps(
        {
            "question": "How many characters do passwords have at least?",
            "answer": "Passwords have at least 16 characters.",
        }
    )
    folder = tmp_path / "set"
    with fake_openai(answer=reply, key="sesame") as teacher:
        options = ("--teacher", teacher.url, "--teacher-model", MODEL, "--teacher-key", "sesame", "--test", 0)
        tune("dataset", folder, *options)
        asked = len(teacher.requests)
        before = contents(folder)
        tune("dataset", folder, *options)
        assert len(teacher.requests) == asked
    assert contents(folder) == before
    assert not any(b"sesame" in content for content in before.values())
    assert files.read_manifest(folder)["made_with"]["teacher"] == MODEL


def test_a_folder_of_something_else_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidRequest, match="holds other files"):
        tune("dataset", tmp_path)


def test_a_namespace_without_documents_is_told_with_those_that_have_some(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"in the namespace nobody\. There are documents in .*--namespace nobody"):
        tune("dataset", tmp_path / "set", "-n", "nobody")
    assert not (tmp_path / "set").exists()


def test_a_teacher_that_is_none_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="--teacher takes the address"):
        tune("dataset", tmp_path / "set", "--teacher", "localhost:8000", "--teacher-model", MODEL)
    assert not (tmp_path / "set").exists()


def test_a_review_of_what_is_no_dataset_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no dataset"):
        tune("review", tmp_path)

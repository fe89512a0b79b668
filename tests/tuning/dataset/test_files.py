"""A dataset's folder: what is written, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidRequest, StorageFailed
from tests.tuning.dataset.made import LEAVE, TRAVEL, example
from tuning.dataset import files
from tuning.dataset.types import Example, Lineage, Preference, Split, person

FIRST = example(people=(person("slack:U1"),))
SECOND = example("May I travel?", f"{TRAVEL.text} [1]", (TRAVEL,), split=Split.TEST)
PAIR = Preference("default", FIRST.prompt, FIRST.answer, "Nobody knows.", Lineage(people=(person("slack:U2"),)))


def written(folder: Path, *examples: Example) -> dict[str, str]:
    rows = {
        name: files.json_lines(files.example_row(each) for each in examples if each.split is split)
        for name, split in ((files.TRAIN, Split.TRAIN), (files.TEST, Split.TEST))
    }
    index = files.lineage_index(examples, [PAIR])
    made = rows | {files.MANIFEST: files.manifest(rows, {"seed": 1}, "prompt", index)}
    files.write_folder(folder, made)
    return made


def test_examples_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path / "set", FIRST, SECOND)
    assert sorted(files.read_examples(tmp_path / "set"), key=lambda each: each.split) == [SECOND, FIRST]


def test_a_line_is_what_trainers_read() -> None:
    row = json.loads(files.json_lines([files.example_row(FIRST)]))
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    assert row["messages"][-1]["content"] == FIRST.answer
    assert row["lineage"]["answer"] == [{"document_id": "d-leave", "version": 1, "chunk_ids": ["c-leave"]}]
    pair = json.loads(files.json_lines([files.preference_row(PAIR)]))
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == (FIRST.answer, "Nobody knows.")
    assert pair["prompt"] == row["messages"][:-1]


def test_a_line_separator_in_a_text_does_not_break_its_line(tmp_path: Path) -> None:
    odd = example("How\u2028much\u0085leave?")
    written(tmp_path / "set", odd)
    assert files.read_examples(tmp_path / "set") == [odd]


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    written(tmp_path / "set", FIRST)
    assert (tmp_path / "set").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "set").iterdir())


def test_the_manifest_has_the_hashes_of_what_lies_beside_it(tmp_path: Path) -> None:
    made = written(tmp_path / "set", FIRST, SECOND)
    row = files.read_manifest(tmp_path / "set")
    assert row["files"] == {name: files.sha256(made[name]) for name in (files.TEST, files.TRAIN)}
    assert row["hash"] != json.loads(written(tmp_path / "other", FIRST)[files.MANIFEST])["hash"]


def test_a_dataset_that_was_not_written_to_its_end_is_none_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "set", FIRST)
    real = files.write_text

    def killed(path: Path, text: str) -> None:
        if path.name == files.TRAIN:
            (path.parent / f".{path.name}.x7").write_text("half")
            raise KeyboardInterrupt
        real(path, text)

    monkeypatch.setattr(files, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "set", SECOND)
    monkeypatch.undo()
    with pytest.raises(InvalidRequest, match="is no dataset"):
        files.read_examples(tmp_path / "set")
    files.check_free(tmp_path / "set")
    written(tmp_path / "set", SECOND)
    assert files.read_examples(tmp_path / "set") == [SECOND]


class TestUses:
    def test_a_document_that_was_only_quoted_is_found(self, tmp_path: Path) -> None:
        quoting = replace(FIRST, lineage=replace(FIRST.lineage, quoted=("d-quoted",)))
        written(tmp_path / "set", quoting)
        assert files.lineage_uses(files.read_manifest(tmp_path / "set"), "d-quoted") == [FIRST.hash]
        assert files.read_examples(tmp_path / "set") == [quoting]

    def test_a_document_is_found_by_its_id_or_the_beginning_of_it(self, tmp_path: Path) -> None:
        written(tmp_path / "set", FIRST, SECOND)
        row = files.read_manifest(tmp_path / "set")
        assert files.lineage_uses(row, "d-leave") == [FIRST.hash]
        assert files.lineage_uses(row, "d-trav") == sorted([FIRST.hash, SECOND.hash])
        assert files.lineage_uses(row, "d-none") == []

    def test_a_person_is_found_by_the_stored_id_and_by_the_datasets_own(self, tmp_path: Path) -> None:
        written(tmp_path / "set", FIRST, SECOND)
        row = files.read_manifest(tmp_path / "set")
        assert files.lineage_uses(row, "slack:U1") == [FIRST.hash]
        assert files.lineage_uses(row, person("slack:U2")) == [PAIR.hash]
        assert "slack:U1" not in (tmp_path / "set" / files.MANIFEST).read_text()

    def test_too_little_of_an_id_is_not_taken_for_unknown(self, tmp_path: Path) -> None:
        written(tmp_path / "set", FIRST)
        row = files.read_manifest(tmp_path / "set")
        with pytest.raises(InvalidRequest, match="at least 6 characters"):
            files.lineage_uses(row, "d-lea")
        assert files.lineage_uses(row, "none") == []

    def test_a_beginning_that_several_have_is_refused(self) -> None:
        row: files.Row = {"lineage": {"documents": {"abcdef1": [], "abcdef2": []}, "people": {}}}
        with pytest.raises(InvalidRequest, match="More than one"):
            files.lineage_uses(row, "abcdef")


class TestRefusals:
    def test_a_folder_with_other_files_is_not_written_to(self, tmp_path: Path) -> None:
        files.check_free(tmp_path / "new")
        files.check_free(tmp_path)
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(InvalidRequest, match=r"holds other files \(thesis\.txt\)"):
            files.check_free(tmp_path)
        with pytest.raises(InvalidRequest, match="is a file"):
            files.check_free(tmp_path / "thesis.txt")

    def test_a_dataset_is_made_again_in_its_place(self, tmp_path: Path) -> None:
        written(tmp_path / "set", FIRST)
        files.check_free(tmp_path / "set")

    def test_a_folder_that_is_none_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="is no dataset"):
            files.read_examples(tmp_path)

    @pytest.mark.parametrize("line", ["{", "[]", '{"messages": []}', "null"])
    def test_a_line_that_is_no_example_is_named(self, tmp_path: Path, line: str) -> None:
        written(tmp_path / "set", FIRST)
        with (tmp_path / "set" / files.TRAIN).open("a") as file:
            file.write(f"{line}\n")
        with pytest.raises(InvalidRequest, match=r"train\.jsonl, line 2, is not"):
            files.read_examples(tmp_path / "set")

    def test_a_manifest_of_another_version_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / files.MANIFEST).write_text('{"format": 99}')
        with pytest.raises(InvalidRequest, match="another version"):
            files.read_manifest(tmp_path)


def test_the_hash_is_of_what_a_model_sees() -> None:
    assert example().hash == example(people=("person-x",)).hash
    assert example().hash != example(answer=f"{LEAVE.text} [2]").hash
    assert example().hash != example(namespace="hr").hash


def test_a_line_that_a_killed_process_was_writing_swallows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "replies.jsonl"
    assert list(files.added_rows(path)) == []
    files.add_rows(path, [{"key": "a"}, {"key": "ü"}])
    path.write_bytes(path.read_bytes() + '{"key": "torn ü'.encode()[:-1])
    files.add_rows(path, [{"key": "c"}])
    assert [row["key"] for row in files.added_rows(path)] == ["a", "ü", "c"]
    assert path.stat().st_mode & 0o077 == 0


def test_half_of_a_surrogate_pair_can_be_kept(tmp_path: Path) -> None:
    files.add_rows(tmp_path / "replies.jsonl", [{"key": "a", "reply": "Well \ud83d"}])
    assert list(files.added_rows(tmp_path / "replies.jsonl")) == [{"key": "a", "reply": "Well ?"}]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageFailed, match="cannot be written"):
        files.add_rows(tmp_path / "taken" / "replies.jsonl", [{"key": "a"}])

"""The model that is trained, as it is read before any weights are."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from tuning.training.models import is_for_hub, read_base


def with_program(base: Path, folder: Path, file: str, names: dict[str, str]) -> Path:
    """A copy that brings a program for one of its parts, which leaves a file where it is run."""
    shutil.copytree(base, folder)
    (folder / "own.py").write_text(f"open({str(folder / 'was_run')!r}, 'w').close()\nclass Own: ...\n")
    described = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**described, "model_type": "own", "auto_map": names}))
    return folder


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("config.json", {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["own.Own", None]}),
    ],
)
def test_programs_that_a_model_brings_are_never_run(
    model: Path, tmp_path: Path, file: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_program(model, tmp_path / "model", file, names)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with contextlib.suppress(InvalidRequest):
        read_base(str(folder), "")
    assert not (folder / "was_run").exists()


def test_a_folder_is_known_by_what_is_in_it(model: Path, tmp_path: Path) -> None:
    copied, changed = tmp_path / "copied", tmp_path / "changed"
    shutil.copytree(model, copied)
    shutil.copytree(model, changed)
    (changed / "generation_config.json").write_text('{"eos_token_id": 1}')
    revisions = [read_base(str(folder), "").model.revision for folder in (model, copied, changed)]
    assert revisions[0] == revisions[1] != revisions[2]


@pytest.mark.parametrize(
    ("name", "expected"), [("nobody/nothing", True), ("./missing", False), ("/missing", False), ("", False)]
)
def test_what_looks_like_a_folder_is_not_for_the_hub(name: str, expected: bool) -> None:
    assert is_for_hub(name) is expected


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"holds no model: there is no config\.json"):
        read_base(str(tmp_path), "")
    with pytest.raises(InvalidRequest, match=r"There is no folder .*/missing\."):
        read_base(str(tmp_path / "missing"), "")

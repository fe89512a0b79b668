"""Recorded runs: written whole, read back as they were, and told by file when they cannot be read."""

from __future__ import annotations

import json
import math
import platform
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from evals.record import COMMANDS, Run, describe_machine, exact_command, load, read, recorded, save, versions

RUN = Run(
    name="growth",
    command="lorekeeper eval growth data --save results",
    date="2026-11-21",
    machine={"processor": "A processor", "cores": 2, "gpu": False},
    versions={"lorekeeper": "0.1.0"},
    rows=[{"system": "lorekeeper", "chunks": 1000, "query_ms_p50": 4.25}, {"system": "längchain", "curve": [[0.5, 1]]}],
    notes="Nobody else used the machine.",
)


def test_a_run_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    assert save(RUN, folder) == folder / "growth.json"
    assert load(folder) == {"growth": RUN}
    assert list(folder.iterdir()) == [folder / "growth.json"]


def test_a_changed_figure_is_one_changed_line(tmp_path: Path) -> None:
    before = save(RUN, tmp_path).read_text().splitlines()
    after = save(replace(RUN, rows=[{**RUN.rows[0], "chunks": 999}, RUN.rows[1]]), tmp_path).read_text().splitlines()
    [(old, new)] = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert new == old.replace("1000", "999")


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    path = save(replace(RUN, rows=[{"system": "x", "mrr": math.nan, "curve": [[math.inf, 1.0]]}]), tmp_path)
    assert json.loads(path.read_text())["rows"] == [{"system": "x", "mrr": None, "curve": [[None, 1.0]]}]


def test_a_run_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    save(RUN, tmp_path)
    with pytest.raises(TypeError):
        save(replace(RUN, rows=[{"system": object()}]), tmp_path)
    assert load(tmp_path) == {"growth": RUN}


@pytest.mark.parametrize("name", ["", "../growth", "a/b", ".hidden", "Größe"])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot name"):
        save(replace(RUN, name=name), tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match=r"growth\.json cannot be written"):
        save(RUN, tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "name is missing"),
        (json.dumps({"name": "peers", "command": "x", "date": "x", "machine": {}, "versions": {}}), "rows is missing"),
        (
            json.dumps({"name": "peers", "command": "x", "date": "x", "machine": {}, "versions": {}, "rows": [1]}),
            "a row is not an object",
        ),
        (
            json.dumps({"name": "load", "command": "x", "date": "x", "machine": {}, "versions": {}, "rows": []}),
            "its name is another one",
        ),
    ],
)
def test_a_broken_run_is_told_with_its_file_and_the_command_that_makes_it(
    tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "peers.json").write_text(content)
    with pytest.raises(InvalidRequest) as raised:
        load(tmp_path)
    assert str(tmp_path / "peers.json") in raised.value.message
    assert complaint in raised.value.message
    assert raised.value.message.endswith(COMMANDS["peers"])


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match="not JSON"):
        load(tmp_path)


def test_a_missing_run_or_folder_is_told_with_a_command(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"load\.json does not exist.*lorekeeper eval load"):
        read(tmp_path / "load.json")
    with pytest.raises(InvalidRequest, match=r"no recorded runs in .*none.*lorekeeper eval"):
        load(tmp_path / "none")


def test_a_run_without_notes_is_read(tmp_path: Path) -> None:
    path = save(RUN, tmp_path)
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "notes"}))
    assert read(path).notes == ""


def test_the_command_is_what_a_shell_takes_back() -> None:
    called = ["/home/someone/.venv/bin/lorekeeper", "eval", "retrieval", "my data/wix", "--save", "it's"]
    assert exact_command(called) == "lorekeeper eval retrieval 'my data/wix' --save 'it'\"'\"'s'"


def test_the_machine_is_described_without_its_name() -> None:
    machine = describe_machine()
    assert set(machine) == {"processor", "cores", "memory_gb", "system", "python", "gpu"}
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert 0.1 < machine["memory_gb"] < 100_000
    assert machine["python"] == platform.python_version()
    assert isinstance(machine["gpu"], bool)
    assert platform.node() not in json.dumps(machine)


def test_versions_are_those_of_what_is_installed() -> None:
    found = versions()
    assert {"lorekeeper", "chromadb", "onnxruntime", "numpy", "sqlalchemy", "fastapi", "uvicorn"} <= set(found)
    assert found["sqlite"] == sqlite3.sqlite_version


def test_what_was_just_measured_carries_all_that_it_depends_on() -> None:
    run = recorded("load", ["lorekeeper", "eval", "load"], [{"dataset": "x"}], "A note.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", run.date)
    assert (run.command, run.machine, run.versions) == ("lorekeeper eval load", describe_machine(), versions())
    assert (run.rows, run.notes) == ([{"dataset": "x"}], "A note.")

"""A data set that fits on a page, and an environment with peers that need no library."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals.peers import run, setup
from evals.peers.process import Subject

CORPUS: list[dict[str, Any]] = [
    {"doc_id": "a", "title": "Leave", "text": "You accrue 13 days of annual leave per year."},
    {"doc_id": "b", "title": "Travel", "text": "Travel to conferences needs the approval of a manager."},
    {"doc_id": "c", "title": "", "text": "Laptops are replaced every four years."},
]
QUESTIONS: list[dict[str, Any]] = [
    {"qid": "1", "question": "How many days of annual leave?", "gold_doc_ids": ["a"], "answerable": True},
    {
        "qid": "2",
        "question": "Does travel need approval of a manager",
        "history": [{"role": "user", "text": "Laptops are replaced every four years."}],
        "gold_doc_ids": ["b"],
    },
    {"qid": "3", "question": "Are laptops replaced?", "gold_doc_ids": ["c"]},
    {"qid": "4", "question": "Who painted the office?", "gold_doc_ids": [], "answerable": False},
    {"qid": "5", "question": "Who accrues days?", "gold_doc_ids": ["a"], "answerable": False},
]
FAKES = ("words", "backwards", "fickle", "broken", "silent", "hanging", "curious")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "tiny", CORPUS, QUESTIONS)


def write_dataset(folder: Path, corpus: list[dict[str, Any]], questions: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    for name, rows in (("corpus", corpus), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environments, with one that is called "fake"."""
    requirements, folder = tmp_path / "requirements", tmp_path / "environments"
    requirements.mkdir()
    (requirements / "fake.txt").write_text("fake==1\n")
    python = folder / "fake" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / "fake" / setup.STAMP).write_text("fake==1\n")
    monkeypatch.setattr(setup, "REQUIREMENTS", requirements)
    monkeypatch.setattr(setup, "ENVIRONMENTS", folder)
    return folder


@pytest.fixture
def fakes(environments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Makes the fake peers known to `compare`; returns what tells which of them were started."""
    log = tmp_path / "started.txt"
    monkeypatch.setenv("FAKE_LOG", str(log))
    fake = Subject(Path(__file__).with_name("fake_peer.py"), "fake")
    monkeypatch.setattr(run, "SUBJECTS", run.SUBJECTS | dict.fromkeys(FAKES, fake))
    return lambda: log.read_text().split() if log.exists() else []

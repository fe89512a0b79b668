"""`lorekeeper documents …` in this process, on a data folder of its own and with an embedder that needs no model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from core.cli import main
from tests.fakes.embedder import WordEmbedder


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Of the one line that was printed."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Of the table that was printed, without its head, as words."""
        return [line.split() for line in self.out.splitlines()[1:]]


@dataclass(frozen=True, slots=True)
class Commands:
    """Called with the arguments of `lorekeeper documents`."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Result:
        self.monkeypatch.setattr("sys.argv", ["lorekeeper", "documents", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self.capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, printed.out, printed.err)

    def id_of(self, title: str) -> str:
        """Of a document that is there."""
        listed = self("list", "--json").json["documents"]
        return str(next(each["id"] for each in listed if each["title"] == title))


@contextmanager
def commanding(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Commands in this folder, with nothing of the user's own settings."""
    for variable in [name for name in os.environ if name.startswith("LOREKEEPER_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.setattr("core.build.open_embedder", lambda settings: WordEmbedder())
    monkeypatch.chdir(folder)
    yield Commands(folder, monkeypatch, capsys)
    structlog.reset_defaults()

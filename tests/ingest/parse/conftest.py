"""A program in the place of tesseract, which says what a test wants."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program in the place of tesseract; its arguments and environment are kept in the folder returned."""

    def put(script: str) -> Path:
        program = tmp_path / "tesseract"
        program.write_text(
            f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\necho "$OMP_THREAD_LIMIT" > "{tmp_path}/threads"\n'
            f'head -c 15 > "{tmp_path}/picture"\ncat > /dev/null\n{script}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    return put


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

"""Logs: where they go, and that they never stand in the way."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest
import structlog

from core.log import configure
from core.settings import Log


class FullDisk:
    def isatty(self) -> bool:
        return False

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("kind", ["full", "closed"])
def test_a_log_that_cannot_be_written_breaks_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = (tmp_path / "closed").open("w")
    closed.close()
    monkeypatch.setattr(sys, "stderr", FullDisk() if kind == "full" else closed)
    log = structlog.get_logger("test")
    log.error("something failed", cause="why")


def test_a_line_is_an_object_when_it_is_set_so(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Log(format="json"))
    try:
        structlog.get_logger("test").info("indexed", documents=3)
    finally:
        configure(Log(level="debug"))
    assert '"documents": 3, "event": "indexed"' in capsys.readouterr().err

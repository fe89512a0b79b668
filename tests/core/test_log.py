"""Logs: where they go, and that they never stand in the way."""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from core.log import configure, id_of, reference, request, request_id
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


@contextmanager
def configured(settings: Log) -> Iterator[None]:
    """As in a process of its own, where nobody else listens to libraries."""
    level, handlers = logging.root.level, logging.root.handlers[:]
    logging.root.handlers.clear()
    configure(settings)
    try:
        yield
    finally:
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
        configure(Log(level="debug"))


def test_what_a_library_tells_is_an_object_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with configured(Log(format="json")):
        logging.getLogger("discord.gateway").warning("two\n%s", "lines")
        logging.getLogger("asyncio").error("it failed", exc_info=ValueError("why"))
        logging.getLogger("asyncio").info("not told")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("warning", "discord.gateway", "two\nlines")
    assert second["level"] == "error"
    assert "ValueError: why" in second["exception"]


def test_what_a_library_tells_has_no_line_breaks_for_a_person_either(capsys: pytest.CaptureFixture[str]) -> None:
    with configured(Log()):
        logging.getLogger("discord.gateway").warning("two\nlines \x1b[2J")
    (line,) = capsys.readouterr().err.splitlines()
    assert "discord.gateway" in line
    assert "\x1b[2J" not in line


def test_an_id_lasts_as_long_as_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger("test")
    with request("caller-17") as chosen:
        log.info("inside")
        assert (chosen, request_id(), reference()) == ("caller-17",) * 3
    log.info("outside")
    inside, outside = capsys.readouterr().err.splitlines()
    assert "caller-17" in inside
    assert "caller-17" not in outside
    assert request_id() == ""
    assert len(reference()) == 12


@pytest.mark.parametrize("given", ["", "a b", "a\nb", "a" * 65, "{x}"])
def test_what_is_no_id_becomes_a_new_one(given: str) -> None:
    with request(given) as chosen:
        assert chosen != given
        assert len(chosen) == 12


def test_two_requests_have_two_ids_and_a_message_always_the_same() -> None:
    with request() as first, request() as second:
        assert first != second
    assert id_of("slack:T1:C1:17.5") == id_of("slack:T1:C1:17.5") != id_of("slack:T1:C1:17.6")

"""What the commands about documents say of files, of people, and of work that goes on without them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from core.build import Application
from core.datafolder import Claim
from core.settings import Chroma, Database, Settings
from core.types import Document, DocumentStatus, Origin
from ingest.command_line import caller, file_of, goes_on, who

DOCUMENT = Document(
    "0" * 32, "default", "Vacation", "", DocumentStatus.READY, "text/plain", "", 1, datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("file:///srv/handbook/My%20leave.md", "My leave.md"),
        ("upload:leave.md", "leave.md"),
        ("upload:mail.eml!/leave.pdf", "leave.pdf in mail.eml"),
        ("file:///srv/a.zip!/hr/b.zip!/c.md", "c.md in hr/b.zip in a.zip"),
        ("https://example.org/rules/leave.html?page=2", "leave.html"),
        ("s3://bucket/hr/leave.md", "leave.md"),
        ("langchain:pages.Loader?site=x#leave%20days", "leave days"),
        ("upload:a\x1b[31mb.md", "a[31mb.md"),
    ],
)
def test_a_file_is_called_by_its_name_and_by_those_it_lies_in(source: str, name: str) -> None:
    assert file_of(replace(DOCUMENT, source=source)) == name


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (Origin("slack", "U1"), "U1 (slack)"),
        (Origin("source"), "source"),
        (Origin("", "ana"), "ana"),
        (Origin(), ""),
    ],
)
def test_who_brought_a_file_is_said_as_far_as_it_is_known(origin: Origin, told: str) -> None:
    assert who(origin) == told


def test_who_runs_a_command_is_the_user_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    assert caller() == Origin("command line", "ana")


def application(settings: Settings, claim: object) -> Application:
    nothing: Any = None
    parts = (nothing,) * 6
    return Application(settings, *parts, claim=cast("Claim | None", claim))


def test_who_stops_a_command_hears_who_goes_on(tmp_path: Path) -> None:
    embedded = Settings(data_dir=tmp_path)
    database, chroma = Database(url=SecretStr("postgresql://localhost/lore")), Chroma(url="http://localhost:8000")
    shared = Settings(data_dir=tmp_path, database=database, chroma=chroma)
    assert "finished by the running `lorekeeper run`;" in goes_on(application(embedded, None))
    assert "by the next `lorekeeper run`, or by the next command" in goes_on(application(embedded, object()))
    assert "by any `lorekeeper run` with this database" in goes_on(application(shared, None))

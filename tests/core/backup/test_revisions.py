"""Backups of older versions come back in this one, with what was added to the tables since; those of newer ones do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.engine import Connection

from core.backup.make import Made
from core.errors import InvalidRequest
from core.store.engine import open_engine, transaction
from core.store.migrations import HEAD, stored_revision
from core.store.migrations.run import configuration
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, back_up, put_back

DIGEST = "0" * 64
DOCUMENT = (
    "INSERT INTO documents (id, namespace, title, source, status, media_type, sha256, size_bytes, updated_at, chunks, losses) "
    f"VALUES ('document-1', 'default', 'Leave', '/leave.md', 'ready', 'text/markdown', '{DIGEST}', 1, '2026-01-02 03:04:05', 1, '[]')"
)
SECTION = (
    "INSERT INTO sections (document_id, id, text, headings) VALUES ('document-1', 's1', 'You accrue 13 days.', '[]')"
)
CHUNK = (
    "INSERT INTO chunks (id, document_id, section_id, ordinal, text, headings, fingerprint) "
    "VALUES ('c1', 'document-1', 's1', 0, 'You accrue 13 days.', '[]', 'x')"
)


def change(home: Home, work: Callable[[Connection], object]) -> None:
    home.folder.mkdir(exist_ok=True)
    engine = open_engine(home.settings.database_url, home.folder)
    with transaction(engine) as connection:
        work(connection)
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0004"])
@pytest.mark.parametrize(("before", "after"), [("sqlite", "postgres"), ("postgres", "sqlite")])
def test_a_backup_of_an_older_version_comes_back_in_this_one(
    home_at: OpenHome, place: Path, revision: str, before: str, after: str
) -> None:
    def begin(connection: Connection) -> None:
        command.upgrade(configuration(connection), revision)
        for statement in (DOCUMENT, SECTION, CHUNK):
            connection.exec_driver_sql(statement)

    old, new = home_at("old", before), home_at("new", after)
    change(old, begin)
    made = back_up(old, place)
    assert made.manifest.revision == revision
    assert made.manifest.missing_files == 1
    put_back(new, place, made)
    with new.open() as library:
        with library.engine.connect() as connection:
            assert stored_revision(connection) == HEAD
        (document,) = library.documents()
        assert (document.title, document.version, document.updated_at.isoformat()) == (
            "Leave",
            1,
            "2026-01-02T03:04:05+00:00",
        )
        assert library.words("accrue days") == ["c1"]
        assert [entry.version for entry in library.history.of("document-1")] == [1]
    change(old, lambda connection: check_unchanged(connection, revision))


def check_unchanged(connection: Connection, revision: str) -> None:
    """A backup brings nothing up to date."""
    assert stored_revision(connection) == revision


def test_a_database_of_a_newer_version_is_left_alone(home_at: OpenHome, filled: Home, copy: Made, place: Path) -> None:
    change(filled, lambda connection: connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(InvalidRequest, match="newer version"):
        back_up(filled, place)
    with pytest.raises(InvalidRequest, match="newer version"):
        put_back(filled, place, copy, may_replace=True)


def test_tables_of_another_program_are_left_alone(home_at: OpenHome, copy: Made, place: Path) -> None:
    new = home_at("new", "postgres")
    change(new, lambda connection: connection.exec_driver_sql("CREATE TABLE jobs (name text)"))
    with pytest.raises(InvalidRequest, match="another program"):
        put_back(new, place, copy, may_replace=True)

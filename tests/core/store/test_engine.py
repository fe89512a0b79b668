"""Opening a database: what is made, what is refused, and in which words."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import Connection, Engine

from core.errors import InvalidSettings, StorageFailed
from core.store import engine as engine_module
from core.store.documents import DocumentStore
from core.store.engine import open_engine, reading, transaction, upgrade
from core.store.schema import metadata
from tests.core.store.samples import document
from tests.postgres import PostgresServer

WORD_TABLES = ("chunk_words", "word_totals")


def test_the_migrations_make_the_tables_of_the_schema(engine: Engine) -> None:
    def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "table" and (name or "").startswith(WORD_TABLES))

    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    DocumentStore(engine).put(document("kept"))
    upgrade(engine)
    assert DocumentStore(engine).page(None, 10, 0)[1] == 1


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(4)]
    failures: list[BaseException] = []

    def work(engine: Engine) -> None:
        try:
            upgrade(engine)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert failures == []


def test_a_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageFailed, match="newer version"):
        upgrade(engine)


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    statements = ["INSERT INTO meta (key, value) VALUES ('a', 'b')", "INSERT INTO nowhere VALUES (1)"]
    with pytest.raises(sa.exc.DBAPIError), transaction(engine) as connection:
        list(map(connection.exec_driver_sql, statements))
    with reading(engine) as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM meta WHERE key = 'a'")) == 0


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_another_kind_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"database\.url") as caught:
        open_engine(url)
    assert "secret" not in caught.value.message


def test_the_database_file_is_for_its_user_only(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path / 'folder' / 'my.db'}").dispose()
    assert stat.S_IMODE((tmp_path / "folder" / "my.db").stat().st_mode) == 0o600


def test_opening_a_database_twice_leaves_the_locks_of_the_first_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lorekeeper.db'}"
    first = open_engine(url)
    upgrade(first)
    open_engine(url)
    elsewhere(tmp_path / "lorekeeper.db", "INSERT INTO meta VALUES ('theirs', '1')")
    with transaction(first) as connection:
        connection.execute(sa.text("INSERT INTO meta VALUES ('ours', '1')"))
    said = elsewhere(tmp_path / "lorekeeper.db", "SELECT group_concat(key) FROM meta WHERE key IN ('ours', 'theirs')")
    assert sorted(said.split(",")) == ["ours", "theirs"], "the other process took the log away with it"


def elsewhere(database: Path, statement: str) -> str:
    """What another process gets for a statement; it leaves afterwards."""
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); r = c.execute(sys.argv[2]).fetchone(); c.commit(); c.close(); print(r[0] if r else '')"
    command = [sys.executable, "-c", program, str(database), statement]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("what", ["folder", "secret"])
def test_a_file_that_may_not_be_used_is_named(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lorekeeper.db"
    if what == "folder":
        path.mkdir()
    else:
        path.touch()
        monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StorageFailed, match=r"lorekeeper.db cannot be opened: (Is a directory|Permission denied)"):
        open_engine(f"sqlite:///{path}")


def test_a_locked_database_is_named_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "LOCK_SECONDS", 0.1)
    path = tmp_path / "my.db"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked by another program"):
        DocumentStore(engine).put(document("one"))
    other.execute("ROLLBACK")
    other.close()
    DocumentStore(engine).put(document("one"))
    assert DocumentStore(engine).page(None, 10, 0)[1] == 1
    engine.dispose()


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'my.db'}")
    upgrade(engine)
    store = DocumentStore(engine)
    store.put(document("kept"))

    def limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(engine, "connect", limit)
    engine.dispose()
    with pytest.raises(StorageFailed, match="full"):
        store.put(document("large", error="x" * 1_000_000))
    assert store.page(None, 10, 0)[1] == 1
    engine.dispose()


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my.db"
    path.write_bytes(b"A letter, not a database. " * 100)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(StorageFailed, match="not a database of Lorekeeper"):
        upgrade(engine)
    engine.dispose()
    assert path.read_bytes().startswith(b"A letter")


def test_a_postgres_that_is_not_there_is_named_without_its_password() -> None:
    engine = open_engine("postgresql+psycopg://u:secret@127.0.0.1:1/d")
    with pytest.raises(StorageFailed, match=r"Cannot connect to the database at 127\.0\.0\.1:1/d") as caught:
        upgrade(engine)
    assert "secret" not in caught.value.message


def test_a_database_that_is_missing_on_the_server_is_named(postgres_server: PostgresServer) -> None:
    engine = open_engine(postgres_server.url("nowhere"))
    with pytest.raises(StorageFailed, match="no such database"):
        upgrade(engine)
    engine.dispose()


def test_a_look_into_postgres_begins_no_transaction(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    with reading(engine) as connection:
        connection.execute(sa.text("SELECT 1"))
        assert _status(connection) is TransactionStatus.IDLE
    with transaction(engine) as connection:
        connection.execute(sa.text("SELECT 1"))
        assert _status(connection) is TransactionStatus.INTRANS
    engine.dispose()


def _status(connection: Connection) -> TransactionStatus:
    driver: Any = connection.connection.dbapi_connection
    return TransactionStatus(driver.info.transaction_status)


def test_connections_that_postgres_cut_while_they_rested_are_made_anew(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "RESTED_SECONDS", 0.0)
    engine = open_engine(postgres_url)
    cut_twice(engine)
    for _ in range(3):
        with reading(engine) as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()


def test_connections_that_postgres_cut_while_they_were_used_fail_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "RESTED_SECONDS", 600.0)
    engine = open_engine(postgres_url)
    cut_twice(engine)
    with pytest.raises(StorageFailed, match="Cannot connect"), reading(engine) as connection:
        connection.execute(sa.text("SELECT 1"))
    for _ in range(3):
        with reading(engine) as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()


def cut_twice(engine: Engine) -> None:
    """Two connections rest in the pool, and the server has ended both."""
    with reading(engine) as one, reading(engine) as other:
        own = [each.scalar(sa.text("SELECT pg_backend_pid()")) for each in (one, other)]
    server = sa.create_engine(engine.url)
    with server.connect() as connection:
        for pid in own:
            assert connection.scalar(sa.select(sa.func.pg_terminate_backend(pid, 10_000)))
    server.dispose()

"""Sources on record: one process at a time works on one, in both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from core.errors import InvalidRequest, NotFound
from core.store.sources import KnownEntry, SourceStore
from core.types import SyncedSource

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DOCS = SyncedSource("abcdef01", "default", "file:///docs/", "folder", NOW, "ann", 60, frozenset({"slack:U1"}), {"n": 1})


@pytest.fixture
def store(engine: Engine) -> SourceStore:
    made = SourceStore(engine)
    made.put(DOCS)
    return made


def test_a_source_comes_back_as_it_went(store: SourceStore) -> None:
    assert store.all() == [DOCS]
    assert store.get("abcd") == DOCS
    with pytest.raises(NotFound):
        store.get("ffff")
    with pytest.raises(InvalidRequest):
        store.get("a")
    store.put(replace(DOCS, id="abcdef02", address="file:///more/"))
    with pytest.raises(InvalidRequest, match="More than one"):
        store.get("abcdef")
    store.remove("abcdef02")
    assert store.all() == [DOCS]


def test_changing_it_keeps_what_is_known_of_its_files_unless_other_people_may_read_them(store: SourceStore) -> None:
    store.put_entries(DOCS.id, [KnownEntry("file:///docs/a", "1"), KnownEntry("file:///docs/b", "2", "broken")])
    store.put(replace(DOCS, interval_seconds=0))
    assert store.entries(DOCS.id) == {"file:///docs/a": "1", "file:///docs/b": "2"}
    assert store.get(DOCS.id).unread == {"file:///docs/b": "broken"}
    store.put(replace(DOCS, readers=frozenset()))
    assert store.entries(DOCS.id) == {"file:///docs/a": "", "file:///docs/b": ""}


def test_files_are_forgotten_with_their_source(store: SourceStore) -> None:
    store.put_entries(DOCS.id, [KnownEntry(f"file:///docs/{number}", "1") for number in range(1200)])
    assert store.get(DOCS.id).entries == 1200
    store.forget_entries(DOCS.id, [f"file:///docs/{number}" for number in range(1100)])
    assert len(store.entries(DOCS.id)) == 100
    store.remove(DOCS.id)
    assert store.entries(DOCS.id) == {}
    store.put_entries(DOCS.id, [KnownEntry("file:///docs/late", "1")])
    assert store.entries(DOCS.id) == {}, "who did not hear that it is gone changes nothing"


def test_one_worker_has_it_until_it_lets_go_or_its_time_is_over(store: SourceStore) -> None:
    assert store.lease(DOCS.id, "one", 60)
    assert store.lease(DOCS.id, "one", 60), "it may keep it"
    assert not store.lease(DOCS.id, "two", 60)
    store.release(DOCS.id, "two")
    assert not store.lease(DOCS.id, "two", 60)
    store.release(DOCS.id, "one")
    assert store.lease(DOCS.id, "two", 0)
    assert store.lease(DOCS.id, "one", 60), "two's time was over"
    store.release_all()
    assert store.lease(DOCS.id, "two", 60)
    assert not store.lease("gone", "two", 60)


def test_of_many_workers_at_once_one_gets_it(store: SourceStore) -> None:
    got: list[str] = []
    start = threading.Barrier(8)

    def work(name: str) -> None:
        start.wait()
        if store.lease(DOCS.id, name, 60):
            got.append(name)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_what_is_due(store: SourceStore) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert [each.id for each in store.due(soon)] == [DOCS.id]
    store.lease(DOCS.id, "one", 60)
    assert store.due(soon) == []
    store.release(DOCS.id, "one")
    store.finished(DOCS.id, {"added": 2}, soon + timedelta(hours=1))
    assert store.due(soon) == []
    assert (store.get(DOCS.id).counts, store.get(DOCS.id).last_error) == ({"added": 2}, None)
    store.failed(DOCS.id, "away", soon)
    store.failed(DOCS.id, "still away", soon)
    assert (store.get(DOCS.id).failures, store.get(DOCS.id).last_error) == (2, "still away")
    assert [each.id for each in store.due(soon)] == [DOCS.id]
    store.pause(DOCS.id)
    assert store.due(soon) == []

"""Versions and removals, and which stored bytes they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from core.errors import InvalidRequest, NotFound
from core.store.documents import DocumentStore
from core.store.history import Access, Ending, HistoryStore, Superseded
from core.store.job_rows import NewJob
from core.types import HistoryEvent, Origin
from tests.core.store.samples import document, publish

ADA = Origin("slack", "U1")
BEN = Origin("command line", "ben")


@pytest.fixture
def store(engine: Engine) -> DocumentStore:
    return DocumentStore(engine)


@pytest.fixture
def history(engine: Engine) -> HistoryStore:
    return HistoryStore(engine)


def bring(store: DocumentStore, letter: str, ending: Ending | None = None) -> int:
    """Publish the guide with bytes of this letter; returns its version."""
    return store.publish(document("guide", sha256=letter * 64), [], [], ending or Ending()).version


def test_each_change_of_bytes_is_a_version_with_who_and_from_where(store: DocumentStore, history: HistoryStore) -> None:
    assert [bring(store, "a", Ending(ADA)), bring(store, "a", Ending(BEN)), bring(store, "b", Ending(BEN))] == [1, 1, 2]
    assert store.get(document("guide").id).version == 2
    entries = history.of(document("guide").id)
    assert [(entry.event, entry.version, entry.origin, entry.sha256[0]) for entry in entries] == [
        (HistoryEvent.REPLACED, 2, BEN, "b"),
        (HistoryEvent.ADDED, 1, ADA, "a"),
    ]


def test_passages_know_their_version(store: DocumentStore) -> None:
    publish(store, document("guide"), ["One."])
    publish(store, document("guide", sha256="b" * 64), ["Two."], version="b")
    assert [passage.version for passage in store.passages_of(document("guide").id)] == [2]


def test_a_removed_document_is_remembered_and_counts_on(store: DocumentStore, history: HistoryStore) -> None:
    secret = document("guide", readers=frozenset({"u1"}), url="https://e.com/guide")
    store.publish(secret, [], [])
    store.withdraw(secret.id, ADA)
    removed, total = history.removed(10, 0)
    assert ([(entry.document_id, entry.origin) for entry in removed], total) == ([(secret.id, ADA)], 1)
    assert history.removed(10, 0, {"other"}) == ([], 0)
    assert history.access(secret.id, 1) == Access(frozenset({"u1"}), "https://e.com/guide")
    assert bring(store, "b") == 2
    assert history.removed(10, 0) == ([], 0)
    assert [entry.event.value for entry in history.of(secret.id)] == ["added", "removed", "added"]


def test_what_never_answered_leaves_nothing(store: DocumentStore, history: HistoryStore) -> None:
    store.put(document("guide"))
    store.withdraw(document("guide").id)
    with pytest.raises(NotFound):
        history.of(document("guide").id)


def test_bringing_a_version_back_makes_a_new_one(store: DocumentStore, history: HistoryStore) -> None:
    bring(store, "a")
    bring(store, "b")
    assert bring(store, "a", Ending(ADA, of_version=1)) == 3
    latest = history.of(document("guide").id)[0]
    assert (latest.event, latest.of_version, latest.origin) == (HistoryEvent.ROLLED_BACK, 1, ADA)


def test_making_anew_keeps_the_version_unless_another_came(store: DocumentStore, history: HistoryStore) -> None:
    bring(store, "a")
    assert bring(store, "a", Ending(is_anew=True)) == 1
    bring(store, "b")
    with pytest.raises(Superseded):
        bring(store, "a", Ending(is_anew=True))
    store.withdraw(document("guide").id)
    with pytest.raises(Superseded):
        bring(store, "b", Ending(is_anew=True))
    assert len(history.of(document("guide").id)) == 3


def test_the_bytes_of_old_versions_are_let_go(store: DocumentStore, history: HistoryStore) -> None:
    for letter in "abcd":
        bring(store, letter)
    assert sorted(history.let_go(document("guide").id, 2)) == ["a" * 64, "b" * 64]
    assert history.let_go(document("guide").id, 2) == []
    assert history.used_files() == {"c" * 64, "d" * 64}
    deleted: list[str] = []
    for letter in "abcd":
        history.discard_file(letter * 64, deleted.append)
    assert deleted == ["a" * 64, "b" * 64]
    assert [entry.is_kept for entry in history.of(document("guide").id)] == [True, True, False, False]


def test_purging_leaves_nothing(store: DocumentStore, history: HistoryStore) -> None:
    bring(store, "a")
    bring(store, "b")
    store.withdraw(document("guide").id)
    assert history.purge(document("guide").id) == ["a" * 64, "b" * 64]
    assert history.used_files() == set()
    with pytest.raises(NotFound):
        history.of(document("guide").id)


def test_what_was_removed_long_ago_is_known(store: DocumentStore, history: HistoryStore) -> None:
    bring(store, "a")
    store.publish(document("other"), [], [])
    store.withdraw(document("guide").id)
    assert history.removed_before(datetime.now(UTC) - timedelta(days=1)) == []
    assert history.removed_before(datetime.now(UTC) + timedelta(days=1)) == [document("guide").id]


def test_what_is_about_to_come_back_is_not_erased(store: DocumentStore, history: HistoryStore) -> None:
    bring(store, "a")
    store.withdraw(document("guide").id)
    job = NewJob("job-1", document("guide").id, "default", "file:///docs/guide.md", "guide.md", "b" * 64, 1)
    store.receive([], [job])
    assert history.removed_before(datetime.now(UTC) + timedelta(days=1)) == []
    assert history.purge(document("guide").id) == []
    assert len(history.of(document("guide").id)) == 2


def test_a_version_is_for_those_who_may_read_both(store: DocumentStore, history: HistoryStore) -> None:
    for letter, readers in (("a", {"u1", "u2"}), ("b", set()), ("c", {"u2", "u3"})):
        store.publish(document("guide", sha256=letter * 64, readers=frozenset(readers)), [], [])
    assert history.access(document("guide").id, 1).readers == frozenset({"u2"})
    assert history.access(document("guide").id, 2).readers == frozenset({"u2", "u3"})
    store.put(document("guide", readers=frozenset({"u4"})))
    with pytest.raises(InvalidRequest, match="Nobody"):
        history.access(document("guide").id, 1)


def test_ids_may_be_short_but_not_ambiguous_or_of_another_namespace(
    store: DocumentStore, history: HistoryStore
) -> None:
    store.publish(document("handbook1"), [], [])
    store.publish(document("handbook2"), [], [])
    assert history.of("handbook1")[0].document_id == document("handbook1").id
    with pytest.raises(InvalidRequest, match="More than one"):
        history.of("handbook")
    with pytest.raises(InvalidRequest, match="at least"):
        history.of("hand")
    with pytest.raises(NotFound):
        history.of("handbook1", {"other"})

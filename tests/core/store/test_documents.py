"""The record of documents: publishing, replacing, withdrawing, and who may see what."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.engine import Engine

from core.errors import InvalidRequest, NotFound
from core.store.documents import DocumentStore
from core.store.history import Ending, Superseded
from core.store.lexical import open_lexical
from core.types import DocumentStatus, Scope
from tests.core.store.samples import document, publish


@pytest.fixture
def store(engine: Engine) -> DocumentStore:
    return DocumentStore(engine)


def words(engine: Engine, query: str, scope: Scope | None = None) -> list[str]:
    return [hit.chunk_id for hit in open_lexical(engine).look_up(query, scope or Scope(), 10).hits]


def test_what_is_published_comes_back_as_it_was(store: DocumentStore) -> None:
    handbook = document(
        "handbook",
        pages=7,
        losses=("Two images.",),
        url="https://example.com/h",
        readers=frozenset({"u1"}),
        keywords="holiday",
    )
    publish(store, handbook, ["Vacation is 13 days.", "Sick leave too."])
    assert store.get(handbook.id) == replace(handbook, chunks=2)
    first, second = store.passages_of(handbook.id)
    assert (first.text, first.title, first.locator) == ("Vacation is 13 days.", "Handbook", "page 3, Heading")
    assert second.context == "Vacation is 13 days.\nSick leave too."
    assert second.url == "https://example.com/h"


def test_a_document_is_found_by_its_keywords_also_after_they_changed(store: DocumentStore, engine: Engine) -> None:
    [only] = publish(store, document("leave", keywords="holiday"), ["Thirteen days."])
    assert words(engine, "holiday") == [only]
    publish(store, document("leave", keywords="sabbatical"), ["Thirteen days."])
    assert words(engine, "holiday") == []
    assert words(engine, "sabbatical") == [only]


def test_a_replacement_takes_the_place_of_all_old_passages(store: DocumentStore, engine: Engine) -> None:
    handbook = document("handbook")
    old = publish(store, handbook, ["Vacation is 13 days.", "Ask your manager."])
    new = publish(store, handbook, ["Vacation is 20 days."], version="b")
    assert [passage.chunk_id for passage in store.passages_of(handbook.id)] == new
    assert words(engine, "vacation manager") == new
    assert store.passages(old, Scope()) == {}
    assert sorted(chunk_id for _, chunk_id in store.vector_garbage(10)) == sorted(old)


def test_an_unchanged_passage_keeps_its_row_through_a_replacement(store: DocumentStore, engine: Engine) -> None:
    handbook = document("handbook")
    publish(store, handbook, ["Vacation is 13 days.", "Ask your manager."])
    same = publish(store, handbook, ["Vacation is 13 days."])
    assert words(engine, "vacation") == same
    assert words(engine, "manager") == []
    assert [chunk_id for _, chunk_id in store.vector_garbage(10)] == [f"{handbook.id}/1"]


def test_a_withdrawn_document_is_gone_everywhere(store: DocumentStore, engine: Engine) -> None:
    handbook, other = document("handbook"), document("other")
    old = publish(store, handbook, ["Vacation is 13 days."])
    kept = publish(store, other, ["Vacation elsewhere."])
    assert [each.title for each in store.withdraw(handbook.id)] == ["Handbook"]
    assert words(engine, "vacation") == kept
    assert store.vector_garbage(10) == [("default", old[0])]
    with pytest.raises(NotFound):
        store.get(handbook.id)
    deleted: list[tuple[str, str]] = []
    assert store.collect_garbage(deleted.extend)
    assert deleted == [("default", old[0])]
    assert not store.collect_garbage(deleted.extend)
    assert store.vector_garbage(10) == []


def test_vectors_announced_for_a_publication_are_garbage_only_when_nobody_can_be_at_work(store: DocumentStore) -> None:
    store.reserve_vectors({"c1": "default"})
    assert store.vector_garbage(10) == []
    assert store.vector_garbage(10, with_reserved=True) == [("default", "c1")]


def test_vectors_that_somebody_announced_are_no_garbage_although_their_document_is_withdrawn(
    store: DocumentStore,
) -> None:
    handbook = document("handbook")
    (only,) = publish(store, handbook, ["Vacation is 13 days."])
    store.reserve_vectors({only: "default"})
    store.withdraw(handbook.id)
    assert store.vector_garbage(10) == []
    store.abandon(handbook, [only])
    assert store.vector_garbage(10) == [("default", only)], "who announced them gave it up"


def test_vectors_that_somebody_announced_are_no_garbage_although_another_version_came(store: DocumentStore) -> None:
    handbook = document("handbook")
    old = publish(store, handbook, ["Vacation is 13 days.", "Ask your manager."])
    store.reserve_vectors({old[1]: "default"})
    publish(store, handbook, ["Vacation is 13 days."])
    assert store.vector_garbage(10) == []


def test_what_was_removed_meanwhile_is_neither_recorded_nor_published(store: DocumentStore) -> None:
    archive, member = document("archive"), document("member")
    for each in (archive, member):
        store.put(each)
    store.withdraw(archive.id)
    with pytest.raises(Superseded):
        store.put(member, known=[archive.id, member.id])
    with pytest.raises(Superseded):
        store.publish(member, [], [], Ending(known=(archive.id, member.id)))
    store.put(member, known=[member.id])
    store.publish(member, [], [], Ending(known=(member.id,)))
    assert [each.id for each in store.page(None, 10, 0)[0]] == [member.id]


def test_publishing_takes_its_vectors_out_of_the_garbage(store: DocumentStore) -> None:
    handbook = document("handbook")
    store.reserve_vectors({f"{handbook.id}/0": "default"})
    publish(store, handbook, ["Vacation is 13 days."])
    assert store.vector_garbage(10, with_reserved=True) == []


def test_recording_a_state_leaves_the_passages_alone(store: DocumentStore) -> None:
    handbook = document("handbook")
    publish(store, handbook, ["Vacation is 13 days."])
    store.put(replace(handbook, status=DocumentStatus.PROCESSING, chunks=0))
    assert store.get(handbook.id).chunks == 1
    assert [pending.id for pending in store.pending()] == [handbook.id]
    assert len(store.passages_of(handbook.id)) == 1


def test_only_readers_see_a_closed_document(store: DocumentStore, engine: Engine) -> None:
    closed = document("closed", readers=frozenset({"group:hr", "u1"}))
    ids = publish(store, closed, ["Salaries are secret."])
    assert words(engine, "salaries") == []
    assert words(engine, "salaries", Scope(readers=frozenset({"u2"}))) == []
    assert words(engine, "salaries", Scope(readers=frozenset({"u2", "group:hr"}))) == ids
    assert store.passages(ids, Scope()) == {}
    assert list(store.passages(ids, Scope(readers=frozenset({"u1"})))) == ids


def test_no_namespace_sees_another_ones_passages(store: DocumentStore, engine: Engine) -> None:
    here = publish(store, document("here"), ["Vacation here."])
    there = publish(store, document("there", "hr"), ["Vacation there."])
    assert words(engine, "vacation") == here
    assert words(engine, "vacation", Scope("hr")) == there
    assert list(store.passages([*here, *there], Scope("hr"))) == there
    assert (store.count_chunks("hr"), store.count_chunks(None)) == (1, 2)


def test_a_document_is_found_by_the_beginning_of_its_id(store: DocumentStore) -> None:
    publish(store, document("abcdef1"), ["one"])
    publish(store, document("abcdef2"), ["two"])
    assert store.get("abcdef1").title == "Abcdef1"
    with pytest.raises(InvalidRequest, match="More than one"):
        store.get("abcdef")
    with pytest.raises(InvalidRequest, match="at least the first 6"):
        store.get("abc")
    with pytest.raises(NotFound):
        store.get("%%%%%%%")


def test_pages_are_by_title_and_count_all(store: DocumentStore) -> None:
    for name in ("cherry", "apple", "banana"):
        store.put(document(name))
    store.put(document("other", "hr"))
    documents, total = store.page("default", 2, 1)
    assert ([each.title for each in documents], total) == (["Banana", "Cherry"], 3)
    assert store.page(None, 10, 0)[1] == 4


def test_pages_can_hold_only_what_has_a_text_in_title_or_source(store: DocumentStore) -> None:
    store.put(document("one", title="Leave_Policy 100%", source="file:///hr/leave.md"))
    store.put(document("two", title="Über uns", source="upload:about.PDF"))
    store.put(document("three", "hr", title="Leave of others", source="upload:other.md"))

    def titles(text: str, namespace: str | None = "default") -> list[str]:
        documents, total = store.page(namespace, 10, 0, text=text)
        assert len(documents) == total
        return [each.title for each in documents]

    assert titles("leave") == titles("VE_P") == titles("100%") == titles("/HR/") == ["Leave_Policy 100%"]
    assert titles("über") == titles("ÜBER U") == titles("about.pdf") == ["Über uns"]
    assert titles("e_e") == titles("1%0") == titles("\\") == titles("\x00%1") == []
    assert titles("leave", None) == ["Leave of others", "Leave_Policy 100%"]


def test_pages_can_begin_with_the_latest_change(store: DocumentStore) -> None:
    for day, name in enumerate(("banana", "apple", "cherry"), 1):
        store.put(document(name, updated_at=datetime(2026, 1, day, tzinfo=UTC)))
    newest, total = store.page(None, 2, 0, newest_first=True)
    assert ([each.title for each in newest], total) == (["Cherry", "Apple"], 3)
    assert [each.title for each in store.page(None, 2, 2, newest_first=True)[0]] == ["Banana"]


def test_pages_and_single_documents_can_be_kept_within_some_namespaces(store: DocumentStore) -> None:
    for name, namespace in (("abcdef1", "default"), ("abcdef2", "hr"), ("abcdef3", "it")):
        publish(store, document(name, namespace), ["text"])
    documents, total = store.page(None, 10, 0, within={"hr", "it"})
    assert ([each.namespace for each in documents], total) == (["hr", "it"], 2)
    assert store.page("default", 10, 0, within={"hr", "it"}) == ([], 0)
    assert store.get("abcdef", within={"hr"}).namespace == "hr"
    with pytest.raises(NotFound):
        store.get("abcdef1", within={"hr"})


def test_passages_come_in_pages_of_one_document(store: DocumentStore) -> None:
    handbook = document("handbook")
    publish(store, handbook, ["one", "two", "three"])
    publish(store, document("other"), ["else"])
    passages, total = store.passage_page(handbook.id, 2, 1)
    assert ([each.text for each in passages], total) == (["two", "three"], 3)
    assert store.passage_page(handbook.id, 2, 3) == ([], 3)
    with pytest.raises(NotFound):
        store.passage_page("unknown", 1, 0)


def test_the_folder_prefix_is_taken_literally(store: DocumentStore) -> None:
    store.put(document("one", source="file:///a_b/one.md"))
    store.put(document("two", source="file:///axb/two.md"))
    store.put(document("three", source="file:///A_b/three.md"))
    assert [each.title for each in store.under("default", "file:///a_b/")] == ["One"]
    assert store.find("default", "file:///axb/two.md") is not None
    assert store.find("hr", "file:///axb/two.md") is None


def test_text_that_no_database_takes_is_stored_without_it(store: DocumentStore, engine: Engine) -> None:
    publish(store, document("odd", title="A\x00\ud800B"), ["zero\x00byte '); DROP TABLE documents; --"])
    assert store.page(None, 10, 0)[0][0].title == "A?B"
    assert len(words(engine, "byte")) == 1


def test_readers_always_see_one_whole_version(store: DocumentStore, engine: Engine) -> None:
    handbook = document("handbook")
    publish(store, handbook, ["alpha one", "alpha two"], version="0")
    seen: set[tuple[str, ...]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(tuple(passage.text for passage in store.passages_of(handbook.id)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        name = "beta" if number % 2 == 0 else "alpha"
        publish(store, handbook, [f"{name} one", f"{name} two"], version=str(number + 1))
    done.set()
    reader.join()
    assert seen <= {("alpha one", "alpha two"), ("beta one", "beta two")}


def test_the_namespaces_are_those_with_documents_in_whatever_state(store: DocumentStore) -> None:
    assert store.namespaces() == []
    publish(store, document("handbook", "hr"), ["Vacation is 13 days."])
    publish(store, document("other", "hr"), ["Sick leave too."])
    store.put(document("contract", "legal", status=DocumentStatus.FAILED))
    assert store.namespaces() == ["hr", "legal"]


def test_documents_are_counted_by_state(store: DocumentStore) -> None:
    publish(store, document("handbook"), ["Vacation is 13 days."])
    publish(store, document("other", "hr"), ["Sick leave too."])
    store.put(document("contract", status=DocumentStatus.FAILED))
    assert store.count_by_status() == {
        DocumentStatus.QUEUED: 0,
        DocumentStatus.PROCESSING: 0,
        DocumentStatus.READY: 2,
        DocumentStatus.FAILED: 1,
    }

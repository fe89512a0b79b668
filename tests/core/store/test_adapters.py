"""Tuned models on record: versions, what answers where, and the audit."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.errors import InvalidRequest, NotFound
from core.store.adapters import AdapterStore
from core.store.engine import open_engine, reading
from core.store.schema import metadata
from core.types.adapters import EVERYWHERE, Action, Form, Verdict
from tests.core.store.samples import BASE, adapter


@pytest.fixture
def store(engine: Engine) -> AdapterStore:
    return AdapterStore(engine)


def register(store: AdapterStore, *contents: str, name: str = "hr", **changes: Any) -> list[str]:
    return [store.add(adapter(name, content, **changes))[0].id for content in contents]


def answering(store: AdapterStore) -> dict[str, str]:
    return {namespace: each.id for namespace, each in store.promoted().items()}


class TestVersions:
    def test_each_name_counts_its_own(self, store: AdapterStore) -> None:
        assert register(store, "1", "2") == ["hr-1", "hr-2"]
        assert register(store, "1", name="legal") == ["legal-1"]
        assert [each.id for each in store.all()] == ["hr-1", "hr-2", "legal-1"]

    def test_all_that_is_known_of_one_is_kept(self, store: AdapterStore) -> None:
        given = adapter(form=Form.MERGED, rank=0, verdict=Verdict.FAILED)
        added, is_new = store.add(given)
        assert is_new
        kept = store.get("hr-1")
        assert kept == added
        assert (kept.base, kept.files, kept.form, kept.verdict) == (BASE, given.files, Form.MERGED, Verdict.FAILED)
        assert (kept.reasons, kept.preflight) == (given.reasons, given.preflight)
        assert (kept.documents, kept.people) == (given.documents, given.people)
        assert kept.registered_at is not None
        assert (kept.registered_by, kept.retired_at) == ("ann", None)

    def test_servers_know_it_by_its_id_and_its_files(self, store: AdapterStore) -> None:
        first, second = (store.add(adapter(content=content))[0] for content in "12")
        assert first.served_as.startswith("hr-1-")
        assert first.served_as.removeprefix("hr-1-") != second.served_as.removeprefix("hr-2-")
        found = store.served_as([second.served_as, "hr-9-000000000000"])
        assert {name: each.id for name, each in found.items()} == {second.served_as: "hr-2"}
        assert store.served_as([]) == {}

    def test_the_same_files_are_the_same_version(self, store: AdapterStore) -> None:
        first, _ = store.add(adapter())
        assert store.add(adapter()) == (first, False)
        assert len(store.all()) == 1

    def test_an_evaluation_that_came_later_counts(self, store: AdapterStore) -> None:
        store.add(adapter(verdict=Verdict.MISSING, reasons=()))
        assert store.add(adapter(reasons=("Better.",)))[0].verdict is Verdict.PASSED
        assert store.get("hr-1").reasons == ("Better.",)
        store.add(adapter(verdict=Verdict.MISSING, reasons=()))
        assert store.get("hr-1").verdict is Verdict.PASSED

    def test_the_files_of_a_retired_one_are_a_new_version(self, store: AdapterStore) -> None:
        register(store, "1")
        store.retire("hr-1", "ann")
        assert register(store, "1") == ["hr-2"]

    def test_two_processes_never_give_the_same_number(self, engine: Engine, database_url: str) -> None:
        engines = [open_engine(database_url) for _ in range(4)]
        given: list[str] = []

        def work(number: int) -> None:
            given.extend(register(AdapterStore(engines[number]), *(f"{number}{each}" for each in range(5))))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in engines:
            each.dispose()
        assert sorted(given) == sorted(f"hr-{number}" for number in range(1, 21))

    def test_one_that_is_not_there_is_named(self, store: AdapterStore) -> None:
        for ask in (store.get, lambda name: store.retire(name, "ann"), lambda name: store.promote("hr", name, "ann")):
            with pytest.raises(NotFound, match="no adapter nothing-1"):
                ask("nothing-1")


class TestPromotion:
    def test_a_namespace_answers_with_what_was_promoted_for_it(self, store: AdapterStore) -> None:
        register(store, "1", "2")
        assert answering(store) == {}
        store.promote("hr", "hr-1", "ann")
        store.promote(EVERYWHERE, "hr-2", "ann")
        assert answering(store) == {"hr": "hr-1", EVERYWHERE: "hr-2"}
        store.promote("hr", "hr-2", "ann")
        assert answering(store) == {"hr": "hr-2", EVERYWHERE: "hr-2"}

    def test_asking_for_it_is_one_query(self, engine: Engine, store: AdapterStore) -> None:
        register(store, "1")
        store.promote("hr", "hr-1", "ann")
        asked: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
        (adapter,) = store.promoted().values()
        assert store.served_as([adapter.served_as]) == {adapter.served_as: adapter}
        assert sum("FROM" in each for each in asked) == 2

    def test_what_answers_already_is_not_promoted_again(self, store: AdapterStore) -> None:
        register(store, "1")
        store.promote("hr", "hr-1", "ann")
        with pytest.raises(InvalidRequest, match="answers for the namespace hr already"):
            store.promote("hr", "hr-1", "ann")

    def test_the_gate_stops_what_did_not_pass(self, store: AdapterStore) -> None:
        register(store, "1", verdict=Verdict.FAILED, reasons=("F1 fell.", "It forgets."))
        with pytest.raises(InvalidRequest, match=r"did not pass its evaluation: F1 fell; It forgets.*--force"):
            store.promote("hr", "hr-1", "ann")
        register(store, "2", verdict=Verdict.MISSING, reasons=("Run `lorekeeper tune evaluate r`.",))
        with pytest.raises(
            InvalidRequest, match=r"no evaluation: Run `lorekeeper tune evaluate r`\. .*register its run"
        ):
            store.promote("hr", "hr-2", "ann")
        assert (answering(store), store.audit()) == ({}, [])

    def test_force_is_in_the_audit(self, store: AdapterStore) -> None:
        register(store, "1", verdict=Verdict.FAILED)
        store.promote("hr", "hr-1", "ann", is_forced=True, reason="We want to try it.")
        (entry,) = store.audit("hr")
        assert (entry.adapter, entry.action, entry.by) == ("hr-1", Action.PROMOTE, "ann")
        assert (entry.is_forced, entry.reason) == (True, "We want to try it.")

    def test_force_without_a_reason_is_refused(self, store: AdapterStore) -> None:
        register(store, "1")
        with pytest.raises(InvalidRequest, match="--reason"):
            store.promote("hr", "hr-1", "ann", is_forced=True, reason=" ")
        assert answering(store) == {}


class TestRollback:
    def test_each_goes_one_further_back(self, store: AdapterStore) -> None:
        for each in register(store, "1", "2", "3"):
            store.promote("hr", each, "ann")
        store.promote("hr", "hr-1", "ann")
        went = [store.rollback("hr", "bob").adapter for _ in range(4)]
        assert went == ["hr-3", "hr-2", "hr-1", None]
        assert answering(store) == {}
        with pytest.raises(InvalidRequest, match="nothing to roll back"):
            store.rollback("hr", "bob")

    def test_a_promotion_after_it_goes_on_from_there(self, store: AdapterStore) -> None:
        register(store, "1", "2", "3")
        store.promote("hr", "hr-1", "ann")
        store.promote("hr", "hr-2", "ann")
        store.rollback("hr", "ann")
        store.promote("hr", "hr-3", "ann")
        assert [store.rollback("hr", "ann").adapter for _ in range(2)] == ["hr-1", None]

    def test_what_was_retired_meanwhile_is_left_out(self, store: AdapterStore) -> None:
        for each in register(store, "1", "2", "3"):
            store.promote("hr", each, "ann")
        store.retire("hr-2", "ann")
        assert [store.rollback("hr", "ann").adapter for _ in range(2)] == ["hr-1", None]

    def test_other_namespaces_stay(self, store: AdapterStore) -> None:
        register(store, "1")
        store.promote("hr", "hr-1", "ann")
        store.promote(EVERYWHERE, "hr-1", "ann")
        store.rollback(EVERYWHERE, "ann")
        assert answering(store) == {"hr": "hr-1"}


class TestRetirement:
    def test_what_answers_somewhere_is_not_retired(self, store: AdapterStore) -> None:
        register(store, "1")
        store.promote("hr", "hr-1", "ann")
        store.promote(EVERYWHERE, "hr-1", "ann")
        with pytest.raises(InvalidRequest, match=r"the namespace hr.*lorekeeper tune rollback --everywhere"):
            store.retire("hr-1", "ann")
        assert store.get("hr-1").retired_at is None

    def test_it_is_never_promoted_again(self, store: AdapterStore) -> None:
        register(store, "1")
        retired = store.retire("hr-1", "ann", "Bob left.")
        assert retired.retired_at is not None
        with pytest.raises(InvalidRequest, match="is retired"):
            store.promote("hr", "hr-1", "ann", is_forced=True, reason="All the same.")
        assert store.retire("hr-1", "bob") == retired
        (entry,) = store.audit()
        assert (entry.namespace, entry.adapter, entry.action, entry.by) == ("", "hr-1", Action.RETIRE, "ann")
        assert store.audit("hr") == []

    def test_it_is_never_retired_while_somebody_promotes_it(self, engine: Engine, database_url: str) -> None:
        store, other = AdapterStore(engine), open_engine(database_url)
        for number, each in enumerate(register(store, *"123456")):
            both = [
                threading.Thread(target=_ignoring_refusals, args=(store.promote, "hr", each, "ann")),
                threading.Thread(target=_ignoring_refusals, args=(AdapterStore(other).retire, each, "bob")),
            ]
            for thread in both if number % 2 else reversed(both):
                thread.start()
            for thread in both:
                thread.join()
            assert not [one.id for one in store.promoted().values() if store.get(one.id).retired_at]
        other.dispose()


class TestLineage:
    def test_who_learnt_from_a_document_or_a_person(self, store: AdapterStore) -> None:
        register(store, "1")
        register(store, "2", documents=frozenset({"doc2"}), people=frozenset())
        assert [each.id for each in store.using({"doc2"})] == ["hr-1", "hr-2"]
        assert [each.id for each in store.using({"doc1", "nothing"})] == ["hr-1"]
        assert [each.id for each in store.using({"person-1"})] == ["hr-1"]
        assert store.using({"nothing"}) == []

    def test_documents_by_the_beginning_of_their_ids(self, store: AdapterStore) -> None:
        register(store, "1", documents=frozenset({"abc1", "abc2", "b%c"}))
        assert store.documents_beginning("abc") == ["abc1", "abc2"]
        assert store.documents_beginning("b%") == ["b%c"]
        assert store.documents_beginning("person") == []


def test_the_audit_outlives_everything(engine: Engine, store: AdapterStore) -> None:
    register(store, "1")
    store.promote("hr", "hr-1", "ann")
    store.rollback("hr", "bob", "Wrong answers.")
    store.retire("hr-1", "cem")
    assert [(each.action, each.by, each.reason) for each in store.audit()] == [
        (Action.PROMOTE, "ann", ""),
        (Action.ROLLBACK, "bob", "Wrong answers."),
        (Action.RETIRE, "cem", ""),
    ]
    with reading(engine) as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.delete(metadata.tables["adapters"]))


def _ignoring_refusals(do: Any, *arguments: str) -> None:
    try:
        do(*arguments)
    except InvalidRequest:
        return

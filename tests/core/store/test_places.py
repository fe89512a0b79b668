"""Threads that the bot is in, and places that are bound to documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import reading
from core.store.inbox import Entry, Inbox
from core.store.places import Bindings, Threads, ThreadState
from core.store.schema import chat_threads

TALK = ThreadState(is_quiet=True, talking=frozenset({"ann", "ben", "odd \x00 name"}))


def test_a_thread_that_the_bot_is_not_in(engine: Engine) -> None:
    assert Threads(engine).get("t") is None


def test_a_thread_that_a_message_opened(engine: Engine) -> None:
    Inbox(engine).accept([Entry("1", "chat", "t", {})])
    assert Threads(engine).get("t") == ThreadState()


def test_a_state_is_kept_for_its_thread_and_can_change(engine: Engine) -> None:
    threads = Threads(engine)
    threads.set("t", TALK)
    threads.set("u", ThreadState())
    assert threads.get("t") == ThreadState(is_quiet=True, talking=frozenset({"ann", "ben", "odd  name"}))
    threads.set("t", ThreadState())
    assert threads.get("t") == ThreadState()


def test_a_state_can_be_set_twice(engine: Engine) -> None:
    threads = Threads(engine)
    threads.set("t", ThreadState(talking=frozenset({"ann"})))
    threads.set("t", ThreadState(talking=frozenset({"ann"})))
    assert threads.get("t") == ThreadState(talking=frozenset({"ann"}))


def test_threads_in_which_nothing_happens_are_forgotten(engine: Engine) -> None:
    for name in ("old", "recent"):
        Threads(engine).set(name, ThreadState())
    with engine.begin() as connection:
        old = sa.update(chat_threads).where(chat_threads.c.thread == "old")
        connection.execute(old.values(updated_at=datetime.now(UTC) - timedelta(days=2)))
    # However short conversations are kept, a day's threads stay.
    Threads(engine, keep_days=0).set("new", ThreadState())
    assert Threads(engine).get("old") is None
    assert Threads(engine).get("recent") == Threads(engine).get("new") == ThreadState()


def test_a_message_keeps_its_thread_in_mind(engine: Engine) -> None:
    threads, inbox = Threads(engine), Inbox(engine)
    threads.set("t", ThreadState(is_quiet=True))
    threads.set("u", ThreadState())
    before = _updated(engine, "t"), _updated(engine, "u")
    inbox.accept([Entry("1", "chat", "t", {}, opens=False)])
    assert _updated(engine, "t") > before[0]
    assert _updated(engine, "u") == before[1]
    assert threads.get("t") == ThreadState(is_quiet=True)


def test_places_are_bound_by_name(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind("chat:room", "hr", "ann")
    bindings.bind("chat:lab", "science", "ben")
    bindings.bind("chat:room", "law", "cem")
    assert [(each.place, each.namespace, each.bound_by) for each in bindings.all()] == [
        ("chat:lab", "science", "ben"),
        ("chat:room", "law", "cem"),
    ]
    assert bindings.namespaces(["chat:room", "chat:hall"]) == {"chat:room": "law"}
    assert bindings.namespaces([]) == {}


def test_unbinding(engine: Engine) -> None:
    bindings = Bindings(engine)
    bindings.bind("chat:room", "hr", "ann")
    assert bindings.unbind("chat:room")
    assert not bindings.unbind("chat:room")
    assert bindings.all() == []


@pytest.mark.parametrize("place", ["chat:\ud800", "chat:a' OR '1'='1"])
def test_odd_places(engine: Engine, place: str) -> None:
    bindings = Bindings(engine)
    bindings.bind(place, "hr", "ann")
    assert list(bindings.namespaces([place]).values()) == ["hr"]
    assert bindings.unbind(place)


def _updated(engine: Engine, thread: str) -> datetime:
    query = sa.select(chat_threads.c.updated_at).where(chat_threads.c.thread == thread)
    with reading(engine) as connection:
        found: datetime = connection.execute(query).scalar_one()
    return found

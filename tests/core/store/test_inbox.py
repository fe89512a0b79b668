"""What chat platforms delivered: kept once, given to one worker at a time, in order, until it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.store.engine import transaction
from core.store.inbox import BEGINS, Entry, Inbox, Revision
from core.store.meta import IndexMeta
from core.store.places import Threads, ThreadState
from core.store.schema import inbox as table

LONG = 3600.0
OVER = -1.0
"""A time for which something is held that is over already."""


@pytest.fixture
def inbox(engine: Engine) -> Inbox:
    return Inbox(engine)


def entry(key: str, thread: str = "", text: str = "Where?", *, opens: bool = True, channel: str = "chat") -> Entry:
    return Entry(key, channel, thread or f"thread of {key}", {"text": text}, opens=opens)


def keys(entries: Sequence[Entry]) -> list[str]:
    return [each.key for each in entries]


def claim(inbox: Inbox, worker: str = "w1", limit: int = 10, seconds: float = LONG) -> list[Entry]:
    return inbox.claim("chat", worker, limit, seconds)


def only(entries: Sequence[Entry]) -> Entry:
    (single,) = entries
    return single


# ── arriving ─────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_as_it_came(inbox: Inbox) -> None:
    assert inbox.accept([entry("1", "t", "Where is it?")]) == {"1"}
    found = inbox.get("1")
    assert found is not None
    assert (found.key, found.channel, found.thread, found.payload) == ("1", "chat", "t", {"text": "Where is it?"})
    assert (found.revision, found.attempts, found.reply) == (0, 0, {})
    assert inbox.get("2") is None


def test_the_same_message_twice_in_one_batch_is_one(inbox: Inbox) -> None:
    assert inbox.accept([entry("1"), entry("2"), entry("1")]) == {"1", "2"}
    assert keys(claim(inbox)) == ["1", "2"]


def test_a_delivery_that_addresses_the_bot_stands_for_one_that_does_not(inbox: Inbox, engine: Engine) -> None:
    # Slack sends a mention as two events.
    assert inbox.accept([entry("1", "t", "twice", opens=True), entry("1", "t", "twice", opens=False)]) == {"1"}
    assert Threads(engine).get("t") == ThreadState()


def test_the_same_message_again_is_not_new(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    assert inbox.accept([entry("1"), entry("2")]) == {"2"}
    inbox.finish(only(claim(inbox, limit=1)))
    assert inbox.accept([entry("1")]) == set()
    assert keys(claim(inbox)) == ["2"]


def test_deliveries_at_the_same_time_are_new_to_one_of_them(inbox: Inbox) -> None:
    at_once = Barrier(6)

    def deliver(_: int) -> list[str]:
        at_once.wait()
        return [key for number in range(10) for key in inbox.accept([entry(f"{number}", "t")])]

    with ThreadPoolExecutor(6) as pool:
        new = [key for accepted in pool.map(deliver, range(6)) for key in accepted]
    assert sorted(new) == [f"{number}" for number in range(10)]
    assert inbox.count_waiting().get("chat", 0) == 10


def test_nothing_to_write(inbox: Inbox) -> None:
    assert inbox.accept([]) == set()


def test_a_message_in_a_thread_that_the_bot_is_not_in_is_not_kept(inbox: Inbox) -> None:
    assert inbox.accept([entry("1", "t", opens=False)]) == set()
    assert inbox.get("1") is None


def test_a_follow_up_is_kept_where_the_bot_is(inbox: Inbox) -> None:
    assert inbox.accept([entry("2", "t", opens=False), entry("1", "t")]) == {"1", "2"}
    assert inbox.accept([entry("3", "t", opens=False), entry("4", "u", opens=False)]) == {"3"}


def test_a_new_message_leaves_what_is_known_of_its_thread(inbox: Inbox, engine: Engine) -> None:
    inbox.accept([entry("1", "t")])
    quiet = ThreadState(is_quiet=True, talking=frozenset({"ann", "ben"}))
    Threads(engine).set("t", quiet)
    inbox.accept([entry("2", "t")])
    assert Threads(engine).get("t") == quiet


@pytest.mark.parametrize("text", ["a\x00b", "half \ud800 of a pair", "é🙂" * 50_000, "'; DROP TABLE inbox; --", ""])
def test_odd_text_is_kept_as_it_is(inbox: Inbox, text: str) -> None:
    inbox.accept([entry("1", "t", text)])
    assert only(claim(inbox)).payload == {"text": text}


@pytest.mark.parametrize("odd", ["a\x00b", "half \ud800 of a pair", "x" * 2_000])
def test_odd_names_are_the_same_message_each_time(inbox: Inbox, odd: str) -> None:
    assert inbox.accept([entry(odd, odd)]) == {odd}
    assert inbox.accept([entry(odd, odd)]) == set()
    assert inbox.accept([entry("2", odd, opens=False)]) == {"2"}
    assert inbox.revise(odd, {"text": "new"}) is Revision.DONE
    assert inbox.finish(only(claim(inbox)))
    assert keys(claim(inbox)) == ["2"]


# ── being worked on ──────────────────────────────────────────────────────────────────────────────


def test_a_thread_is_worked_on_in_order_and_threads_beside_each_other(inbox: Inbox) -> None:
    inbox.accept([entry("1", "t"), entry("2", "t"), entry("3", "u"), entry("4", "t")])
    first = claim(inbox)
    assert keys(first) == ["1", "3"]
    assert claim(inbox, "w2") == []
    inbox.finish(first[0])
    second = only(claim(inbox, "w2"))
    assert second.key == "2"
    inbox.withdraw("2", "chat")
    assert keys(claim(inbox)) == ["4"]


def test_a_failure_does_not_let_later_messages_of_a_thread_pass(inbox: Inbox) -> None:
    inbox.accept([entry("1", "t"), entry("2", "t")])
    assert inbox.put_back(only(claim(inbox)), delay=LONG)
    assert claim(inbox) == []


def test_no_more_than_asked_for_and_of_this_channel(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2", channel="other"), entry("3"), entry("4")])
    assert keys(claim(inbox, limit=2)) == ["1", "3"]
    assert inbox.count_waiting().get("chat", 0) == 3
    assert inbox.count_waiting().get("other", 0) == 1


def test_each_entry_goes_to_one_worker(inbox: Inbox) -> None:
    inbox.accept([entry(f"{number}") for number in range(40)])
    at_once = Barrier(4)

    def work(worker: int) -> list[str]:
        at_once.wait()
        mine: list[str] = []
        while inbox.count_waiting().get("chat", 0):
            for each in claim(inbox, f"w{worker}", 3):
                mine.append(each.key)
                assert inbox.finish(each)
        return mine

    with ThreadPoolExecutor(4) as pool:
        worked_on = [key for mine in pool.map(work, range(4)) for key in mine]
    assert sorted(worked_on, key=int) == [f"{number}" for number in range(40)]


def test_what_a_dead_worker_held_falls_to_another(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    dead = only(claim(inbox, "dead", seconds=OVER))
    other = only(claim(inbox, "w2"))
    assert (dead.attempts, other.attempts) == (1, 2)
    assert claim(inbox, "w3") == []


def test_who_lost_an_entry_cannot_finish_it_or_put_it_back(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    stuck = only(claim(inbox, "stuck", seconds=OVER))
    other = only(claim(inbox, "w2"))
    assert not inbox.finish(stuck)
    assert not inbox.put_back(stuck)
    assert claim(inbox, "w3") == []
    assert inbox.finish(other)


def test_holding_on(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2"), entry("3"), entry("4")])
    claim(inbox, "w1", 3, seconds=OVER)
    inbox.withdraw("2", "chat")
    inbox.revise("3", {"text": "new"})
    assert inbox.hold({"1", "2", "3", "4", "none"}, "w1", LONG) == {"1"}
    assert keys(claim(inbox, "w2")) == ["3", "4"]
    assert inbox.hold(set(), "w1", LONG) == set()


def test_putting_back_and_releasing(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2"), entry("3")])
    first = claim(inbox, "w1", 1)[0]
    claim(inbox, "w1", 1)
    claim(inbox, "w2", 1)
    assert inbox.put_back(first, delay=LONG)
    inbox.release("w1")
    assert [(each.key, each.attempts) for each in claim(inbox, "w3")] == [("2", 2)]


def test_releasing_all_of_a_channel(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2"), entry("3", channel="other")])
    inbox.finish(claim(inbox, "w1", 1)[0])
    claim(inbox, "w1")
    inbox.claim("other", "w1", 1, LONG)
    inbox.release_all("chat")
    assert keys(claim(inbox, "w2")) == ["2"]
    assert inbox.claim("other", "w2", 1, LONG) == []


def test_every_try_counts(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    for attempt in range(1, 5):
        again = only(claim(inbox))
        assert again.attempts == attempt
        inbox.put_back(again)


def test_an_answered_entry_does_not_come_again(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    first = only(claim(inbox))
    assert inbox.finish(first)
    assert not inbox.finish(first)
    assert not inbox.put_back(first)
    inbox.release("w1")
    inbox.release_all("chat")
    assert claim(inbox) == []
    assert inbox.count_waiting().get("chat", 0) == 0


# ── edits and deletions ──────────────────────────────────────────────────────────────────────────


def test_an_edit_before_work(inbox: Inbox) -> None:
    inbox.accept([entry("1", text="Wear?")])
    assert inbox.revise("1", {"text": "Where?"}) is Revision.DONE
    changed = only(claim(inbox))
    assert (changed.payload, changed.revision, changed.attempts) == ({"text": "Where?"}, 1, 1)
    assert inbox.finish(changed)


def test_an_edit_during_work_makes_it_come_again_where_its_answer_is(inbox: Inbox) -> None:
    inbox.accept([entry("1", "t"), entry("2", "t")])
    old = only(claim(inbox))
    inbox.note("1", {"ts": ["7"]})
    assert inbox.revise("1", {"text": "new"}) is Revision.DONE
    # Nobody begins with the new form while the old one may still be written.
    assert claim(inbox, "w2") == []
    assert not inbox.finish(old)
    new = only(claim(inbox, "w2"))
    assert (new.key, new.payload, new.reply) == ("1", {"text": "new"}, {"ts": ["7"]})
    # Something may have been posted that was not noted.
    assert new.attempts > 1
    assert inbox.finish(new)
    assert keys(claim(inbox)) == ["2"]


def test_an_edit_while_a_worker_dies_comes_when_its_time_is_over(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    claim(inbox, "dead", seconds=OVER)
    inbox.revise("1", {"text": "new"})
    assert only(claim(inbox)).payload == {"text": "new"}


def test_an_edit_during_work_that_fails(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    old = only(claim(inbox))
    inbox.revise("1", {"text": "new"})
    assert not inbox.put_back(old, delay=LONG)
    assert only(claim(inbox)).payload == {"text": "new"}


def test_an_edit_after_the_answer(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    inbox.finish(only(claim(inbox)))
    inbox.note("1", {"ts": ["7"]})
    assert inbox.revise("1", {"text": "new"}) is Revision.DONE
    again = only(claim(inbox))
    assert (again.payload, again.reply) == ({"text": "new"}, {"ts": ["7"]})


def test_an_edit_of_something_unknown(inbox: Inbox) -> None:
    assert inbox.revise("1", {"text": "new"}) is Revision.UNKNOWN


def test_a_deletion_before_and_during_work(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2")])
    working = only(claim(inbox, limit=1))
    inbox.note("1", {"ts": ["7"]})
    pending = inbox.withdraw("1", "chat")
    assert pending is not None
    assert (pending.payload, pending.reply) == ({"text": "Where?"}, {"ts": ["7"]})
    assert not inbox.finish(working)
    assert inbox.withdraw("2", "chat") is not None
    assert inbox.withdraw("2", "chat") is None
    assert claim(inbox) == []
    assert inbox.revise("2", {"text": "new"}) is Revision.UNKNOWN
    assert inbox.accept([entry("2")]) == set()


def test_a_deletion_after_the_answer_and_of_something_unknown(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    inbox.finish(only(claim(inbox)))
    assert inbox.withdraw("1", "chat") is None
    assert inbox.withdraw("2", "chat") is None


def test_a_deletion_before_the_message_comes(inbox: Inbox) -> None:
    assert inbox.withdraw("1", "chat") is None
    assert inbox.accept([entry("1"), entry("2")]) == {"2"}
    assert inbox.revise("1", {"text": "new"}) is Revision.UNKNOWN
    assert keys(claim(inbox)) == ["2"]


def test_what_was_left_without_an_answer(inbox: Inbox) -> None:
    inbox.accept([entry("1"), entry("2"), entry("3", channel="other"), entry("4")])
    inbox.finish(only(claim(inbox, limit=1)))
    inbox.withdraw("4", "chat")
    now = datetime.now(UTC)
    assert keys(inbox.left_over("chat", now)) == ["2"]
    assert inbox.left_over("chat", now - timedelta(minutes=1)) == []


def test_the_words_of_a_deleted_message_are_not_kept(inbox: Inbox, engine: Engine) -> None:
    inbox.accept([entry("1", text="secret")])
    inbox.withdraw("1", "chat")
    with transaction(engine) as connection:
        assert "secret" not in str(connection.execute(sa.select(table)).all())


def test_where_the_answers_of_a_thread_are(inbox: Inbox) -> None:
    inbox.accept([entry("1", "t"), entry("2", "t"), entry("3", "u")])
    inbox.note("1", {"ts": ["7"]})
    inbox.note("3", {"ts": ["8"]})
    assert inbox.replies("t") == [{"ts": ["7"]}]


def test_old_entries_are_deleted(inbox: Inbox, engine: Engine) -> None:
    inbox.accept([entry("1")])
    inbox.finish(only(claim(inbox)))
    inbox.accept([entry("2")])
    with transaction(engine) as connection:
        day = sa.select(table.c.received_at).where(table.c.key == "1")
        (received,) = connection.execute(day).scalars()
        long_ago = received.replace(year=received.year - 1, day=1)
        connection.execute(sa.update(table).where(table.c.key == "1").values(received_at=long_ago))
    assert inbox.finish(only(claim(inbox)))
    assert inbox.get("1") is None
    assert inbox.get("2") is not None


def test_finishing_needs_the_claim_of_this_revision(inbox: Inbox) -> None:
    inbox.accept([entry("1")])
    claimed = only(claim(inbox))
    assert not inbox.finish(replace(claimed, revision=1))
    assert not inbox.finish(replace(claimed, attempts=2))
    assert inbox.finish(claimed)


def test_however_short_conversations_are_kept_what_waits_and_what_may_come_again_stays(engine: Engine) -> None:
    inbox = Inbox(engine, keep_days=0)
    inbox.accept([entry("1"), entry("2", thread="other")])
    first, _ = claim(inbox)
    assert inbox.finish(first)
    assert inbox.count_waiting().get("chat", 0) == 1
    assert inbox.accept([entry("1")]) == set(), "it is known"


def test_an_edit_that_comes_late_or_again_changes_nothing(engine: Engine) -> None:
    inbox = Inbox(engine)
    inbox.accept([entry("1")])
    assert inbox.revise("1", {"text": "newer", "version": 2.0}) is Revision.DONE
    assert inbox.revise("1", {"text": "older", "version": 1.0}) is Revision.OLD
    assert inbox.revise("1", {"text": "newer", "version": 2.0}) is Revision.OLD
    assert inbox.revise("1", {"text": "newer", "version": 2.0}, again=True) is Revision.DONE
    (found,) = claim(inbox)
    assert found.payload["text"] == "newer"


def test_since_when_it_is_known_what_was_said(engine: Engine) -> None:
    assert Inbox(engine).begins() < datetime(2000, 1, 1, tzinfo=UTC), "as long as nobody says otherwise"
    restored_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    IndexMeta(engine).set(BEGINS, restored_at.isoformat())
    assert Inbox(engine).begins() == restored_at

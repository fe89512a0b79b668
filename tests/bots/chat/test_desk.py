"""Every message is answered once: over repetitions, edits, deletions, failures, crashes, stops and several processes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from bots.chat import desk as desks
from bots.chat.desk import Desk, Interrupted, Retry, Work
from core.errors import StorageFailed
from core.store import engine as engines
from core.store.engine import open_engine, upgrade
from core.store.inbox import Entry, Inbox

LONG = 3600.0
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(desks, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(engines, "LOCK_SECONDS", 1)


@pytest.fixture
def engine(tmp_path: Path, _short_pauses: None) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def inbox(engine: Engine) -> Inbox:
    return Inbox(engine)


def entry(key: str, thread: str = "", text: str = "Where?", *, opens: bool = True) -> Entry:
    return Entry(key, "chat", thread or f"thread of {key}", {"text": text}, opens=opens)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def nothing(_: Entry) -> None:
    await asyncio.sleep(0)


@dataclass
class Office:
    """What a channel does with entries, and what it saw."""

    answer: Callable[[Entry], Awaitable[None]] = nothing
    give_up: Callable[[Entry], Awaitable[None]] = nothing
    begun: list[Entry] = field(default_factory=list)
    answered: list[Entry] = field(default_factory=list)
    interrupted: list[tuple[str, Interrupted]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    """What there was to clean up."""
    given_up: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def observe(self, channel: str, end: str, seconds: float) -> None:
        assert (channel, seconds >= 0) == ("chat", True)
        self.ends.append(end)

    @property
    def texts(self) -> list[str]:
        return [each.payload["text"] for each in self.answered]

    @property
    def work(self) -> Work:
        return Work(self._answer, self._interrupted, self._give_up)

    async def _answer(self, entry: Entry) -> None:
        self.begun.append(entry)
        await self.answer(entry)
        self.answered.append(entry)

    async def _interrupted(self, entry: Entry, reason: Interrupted) -> None:
        self.interrupted.append((entry.key, reason))
        self.replies.append(entry.reply)

    async def _give_up(self, entry: Entry) -> None:
        self.given_up.append(entry.key)
        await self.give_up(entry)


@asynccontextmanager
async def at_work(inbox: Inbox, office: Office, *, alone: bool = False, at_once: int = 64) -> AsyncIterator[Desk]:
    desk = Desk(inbox, "chat", office.work, at_once=at_once, observe=office.observe)
    running = asyncio.create_task(desk.run(alone=alone))
    try:
        yield desk
    finally:
        await close(running)
        assert desk.busy == 0


async def close(running: asyncio.Task[None]) -> None:
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=PATIENCE)
    assert done
    assert running.cancelled()


class Block:
    """Work that goes on until it is let through, for the first `times` entries."""

    def __init__(self, times: int = 1_000) -> None:
        self._times = times
        self._open = asyncio.Event()

    def let_through(self) -> None:
        self._open.set()

    async def __call__(self, entry: Entry) -> None:
        self._times -= 1
        if self._times >= 0:
            await self._open.wait()


class SlowInbox(Inbox):
    """Stops after (or before) one of its calls reached the database, until it is let go on."""

    def __init__(self, engine: Engine, method: str, *, before: bool = False) -> None:
        super().__init__(engine)
        self.reached, self._go_on = threading.Event(), threading.Event()
        original = getattr(self, method)

        def slow(*args: Any, **named: Any) -> Any:
            result = None if before else original(*args, **named)
            if before or result:
                self.reached.set()
                assert self._go_on.wait(PATIENCE)
            return original(*args, **named) if before else result

        setattr(self, method, slow)

    def go_on(self) -> None:
        self._go_on.set()


def is_free(inbox: Inbox, key: str) -> bool:
    return key in [each.key for each in inbox.claim("chat", "somebody", 100, LONG)]


# ── arriving ─────────────────────────────────────────────────────────────────────────────────────


async def test_many_messages_at_once_and_some_of_them_repeated(inbox: Inbox) -> None:
    office = Office()
    entries = [entry(f"{number}", f"t{number % 20}") for number in range(150)]
    async with at_work(inbox, office) as desk:
        accepted = await asyncio.gather(*(desk.accept(each) for each in (*entries, *entries[:50])))
        assert sum(accepted) == 150
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        assert not await desk.accept(entries[0])
    assert sorted(int(each.key) for each in office.answered) == list(range(150))
    for thread in {each.thread for each in entries}:
        in_thread = [each.key for each in office.answered if each.thread == thread]
        assert in_thread == sorted(in_thread, key=int)


async def test_no_more_than_allowed_at_once(inbox: Inbox) -> None:
    block, most = Block(), 0
    async with at_work(inbox, Office(block), at_once=3) as desk:
        for number in range(8):
            await desk.accept(entry(f"{number}"))
        await until(lambda: desk.busy == 3)
        block.let_through()
        while inbox.count_waiting().get("chat", 0):
            most = max(most, desk.busy)
            await asyncio.sleep(0.001)
    assert most <= 3


async def test_what_cannot_be_written_is_refused_and_can_come_again(inbox: Inbox, engine: Engine) -> None:
    office = Office()
    async with at_work(inbox, office) as desk:
        other = sqlite3.connect(engine.url.database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = await asyncio.gather(*(desk.accept(entry(key)) for key in "ab"), return_exceptions=True)
        assert [type(each) for each in refused] == [StorageFailed, StorageFailed]
        other.execute("ROLLBACK")
        other.close()
        assert await desk.accept(entry("a"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.key for each in office.answered] == ["a"]


async def test_one_who_waits_no_longer_does_not_harm_the_others(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "accept"), Office()
    async with at_work(inbox, office) as desk:
        first, second = (asyncio.create_task(desk.accept(entry(key))) for key in "ab")
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        first.cancel()
        inbox.go_on()
        assert await second
        await until(lambda: len(office.answered) == 2)


# ── edits ────────────────────────────────────────────────────────────────────────────────────────


async def test_an_edit_during_work_cuts_it_short_and_is_answered_in_its_place(inbox: Inbox) -> None:
    office = Office(block := Block(times=1))
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await until(lambda: bool(office.begun))
        await desk.note(office.begun[0], {"ts": ["7"]})
        await desk.revise(entry("1", text="new"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        block.let_through()
    assert office.texts == ["new"]
    assert office.answered[0].reply == {"ts": ["7"]}
    assert office.interrupted == []


async def test_an_edit_waits_for_work_that_ends_slowly(inbox: Inbox) -> None:
    running: list[str] = []
    ended = asyncio.Event()

    async def slow_to_end(entry: Entry) -> None:
        text = entry.payload["text"]
        running.append(text)
        assert len(running) == 1
        try:
            if text == "old":
                await asyncio.sleep(LONG)
        finally:
            if text == "old":
                await ended.wait()
            running.remove(text)

    office = Office(slow_to_end)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await until(lambda: bool(running))
        await desk.revise(entry("1", text="newer"))
        await desk.revise(entry("1", text="newest"))
        await asyncio.sleep(0.2)
        assert running == ["old"]
        ended.set()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["newest"]


async def test_an_edit_after_the_answer_is_answered_too(inbox: Inbox) -> None:
    office = Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        await desk.revise(entry("1", text="new"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        await desk.revise(entry("1", text="new"), again=True)
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["old", "new", "new"]


async def test_an_edit_at_the_moment_of_finishing(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "finish", before=True), Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        await desk.revise(entry("1", text="new"))
        inbox.go_on()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["old", "new"]


async def test_an_edit_right_after_the_moment_of_finishing(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "finish"), Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        await desk.revise(entry("1", text="new"))
        inbox.go_on()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["old", "new"]


async def test_an_edit_of_a_message_that_is_still_being_written_down(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "accept", before=True), Office()
    async with at_work(inbox, office) as desk:
        accepting = asyncio.create_task(desk.accept(entry("1", text="old")))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        revising = asyncio.create_task(desk.revise(entry("1", text="new", opens=False)))
        await asyncio.sleep(0.05)
        inbox.go_on()
        await asyncio.gather(accepting, revising)
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts[-1] == "new"


async def test_an_edit_that_makes_a_message_one_for_the_bot(inbox: Inbox) -> None:
    office = Office()
    async with at_work(inbox, office) as desk:
        await desk.revise(entry("1", opens=False))
        assert inbox.get("1") is None
        await desk.revise(entry("1"))
        await until(lambda: len(office.answered) == 1)


async def test_what_was_noted_while_the_work_is_cut_short_is_known_to_the_next(engine: Engine) -> None:
    inbox = SlowInbox(engine, "note", before=True)

    async def posts(entry: Entry) -> None:
        if entry.payload["text"] == "old":
            await desk.note(entry, {"ts": ["7"]})
            await asyncio.sleep(LONG)

    office = Office(posts)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        await desk.revise(entry("1", text="new"))
        await asyncio.sleep(0.05)
        inbox.go_on()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [(each.payload["text"], each.reply) for each in office.answered] == [("new", {"ts": ["7"]})]


# ── deletions and stops ──────────────────────────────────────────────────────────────────────────


async def test_a_deletion_before_work(inbox: Inbox) -> None:
    office = Office(block := Block())
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await desk.accept(entry("2", "t"))
        await until(lambda: bool(office.begun))
        await desk.withdraw("2")
        await until(lambda: bool(office.interrupted))
        block.let_through()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.key for each in office.answered] == ["1"]
    assert office.interrupted == [("2", Interrupted.WITHDRAWN)]


async def test_a_deletion_during_work(inbox: Inbox) -> None:
    office = Office(Block())
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: bool(office.begun))
        await desk.note(office.begun[0], {"ts": ["7"]})
        await desk.withdraw("1")
        await until(lambda: desk.busy == 0)
    assert office.answered == []
    assert office.interrupted == [("1", Interrupted.WITHDRAWN)]
    assert office.replies == [{"ts": ["7"]}]


async def test_a_deletion_of_a_message_that_was_just_edited(inbox: Inbox) -> None:
    ended = asyncio.Event()

    async def slow_to_end(_: Entry) -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            await ended.wait()

    office = Office(slow_to_end)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await until(lambda: bool(office.begun))
        await desk.note(office.begun[0], {"ts": ["7"]})
        await desk.revise(entry("1", text="new"))
        await desk.withdraw("1")
        ended.set()
        await until(lambda: desk.busy == 0)
    assert len(office.begun) == 1
    assert office.interrupted == [("1", Interrupted.WITHDRAWN)]
    assert office.replies == [{"ts": ["7"]}]


async def test_a_deletion_at_the_moment_of_finishing(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "finish", before=True), Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        await desk.withdraw("1")
        inbox.go_on()
        await until(lambda: desk.busy == 0)
    assert office.interrupted == [("1", Interrupted.WITHDRAWN)]


async def test_a_deletion_while_the_entry_is_taken(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "claim"), Office(Block())
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        withdrawing = asyncio.create_task(desk.withdraw("1"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        inbox.go_on()
        await withdrawing
        # It is noticed when the desk tells that it holds on, which is not awaited here.
        await until(lambda: bool(office.interrupted))
    assert office.answered == []


async def test_a_deletion_of_a_message_that_is_still_being_written_down(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "accept", before=True), Office(Block())
    async with at_work(inbox, office) as desk:
        accepting = asyncio.create_task(desk.accept(entry("1")))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        withdrawing = asyncio.create_task(desk.withdraw("1"))
        await asyncio.sleep(0.05)
        inbox.go_on()
        await asyncio.gather(accepting, withdrawing)
        assert inbox.count_waiting().get("chat", 0) == 0
    assert office.answered == []


async def test_a_deletion_after_the_answer_leaves_it(inbox: Inbox) -> None:
    office = Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        await desk.withdraw("1")
        await desk.withdraw("2")
        await desk.revise(entry("1", opens=False), again=True)
        assert inbox.count_waiting().get("chat", 0) == 0
    assert office.interrupted == []


async def test_a_stop_ends_what_is_being_answered_in_that_thread(inbox: Inbox) -> None:
    office = Office(block := Block(times=2))
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await desk.accept(entry("2", "t"))
        await desk.accept(entry("3", "u"))
        await until(lambda: len(office.begun) == 2)
        desk.stop("t")
        await until(lambda: "2" in [each.key for each in office.answered])
        block.let_through()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
        desk.stop("t")
    assert {each.key for each in office.answered} == {"2", "3"}
    assert office.interrupted == [("1", Interrupted.STOPPED)]


async def test_a_stop_at_the_moment_of_finishing_comes_too_late(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "finish", before=True), Office()
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await asyncio.to_thread(inbox.reached.wait, PATIENCE)
        desk.stop("t")
        inbox.go_on()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.interrupted == []


async def test_a_clean_up_that_fails_harms_nobody(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Entry, __: Interrupted) -> None:
        raise RuntimeError("the platform is gone")

    office = Office(Block(times=1))
    monkeypatch.setattr(office, "_interrupted", broken)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await desk.accept(entry("2", "t"))
        await until(lambda: bool(office.begun))
        desk.stop("t")
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.key for each in office.answered] == ["2"]


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", [Retry("rate limited"), Retry("rate limited", 0.01), RuntimeError("a mistake")])
async def test_work_that_fails_is_tried_again(inbox: Inbox, failure: Exception) -> None:
    async def fails_twice(entry: Entry) -> None:
        if entry.attempts < 3:
            raise failure

    office = Office(fails_twice)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.attempts for each in office.begun] == [1, 2, 3]
    assert office.given_up == []


async def test_a_failure_does_not_stop_other_threads(inbox: Inbox) -> None:
    async def fails(entry: Entry) -> None:
        if entry.key == "1":
            raise Retry("later", LONG)

    office = Office(fails)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: bool(office.begun))
        await desk.accept(entry("2"))
        await until(lambda: len(office.answered) == 1)
        # What is put back for long can be deleted as well.
        await desk.withdraw("1")
        await until(lambda: bool(office.interrupted))


async def test_in_the_end_there_is_an_apology(inbox: Inbox) -> None:
    async def crashes(_: Entry) -> None:
        raise RuntimeError("a mistake")

    office = Office(crashes)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert len(office.begun) == desks.MOST_ATTEMPTS
    assert office.ends == [*["put_back"] * desks.MOST_ATTEMPTS, "given_up"]
    assert office.given_up == ["1"]


async def test_an_apology_that_fails_does_not_hold_up_its_thread(inbox: Inbox) -> None:
    async def crashes(entry: Entry) -> None:
        if entry.key == "1":
            raise RuntimeError("cannot be read")

    office = Office(crashes, give_up=crashes)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", "t"))
        await desk.accept(entry("2", "t"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.given_up == ["1"] * desks.MOST_APOLOGIES
    assert [each.key for each in office.answered] == ["2"]


async def test_an_edit_gives_new_tries(inbox: Inbox) -> None:
    async def crashes(entry: Entry) -> None:
        if entry.payload["text"] == "bad":
            raise Retry("later", LONG)

    office = Office(crashes)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="bad"))
        await until(lambda: bool(office.begun) and desk.busy == 0)
        await desk.revise(entry("1", text="good"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["good"]


async def test_an_entry_that_cannot_be_finished_comes_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, office = Inbox(engine), Office()
    failures = [StorageFailed("full"), RuntimeError("a mistake")]
    finish = inbox.finish

    def broken(entry: Entry) -> bool:
        if failures:
            raise failures.pop()
        return finish(entry)

    monkeypatch.setattr(desks, "HOLD_SECONDS", 0.2)
    monkeypatch.setattr(inbox, "finish", broken)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert failures == []


# ── several workers, ends and beginnings ─────────────────────────────────────────────────────────


async def test_two_processes_share_the_work(inbox: Inbox, engine: Engine) -> None:
    block = Block()
    one, two = Office(block), Office(block)
    async with at_work(inbox, one, at_once=4) as first, at_work(Inbox(engine), two, at_once=4) as second:
        entries = [entry(f"{number}", f"t{number % 30}") for number in range(120)]
        deliveries = [desk.accept(each) for each in entries for desk in (first, second)]
        assert sum(await asyncio.gather(*deliveries)) == 120
        await until(lambda: len(one.begun) == len(two.begun) == 4)
        block.let_through()
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    answered = [each.key for office in (one, two) for each in office.answered]
    assert sorted(answered, key=int) == [f"{number}" for number in range(120)]


async def test_long_work_is_held_on_to(inbox: Inbox, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "HOLD_SECONDS", 2.0)
    held = 0
    hold = inbox.hold

    def failing_first(keys: Collection[str], worker: str, seconds: float) -> set[str]:
        nonlocal held
        held += 1
        if held == 1:
            raise RuntimeError("a mistake")
        return hold(keys, worker, seconds)

    monkeypatch.setattr(inbox, "hold", failing_first)
    one, two = Office(block := Block()), Office()
    async with at_work(inbox, one) as first:
        await first.accept(entry("1"))
        await until(lambda: bool(one.begun))
        async with at_work(Inbox(engine), two):
            await until(lambda: held >= 5)
            block.let_through()
            await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.key for each in one.answered] == ["1"]
    assert two.begun == []


async def test_an_edit_through_another_process(inbox: Inbox, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "HOLD_SECONDS", 1.0)
    office = Office(Block(times=1))
    other = Desk(Inbox(engine), "chat", Office().work)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1", text="old"))
        await until(lambda: bool(office.begun))
        await other.revise(entry("1", text="new"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert office.texts == ["new"]


async def test_a_deletion_through_another_process(
    inbox: Inbox, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "HOLD_SECONDS", 1.0)
    office = Office(Block())
    other = Desk(Inbox(engine), "chat", Office().work)
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: bool(office.begun))
        await desk.note(office.begun[0], {"ts": ["7"]})
        await other.withdraw("1")
        await until(lambda: bool(office.interrupted))
        await until(lambda: desk.busy == 0)
    assert office.interrupted == [("1", Interrupted.WITHDRAWN)]
    assert office.replies == [{"ts": ["7"]}]


async def test_what_a_dead_process_held_is_taken_by_another(inbox: Inbox) -> None:
    office = Office()
    inbox.accept([entry("1")])
    inbox.claim("chat", "dead", 1, 0.5)
    async with at_work(inbox, office):
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [each.attempts for each in office.answered] == [2]


async def test_a_process_that_is_alone_need_not_wait_for_the_dead(inbox: Inbox) -> None:
    office = Office()
    inbox.accept([entry("1")])
    inbox.claim("chat", "dead", 1, LONG)
    async with at_work(inbox, office, alone=True):
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert len(office.answered) == 1


async def test_closing_finishes_what_is_begun(inbox: Inbox) -> None:
    office = Office(block := Block())
    desk = Desk(inbox, "chat", office.work)
    running = asyncio.create_task(desk.run())
    await desk.accept(entry("1", "t"))
    await desk.accept(entry("2", "t"))
    await until(lambda: bool(office.begun))
    asyncio.get_running_loop().call_later(0.05, block.let_through)
    await close(running)
    assert [each.key for each in office.answered] == ["1"]
    assert is_free(inbox, "2")


async def test_closing_gives_back_what_takes_too_long(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "GRACE_SECONDS", 0.05)
    office = Office(Block())
    async with at_work(inbox, office) as desk:
        await desk.accept(entry("1"))
        await until(lambda: bool(office.begun))
        await desk.note(office.begun[0], {"ts": ["7"]})
    assert office.interrupted == []
    after = Office()
    async with at_work(inbox, after):
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert [(each.attempts, each.reply) for each in after.answered] == [(2, {"ts": ["7"]})]


async def test_closing_twice_in_a_hurry(inbox: Inbox) -> None:
    office = Office(Block())
    desk = Desk(inbox, "chat", office.work)
    running = asyncio.create_task(desk.run())
    await desk.accept(entry("1"))
    await until(lambda: bool(office.begun))
    running.cancel()
    await asyncio.sleep(0.01)
    await close(running)
    await until(lambda: desk.busy == 0)
    assert is_free(inbox, "1")


async def test_closing_while_entries_are_taken_gives_them_back(engine: Engine) -> None:
    inbox, office = SlowInbox(engine, "claim"), Office()
    desk = Desk(inbox, "chat", office.work)
    running = asyncio.create_task(desk.run())
    await desk.accept(entry("1"))
    await asyncio.to_thread(inbox.reached.wait, PATIENCE)
    asyncio.get_running_loop().call_later(0.05, inbox.go_on)
    await close(running)
    assert office.begun == []
    assert is_free(Inbox(engine), "1")


async def test_an_inbox_that_cannot_be_read_for_a_while(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = 3
    claim, release_all = inbox.claim, inbox.release_all

    def failing(*args: Any) -> list[Entry]:
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageFailed("locked")
        return claim(*args)

    def locked(_: str) -> None:
        monkeypatch.setattr(inbox, "release_all", release_all)
        raise StorageFailed("locked")

    monkeypatch.setattr(inbox, "claim", failing)
    monkeypatch.setattr(inbox, "release_all", locked)
    office = Office()
    async with at_work(inbox, office, alone=True) as desk:
        await desk.accept(entry("1"))
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0)
    assert failures == 0


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_people_do_the_last_form_is_answered(inbox: Inbox, engine: Engine, seed: int) -> None:
    """Two processes, and people who edit, delete and repeat in no order."""
    chance = random.Random(seed)
    texts: dict[str, str] = {}
    gone: set[str] = set()

    async def works(_: Entry) -> None:
        await asyncio.sleep(chance.random() * 0.01)
        if chance.random() < 0.05:
            raise Retry("later", 0.0)

    offices = Office(works), Office(works)
    async with at_work(inbox, offices[0]) as first, at_work(Inbox(engine), offices[1]) as second:
        for step in range(150):
            key = f"{chance.randrange(25)}"
            # What happens to one message comes through one process; the other may be working on it.
            desk = first if int(key) % 2 else second
            if key not in texts or chance.random() < 0.2:
                texts.setdefault(key, "0")
                await desk.accept(entry(key, f"t{int(key) % 10}", "0"))
            elif chance.random() < 0.8:
                if key not in gone:
                    texts[key] = f"{step}"
                await desk.revise(entry(key, f"t{int(key) % 10}", f"{step}"))
            else:
                gone.add(key)
                await desk.withdraw(key)
            await asyncio.sleep(chance.random() * 0.005)
        await until(lambda: inbox.count_waiting().get("chat", 0) == 0 and first.busy + second.busy == 0)
    answered = [each for office in offices for each in office.answered]
    for key, text in texts.items():
        if key not in gone:
            newest = max((each for each in answered if each.key == key), key=lambda each: each.revision)
            assert newest.payload["text"] == text

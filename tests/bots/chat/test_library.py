"""What commands about documents do, and for whom, over a real store and index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bots.chat.grammar import Verb, parse
from bots.chat.library import PAGE, Library
from bots.chat.results import Request, Result, Rights
from core.health import Check, State
from core.store.conversations import Conversations
from core.store.places import Bindings
from core.types import Answer, DocumentStatus, Outcome, Question, Scope
from tests.core.store.samples import document, publish
from tests.ingest.library import Library as Store
from tests.ingest.library import open_library

HERE, HR, SET = "chat:here", "chat:hr", "chat:set"
ADMIN, NOBODY = Rights(is_admin=True), Rights()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two documents in the default namespace, one in each of two others."""
    with open_library(tmp_path / "data") as opened:
        for sample in (
            document("handbook", pages=12, id="ab12" * 8),
            document("travel", title="Travel policy", source="upload:travel.pdf"),
            document("leave", "hr", id="1eaf" * 8, source="upload:leave.pdf"),
            document("salaries", "board", readers=frozenset({"ann"})),
        ):
            publish(opened.store, sample, ["One.", "Two."])
        yield opened


@pytest.fixture
def library(store: Store) -> Library:
    bindings = Bindings(store.engine)
    bindings.bind(HR, "hr", "chat:olga")
    pipeline = store.pipeline
    conversations = Conversations(store.engine)
    return Library(pipeline, pipeline.versions, pipeline.jobs, bindings, conversations, {SET: "it"}, checks, 30)


async def checks() -> Sequence[Check]:
    return [Check("vectors", State.OK, "fine"), Check("model", State.DEGRADED, "is down", "Start it.")]


async def say(library: Library, text: str, rights: Rights = NOBODY, place: str = HERE) -> Result:
    return await library.run(Request(place, "chat:ben", rights), parse(text))


def titles(result: Result) -> list[str]:
    return [row.title for row in result.rows]


# ── who sees what ────────────────────────────────────────────────────────────────────────────────


async def test_everybody_sees_what_their_place_and_the_default_ask(library: Library) -> None:
    assert titles(await say(library, "list")) == ["Handbook", "Travel policy"]
    assert titles(await say(library, "list", place=HR)) == ["Handbook", "Leave", "Travel policy"]
    assert titles(await say(library, "list", ADMIN)) == ["Handbook", "Leave", "Salaries", "Travel policy"]


async def test_another_namespace_looks_as_if_it_did_not_exist(library: Library) -> None:
    hidden, absent = await say(library, "list hr"), await say(library, "list xy")
    assert hidden == absent
    assert not hidden.rows
    assert titles(await say(library, "list hr", place=HR)) == ["Leave"]
    assert titles(await say(library, "namespaces")) == ["default"]
    assert titles(await say(library, "namespaces", ADMIN)) == ["board", "default", "hr", "it"]


@pytest.mark.parametrize("name", ["leave", '"Leave"', "leave.pdf", "1eaf1eaf"])
async def test_a_document_elsewhere_looks_as_if_it_did_not_exist(library: Library, name: str) -> None:
    assert "no document of this" in (await say(library, f"show {name}")).text
    assert "no document of this" not in (await say(library, f"show {name}", place=HR)).text


async def test_what_only_some_may_read_is_for_admins(library: Library) -> None:
    library.bindings.bind(HERE, "board", "chat:olga")
    assert titles(await say(library, "list")) == ["Handbook", "Travel policy"]
    assert "no document of this" in (await say(library, "show salaries")).text
    assert "not everybody may read it" in (await say(library, "show salaries", ADMIN)).rows[0].details


@pytest.mark.parametrize("text", ["remove handbook", "replace handbook", "bind hr", "unbind", "add", "add hr",
                                  "restore handbook 1", "purge handbook", "failed", "retry 123456", "cancel 123456"])  # fmt: skip
async def test_who_is_no_admin_is_refused_and_nothing_happens(library: Library, store: Store, text: str) -> None:
    before = library.bindings.all(), store.documents()
    assert "Only admins" in (await say(library, text, place=HR)).text
    assert "tell me" in (await say(library, text, Rights(doubt="Slack did not tell me."), place=HR)).text
    assert (library.bindings.all(), store.documents()) == before


@pytest.mark.parametrize("verb", ["remove", "purge"])
async def test_the_last_step_of_removing_is_for_admins_too(library: Library, store: Store, verb: str) -> None:
    (victim, *_) = store.documents()
    assert "Only admins" in (await library.confirmed(Request(HERE, "chat:ben"), f"{verb} {victim.id}")).text
    assert victim in store.documents()


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_says_how_each_document_is(library: Library) -> None:
    first = (await say(library, "list")).rows[0]
    assert "ready · 12 pages · 2 passages · 2026-01-02 03:04 UTC" in first.details
    assert any("namespace default" in line and "handbook.md" in line for line in first.details)


async def test_a_list_can_be_of_a_namespace_and_of_words(library: Library) -> None:
    assert titles(await say(library, "list travel")) == ["Travel policy"]
    assert titles(await say(library, "list HR leave", ADMIN)) == ["Leave"]
    assert titles(await say(library, 'list "hr"', ADMIN)) == []
    assert titles(await say(library, "list hr travel", ADMIN)) == []


async def test_a_namespace_that_is_misspelt_is_suggested(library: Library) -> None:
    assert "`default`" in (await say(library, "list defualt")).text.partition("Did you mean")[2]


async def test_long_lists_have_pages(library: Library, store: Store) -> None:
    for number in range(25):
        store.store.put(document(f"n{number:02}", "it"))
    first = await say(library, "list it", ADMIN)
    assert len(first.rows) == PAGE
    assert "1 to 10 of 25" in first.text
    assert [action.name for action in first.actions] == ["next"]
    second = await say(library, first.actions[0].command, ADMIN)
    assert "11 to 20 of 25" in second.text
    assert [action.name for action in second.actions] == ["previous", "next"]
    last = await say(library, "list it page 99", ADMIN)
    assert "21 to 25 of 25" in last.text
    assert [action.command for action in last.actions] == ["list it page 2"]


# ── one document ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["ab12ab1", "AB12ab12", "Handbook", "handbook.md", '"HANDBOOK"', "ndbo"])
async def test_a_document_is_known_by_id_title_and_file_name(library: Library, name: str) -> None:
    shown = await say(library, f"show {name}")
    assert titles(shown) == ["Handbook"]
    assert not shown.actions
    assert [action.name for action in (await say(library, f"show {name}", ADMIN)).actions] == ["remove"]


async def test_a_document_is_found_by_the_beginning_of_its_id(library: Library, store: Store) -> None:
    publish(store.store, document("x", title="By id", id="facade12" * 4), ["One."])
    publish(store.store, document("other", title="The facade of the house"), ["One."])
    assert titles(await say(library, "show facade12")) == ["By id"]
    assert titles(await say(library, 'show "facade"')) == ["The facade of the house"]


async def test_titles_that_several_documents_have_are_listed(library: Library, store: Store) -> None:
    publish(store.store, document("x", title="Travel policy", id="cd34" * 8), ["One."])
    result = await say(library, "remove travel policy", ADMIN)
    assert "2 documents" in result.text
    assert titles(result) == ["Travel policy", "Travel policy"]
    assert any("cd34cd34" in line for row in result.rows for line in row.details)
    assert not result.actions


async def test_an_exact_title_is_meant_before_longer_ones(library: Library, store: Store) -> None:
    publish(store.store, document("more", title="Handbook for guests"), ["One."])
    assert titles(await say(library, "show handbook")) == ["Handbook"]


async def test_removing_asks_first(library: Library, store: Store) -> None:
    asked = await say(library, "remove handbook", ADMIN)
    confirm, keep = asked.actions
    assert confirm.is_final
    assert not keep.is_final
    assert "Handbook" in {each.title for each in store.documents()}
    request = Request(HERE, "chat:olga", ADMIN)
    assert "Removed" in (await library.confirmed(request, confirm.command)).text
    assert "Handbook" not in {each.title for each in store.documents()}
    assert "removed already" in (await library.confirmed(request, confirm.command)).text


async def test_a_button_of_an_earlier_version_still_removes(library: Library, store: Store) -> None:
    (victim, *_) = store.documents()
    assert "Removed" in (await library.confirmed(Request(HERE, "chat:olga", ADMIN), victim.id)).text
    assert victim not in store.documents()


async def test_whoever_removes_is_told_how_long_it_can_be_brought_back(library: Library, store: Store) -> None:
    assert "brought back for 30 days" in (await say(library, "remove handbook", ADMIN)).text
    assert "added again" in (await say(replace(library, keep_removed_days=0), "remove handbook", ADMIN)).text
    store.store.put(document("broken", status=DocumentStatus.FAILED, error="It has a password."))
    assert "added again" in (await say(library, "remove broken", ADMIN)).text


async def test_replacing_says_how(library: Library) -> None:
    sent = await say(library, "replace travel.pdf", ADMIN)
    assert "namespace default" in sent.text
    assert titles(sent) == ["travel.pdf", "Travel policy"]
    assert "folder" in (await say(library, "replace handbook", ADMIN)).text


async def test_adding_says_how(library: Library) -> None:
    assert "namespace it" in (await say(library, "add", ADMIN, SET)).text
    assert "namespace new" in (await say(library, "add new", ADMIN)).text
    assert "name is made of" in (await say(library, "add ../x", ADMIN)).rows[0].title


# ── what a place asks ────────────────────────────────────────────────────────────────────────────


async def test_a_place_is_bound_and_unbound(library: Library) -> None:
    assert "`hr`" in (await say(library, "bind hr", ADMIN)).text
    assert await library.namespace_of(HERE) == "hr"
    assert "`hr`. An admin" in (await say(library, "bind")).text
    assert [each.bound_by for each in library.bindings.all()] == ["chat:ben", "chat:olga"]
    assert "`default`" in (await say(library, "unbind", ADMIN)).text
    assert await library.namespace_of(HERE) == "default"
    assert "Nobody has bound" in (await say(library, "unbind", ADMIN)).text


async def test_a_binding_goes_before_the_settings(library: Library) -> None:
    assert "The settings" in (await say(library, "bind", place=SET)).text
    await say(library, "bind hr", ADMIN, SET)
    assert await library.namespace_of(SET) == "hr"
    assert "`it`" in (await say(library, "unbind", ADMIN, SET)).text
    assert "only they" in (await say(library, "unbind", ADMIN, SET)).text


async def test_a_namespace_without_documents_is_bound_and_said_to_be_empty(library: Library) -> None:
    empty = await say(library, "bind handbooks", ADMIN)
    assert "empty so far" in empty.text
    assert await library.namespace_of(HERE) == "handbooks"
    assert "Did you mean the namespace `default`?" in (await say(library, "bind defaul", ADMIN)).text
    assert "empty" not in (await say(library, "bind hr", ADMIN)).text


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "x" * 70, "<@U1>"])
async def test_a_name_that_cannot_be_is_refused(library: Library, name: str) -> None:
    assert "name is made of" in (await say(library, f"bind {name}", ADMIN)).rows[0].title
    assert await library.namespace_of(HERE) == "default"


# ── at a glance ──────────────────────────────────────────────────────────────────────────────────


async def test_the_status_counts_and_tells_admins_of_trouble(library: Library, store: Store) -> None:
    store.store.put(document("broken", status=DocumentStatus.FAILED, error="It has a password."))
    status = await say(library, "status")
    assert "`default`" in status.text
    assert "3 documents" in status.text
    assert "2 ready, 0 being read, 1 failed" in status.text
    assert not status.rows
    troubles = await say(library, "status", ADMIN)
    assert titles(troubles) == ["model", "Broken"]
    assert "It has a password." in troubles.rows[1].details


@pytest.mark.parametrize("text", ["help", "", "lsit", "show", "bind a b"])
async def test_help_is_for_everybody(library: Library, text: str) -> None:
    assert "/lore" in (await say(library, text)).text


async def test_a_misspelt_command_suggests_the_right_one(library: Library) -> None:
    assert "`/lore remove DOCUMENT`" in (await say(library, "remvoe x")).text
    assert "/ask" in (await say(library, "xyzzy")).text
    for verb in Verb:
        assert f"/lore {verb.value}" in (await say(library, "help")).text


async def test_the_board_shows_admins_what_was_not_answered(library: Library) -> None:
    ask(library, "1", "What is the wifi password?", Outcome.NO_EVIDENCE)
    ask(library, "2", "How many days?", Outcome.NO_EVIDENCE, "hr")
    ask(library, "3", "Who are you?", Outcome.ANSWERED)
    ask(library, "4", "What is for lunch?", Outcome.NO_EVIDENCE)
    ask(library, "5", "What is for lunch?", Outcome.ANSWERED)
    seen = await library.board(Request(HERE, "chat:ben", NOBODY))
    assert not seen.unanswered
    assert [shelf.namespace for shelf in seen.shelves] == ["default"]
    board = await library.board(Request(HERE, "chat:olga", ADMIN), offset=2, limit=2)
    assert [each.question for each in board.unanswered] == ["How many days?", "What is the wifi password?"]
    assert [each.title for each in board.documents] == ["Salaries", "Travel policy"]
    assert (board.offset, board.total) == (2, 4)
    assert {shelf.namespace: (shelf.documents, shelf.places) for shelf in board.shelves} == {
        "board": (1, 0), "default": (2, 0), "hr": (1, 1), "it": (0, 1)
    }  # fmt: skip


async def test_a_board_that_is_opened_where_nothing_is_any_more_shows_the_last_page(library: Library) -> None:
    board = await library.board(Request(HERE, "chat:ben"), offset=50, limit=1)
    assert (board.offset, board.total, len(board.documents)) == (1, 2, 1)


def ask(library: Library, number: str, text: str, outcome: Outcome, namespace: str = "default") -> None:
    question = Question(number, text, Scope(namespace), thread=number)
    library.conversations.append(question, Answer(number, outcome, "…", namespace=namespace, thread=number))

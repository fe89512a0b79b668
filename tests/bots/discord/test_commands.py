"""The commands as Discord takes and keeps them, and what people fill in as the commands of every platform."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from discord.http import HTTPClient

from bots.chat.grammar import (
    USAGE,
    Add,
    Bind,
    CancelJob,
    Command,
    DocumentName,
    Failed,
    Help,
    History,
    ListDocuments,
    Namespaces,
    Purge,
    Remove,
    Replace,
    Restore,
    RetryJob,
    Show,
    Status,
    Unbind,
    Unfinished,
    Unknown,
    Verb,
)
from bots.discord.commands import (
    ENTRY_POINT,
    LONGEST_CHOICE,
    MOST_CHOICES,
    Json,
    Typed,
    attachments,
    choices,
    command_definitions,
    differs,
    invoked,
    subcommand,
    sync,
    typed,
    values,
)
from tests.fakes.discord import FakeDiscord, File, fake_discord
from tests.fakes.discord.with_discord import pointed

LISTED = "GET /applications/{application_id}/commands"
WRITTEN = "PUT /applications/{application_id}/commands"


@pytest.fixture
async def place() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture
async def http(place: FakeDiscord) -> AsyncIterator[HTTPClient]:
    import asyncio

    client = HTTPClient(asyncio.get_running_loop())
    with pointed(place):
        await client.static_login(place.token)
        yield client
        await client.close()


@pytest.fixture
async def registered(place: FakeDiscord, http: HTTPClient) -> FakeDiscord:
    await sync(http, place.application.id)
    return place


# ── as they are registered ───────────────────────────────────────────────────────────────────────


async def test_they_are_registered_once_and_then_only_looked_at(place: FakeDiscord, http: HTTPClient) -> None:
    assert await sync(http, place.application.id) is True
    assert await sync(http, place.application.id) is False
    assert len(place.called(WRITTEN)) == 1
    assert len(place.called(LISTED)) == 2
    kept = place.world.commands[None].values()
    assert [(each["type"], each["name"]) for each in kept] == [(1, "ask"), (1, "lore"), (3, "Answer this")]
    assert all((each["contexts"], each["integration_types"]) == ([0, 1], [0]) for each in kept)


async def test_what_somebody_else_changed_is_put_right(registered: FakeDiscord, http: HTTPClient) -> None:
    kept = registered.world.commands[None]
    identity = next(number for number, each in kept.items() if each["name"] == "lore")
    kept[identity]["options"] = kept[identity]["options"][1:]
    assert await sync(http, registered.application.id) is True
    (lore,) = [each for each in kept.values() if each["name"] == "lore"]
    assert [each["name"] for each in lore["options"]] == [verb.value for verb in USAGE]
    assert lore["id"] == str(identity), "people's rights and favourites stay"


async def test_commands_of_earlier_versions_go(registered: FakeDiscord, http: HTTPClient) -> None:
    kept = registered.world.commands[None]
    kept[1] = {**next(iter(kept.values())), "id": "1", "name": "old"}
    assert await sync(http, registered.application.id) is True
    assert sorted(each["name"] for each in kept.values()) == ["Answer this", "ask", "lore"]


async def test_the_entry_point_of_an_activity_is_kept(registered: FakeDiscord, http: HTTPClient) -> None:
    kept = registered.world.commands[None]
    kept[1] = {"id": "1", "type": ENTRY_POINT, "name": "launch", "description": "", "contexts": None}
    assert await sync(http, registered.application.id) is False
    next(each for each in kept.values() if each["name"] == "ask")["description"] = "Something else"
    assert await sync(http, registered.application.id) is True
    (written,) = registered.called(WRITTEN)[1:]
    assert {"id": "1", "type": ENTRY_POINT, "name": "launch"} in written.body


def as_kept(command: Json) -> Json:
    """As Discord gives it back, with what it adds."""
    options = [as_kept(each) for each in command.get("options", ())]
    return {
        **copy.deepcopy(command),
        **({"options": options} if options else {}),
        "id": "1", "application_id": "2", "version": "3", "name_localizations": None, "description_localizations": None,
        "description": command.get("description", ""), "dm_permission": True, "nsfw": False, "required": False,
        "default_member_permissions": None, "something_new": {"a": 1}, **({"required": True} if command.get("required") else {}),
    }  # fmt: skip


def test_what_discord_adds_by_itself_is_no_difference() -> None:
    kept = [as_kept(each) for each in reversed(command_definitions())]
    for each in kept:
        each["contexts"] = each["contexts"][::-1]
    assert not differs(command_definitions(), kept)
    for each in kept:
        del each["integration_types"]
    assert not differs(command_definitions(), kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", "Other words"), ("contexts", [0]), ("integration_types", [0, 1]), ("nsfw", True),
        ("default_member_permissions", "0"), ("default_member_permissions", "32"), ("options", []), ("type", 2),
        ("name", "question"), ("description_localizations", {"de": "Frag die Dokumente"}),
    ],
)  # fmt: skip
def test_each_thing_that_we_say_ourselves_is_a_difference(name: str, value: Any) -> None:
    kept = [as_kept(each) for each in command_definitions()]
    kept[0][name] = value
    assert differs(command_definitions(), kept)


@pytest.mark.parametrize(("name", "value"), [("required", False), ("max_length", 10), ("type", 4), ("choices", [1])])
def test_a_changed_option_is_a_difference(name: str, value: Any) -> None:
    kept = [as_kept(each) for each in command_definitions()]
    kept[0]["options"][0][name] = value
    assert differs(command_definitions(), kept)


def test_none_at_all_and_the_same_twice_are_differences() -> None:
    own = command_definitions()
    assert differs(own, [])
    assert differs(own, own[1:])
    assert differs(own, [*own, own[0]])


def test_every_command_of_the_grammar_is_a_subcommand() -> None:
    (lore,) = [each for each in command_definitions() if each["name"] == "lore"]
    assert {each["name"] for each in lore["options"]} == {verb.value for verb in Verb}


# ── as people fill them in ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "given", "meant"),
    [
        ("list", {}, ListDocuments()),
        ("list", {"namespace": "hr", "search": " travel  policy ", "page": 3}, ListDocuments("hr", "travel policy", 3)),
        ("show", {"document": "Travel policy"}, Show(DocumentName("Travel policy"))),
        ("show", {"document": '"abcdef"'}, Show(DocumentName("abcdef", is_quoted=True))),
        ("remove", {"document": "abcdef0123"}, Remove(DocumentName("abcdef0123"))),
        ("replace", {"document": "policy.pdf"}, Replace(DocumentName("policy.pdf"))),
        ("show", {"document": "  "}, Unfinished(Verb.SHOW)),
        ("history", {"document": "policy.pdf"}, History(DocumentName("policy.pdf"))),
        ("restore", {"document": "abcdef0123"}, Restore(DocumentName("abcdef0123"))),
        ("restore", {"document": "Rules of 2025", "version": 3}, Restore(DocumentName("Rules of 2025"), 3)),
        ("restore", {"document": '""'}, Unfinished(Verb.RESTORE)),
        ("purge", {"document": "abcdef0123"}, Purge(DocumentName("abcdef0123"))),
        ("failed", {}, Failed()),
        ("failed", {"page": 2}, Failed(2)),
        ("retry", {"job": "abcdef01"}, RetryJob("abcdef01")),
        ("cancel", {"job": "abcdef01"}, CancelJob("abcdef01")),
        ("bind", {"namespace": "hr"}, Bind("hr")),
        ("unbind", {}, Unbind()),
        ("namespaces", {}, Namespaces()),
        ("status", {}, Status()),
        ("help", {}, Help()),
    ],
)
async def test_what_is_filled_in_is_the_command_of_every_platform(
    registered: FakeDiscord, command: str, given: dict[str, Any], meant: Command
) -> None:
    done = await registered.slash(registered.olga, registered.general, f"lore {command}", **given)
    assert invoked(done.data) == meant
    assert subcommand(done.data) == command
    assert attachments(done.data) == []


async def test_files_come_in_the_order_of_their_options(registered: FakeDiscord) -> None:
    first, second = (File(registered.new_id(), name, b"text") for name in ("b.md", "a.md"))
    done = await registered.slash(
        registered.olga, registered.general, "lore add", file3=second, namespace="hr", file=first
    )
    assert invoked(done.data) == Add("hr")
    assert [each["filename"] for each in attachments(done.data)] == ["b.md", "a.md"]
    assert attachments(done.data)[0]["size"] == 4
    shuffled = {
        **done.data,
        "options": [{**done.data["options"][0], "options": done.data["options"][0]["options"][::-1]}],
    }
    assert [each["filename"] for each in attachments(shuffled)] == ["b.md", "a.md"]


async def test_a_question_is_filled_in(registered: FakeDiscord) -> None:
    done = await registered.slash(registered.ann, registered.general, "ask", question="How many days?", private=True)
    assert values(done.data) == {"question": "How many days?", "private": True}
    assert subcommand(done.data) == ""


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        ({}, Unknown("")),
        ({"options": [{"type": 1, "name": "dance"}]}, Unknown("dance")),
        ({"options": [{"type": 1, "name": "list", "options": [{"type": 4, "name": "page", "value": -7}]}]}, ListDocuments()),
        ({"options": [{"type": 1, "name": "list", "options": [{"type": 4, "name": "page", "value": 10**20}]}]}, ListDocuments(page=999_999)),
        ({"options": [{"type": 1, "name": "show"}]}, Unfinished(Verb.SHOW)),
        ({"options": [{"type": 1, "name": "bind", "options": []}]}, Bind()),
        ({"options": [{"type": 1, "name": "retry"}]}, Unfinished(Verb.RETRY)),
        (
            {"options": [{"type": 1, "name": "restore", "options": [
                {"type": 3, "name": "document", "value": "a"}, {"type": 4, "name": "version", "value": -1}]}]},
            Restore(DocumentName("a")),
        ),
    ],
)  # fmt: skip
def test_what_no_client_of_discords_sends_is_no_error(data: Json, meant: Command) -> None:
    assert invoked(data) == meant


def test_files_that_discord_does_not_tell_of_are_left_out() -> None:
    given = {"options": [{"type": 1, "name": "add", "options": [{"type": 11, "name": "file", "value": "7"}]}]}
    assert attachments(given) == []
    assert attachments({**given, "resolved": {"attachments": {"8": {"id": "8"}}}}) == []


async def test_what_is_being_typed_is_told_with_its_option(registered: FakeDiscord) -> None:
    registered.faults.drops = 2
    olga, general = registered.olga, registered.general
    for command, option in [("lore show", "document"), ("lore add", "namespace"), ("lore retry", "job")]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registered, "until", _nobody_answers)
            await registered.autocomplete(olga, general, command, option, "tra")
        *_, done = registered.interactions(olga)
        assert typed(done.data) == Typed(command.partition(" ")[2], option, "tra")


async def _nobody_answers(*_: object) -> None:
    raise TimeoutError


def test_where_nothing_is_typed_there_is_nothing_to_complete() -> None:
    assert typed({"name": "ask", "options": [{"type": 3, "name": "question", "value": "x"}]}) is None


# ── completion ───────────────────────────────────────────────────────────────────────────────────

TITLES = [("A travel log", "1"), ("Retravelling", "2"), ("Travel policy", "3"), ("Leave", "4")]


def test_the_best_matches_come_first() -> None:
    assert [each["value"] for each in choices(TITLES, "TRAVEL ")] == ["3", "1", "2"]
    assert choices(TITLES, "leave") == [{"name": "Leave", "value": "4"}]
    assert choices(TITLES, "dogs") == []


def test_before_anything_is_typed_all_are_offered_in_their_order() -> None:
    assert [each["value"] for each in choices(TITLES)] == ["1", "2", "3", "4"]


def test_a_value_can_be_typed_instead_of_its_label() -> None:
    assert choices([("Travel policy", "abcdef01"), ("Leave", "0123")], "abcd") == [
        {"name": "Travel policy", "value": "abcdef01"}
    ]


async def test_discord_takes_them_however_many_and_long_they_are() -> None:
    long = "word " * 50
    offered = [(f"{number} {long}", str(number)) for number in range(60)] + [
        ("too long", "x" * 101),
        ("", "y"),
        (" ", ""),
    ]
    found = choices([("", "y"), (" ", ""), ("too long", "x" * 101), *offered])
    assert len(found) == MOST_CHOICES
    assert found[0] == {"name": "y", "value": "y"}
    assert all(1 <= len(each["name"]) <= LONGEST_CHOICE and 1 <= len(each["value"]) <= LONGEST_CHOICE for each in found)
    assert found[1]["name"].endswith("…")


def test_a_value_is_offered_once() -> None:
    assert choices([("hr", "hr"), ("HR again", "hr")]) == [{"name": "hr", "value": "hr"}]

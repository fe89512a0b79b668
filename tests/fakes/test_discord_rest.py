"""What the loopback Discord refuses, limits and breaks, and what the real discord.py makes of it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands

from tests.fakes.discord import FakeDiscord, fake_discord, specs
from tests.fakes.discord import permissions as may
from tests.fakes.discord.guilds import BOT
from tests.fakes.discord.with_discord import Bot, connected

POST = "POST /channels/{channel_id}/messages"
PATCH = "PATCH /channels/{channel_id}/messages/{message_id}"


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as running:
        yield running


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[Bot]:
    running = Bot()
    async with connected(fake, running):
        yield running


@pytest.fixture
def general(fake: FakeDiscord, bot: Bot) -> discord.PartialMessageable:
    return bot.get_partial_messageable(fake.general.id, guild_id=fake.guild.id)


async def raw(fake: FakeDiscord, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """A request that discord.py would not make."""
    assert fake.session is not None
    headers = {"Authorization": f"Bot {fake.token}", **options.pop("headers", {})}
    async with fake.session.request(method, fake.api_url + path, headers=headers, **options) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


def test_description_is_at_hand_or_nothing_is_checked() -> None:
    if specs.at_hand():
        assert specs.is_known("POST", "/channels/{channel_id}/messages")
        with pytest.raises(Exception, match="Invalid Form Body"):
            specs.check_as("MessageCreateRequest", {"content": 3})
    else:
        specs.check_as("MessageCreateRequest", {"content": 3})


async def test_rate_limit_of_a_channel_is_waited_out(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.limits.speed = 50
    for number in range(12):
        await general.send(str(number))
    assert [each.shown for each in fake.messages(fake.general)] == [str(number) for number in range(12)]
    assert fake.throttled == []


async def test_429_is_waited_out(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.limits.speed = 50
    for _ in range(5):
        await raw(fake, "POST", f"/channels/{fake.general.id}/messages", json={"content": "another process"})
    await general.send("13 days")
    assert [call.status for call in fake.calls if call.route == POST] == [200] * 5 + [429, 200]
    assert fake.violations == []


async def test_whoever_does_not_wait_is_noticed(fake: FakeDiscord) -> None:
    fake.limits.tolerated = 0
    said = [await raw(fake, "POST", f"/channels/{fake.general.id}/messages", json={"content": "x"}) for _ in range(7)]
    assert [status for status, _ in said] == [200] * 5 + [429] * 2
    assert said[-1][1]["retry_after"] > 0
    assert [violation.error for violation in fake.violations] == ["hammered"]
    assert len(fake.refused) == 2


async def test_limit_of_all_requests_together(fake: FakeDiscord) -> None:
    fake.limits.per_second = 3
    statuses = [(await raw(fake, "GET", f"/users/{fake.ann.id}"))[0] for _ in range(3)]
    status, body = await raw(fake, "GET", "/users/@me")
    assert (statuses, status, body["global"]) == ([200] * 3, 429, True)


async def test_renaming_has_a_limit_of_its_own(fake: FakeDiscord, bot: Bot) -> None:
    thread = await fake.start_thread(fake.bot, fake.general, "one")
    for name in ("two", "three"):
        assert (await raw(fake, "PATCH", f"/channels/{thread.id}", json={"name": name}))[0] == 200
    assert (await raw(fake, "PATCH", f"/channels/{thread.id}", json={"name": "four"}))[0] == 429


async def test_ban_of_the_address(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.faults.fail(POST, retry_after=60, via=False)
    with pytest.raises(discord.HTTPException, match="429"):
        await general.send("13 days")


@pytest.mark.parametrize(
    ("taken", "send", "code"),
    [
        (may.VIEW_CHANNEL, {"content": "x"}, 50001),
        (may.SEND_MESSAGES, {"content": "x"}, 50013),
        (may.EMBED_LINKS, {"embed": discord.Embed(title="x")}, 50013),
        (may.ATTACH_FILES, {"file": True}, 50013),
        (may.READ_MESSAGE_HISTORY, {"content": "x", "reference": True}, 160002),
    ],
)
async def test_permissions(
    fake: FakeDiscord, general: discord.PartialMessageable, taken: int, send: dict[str, Any], code: int
) -> None:
    question = await fake.say(fake.ann, fake.general, "how many days?")
    if "reference" in send:
        channel = general.get_partial_message(question.id)
        send = send | {"reference": channel.to_reference()}
    if "file" in send:
        send = {"file": discord.File(io.BytesIO(b"x"), "x.txt")}
    fake.overwrite(fake.general, fake.bot, deny=taken)
    with pytest.raises(discord.Forbidden) as refused:
        await general.send(**send)
    assert refused.value.code == code
    assert fake.violations == []
    assert len(fake.refused) == 1


async def test_threads_take_their_own_permissions(
    fake: FakeDiscord, bot: Bot, general: discord.PartialMessageable
) -> None:
    fake.set_permissions(fake.guild.everyone, may.VIEW_CHANNEL | may.READ_MESSAGE_HISTORY | may.SEND_MESSAGES)
    fake.set_permissions(fake.bot_role, BOT & ~may.CREATE_PUBLIC_THREADS & ~may.SEND_MESSAGES_IN_THREADS)
    question = await fake.say(fake.olga, fake.general, "how many days?")
    message = general.get_partial_message(question.id)
    with pytest.raises(discord.Forbidden):
        await message.create_thread(name="Leave")
    thread = await fake.start_thread(fake.olga, question, "Leave")
    with pytest.raises(discord.Forbidden):
        await bot.get_partial_messageable(thread.id).send("13 days")
    fake.set_permissions(fake.bot_role, BOT & ~may.MANAGE_THREADS)
    await bot.get_partial_messageable(thread.id).send("13 days")
    with pytest.raises(discord.Forbidden):
        await bot.http.edit_channel(thread.id, name="Other")


async def test_second_thread_of_a_message(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    question = await fake.say(fake.ann, fake.general, "how many days?")
    message = general.get_partial_message(question.id)
    await message.create_thread(name="Leave")
    with pytest.raises(discord.HTTPException) as refused:
        await message.create_thread(name="Leave")
    assert refused.value.code == 160004


async def test_over_long_text(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    await general.send("x" * 2000)
    with pytest.raises(discord.HTTPException, match="In content: Must be 2000 or fewer in length"):
        await general.send("x" * 2001)
    assert [violation.error for violation in fake.violations] == ["50035"]


def _row(*components: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": 1, "components": list(components)}]


def _button(**changes: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"} | changes


def _text(content: str) -> dict[str, Any]:
    return {"type": 10, "content": content}


V2 = {"flags": 1 << 15}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"content": " \n"}, ""),
        ({"embeds": [{"title": "x"}] * 11}, "embeds"),
        ({"embeds": [{"title": "x" * 257}]}, "title"),
        ({"embeds": [{"description": "x" * 4096}, {"description": "x" * 1905}]}, "embeds"),
        ({"embeds": [{"fields": [{"name": "x", "value": ""}]}]}, "value"),
        ({"content": "x", "components": _row(*[_button(custom_id=str(n)) for n in range(6)])}, "components"),
        ({"content": "x", "components": _row(_button(), _button())}, "components"),
        ({"content": "x", "components": _row(_button(custom_id="x" * 101))}, "custom_id"),
        ({"content": "x", "components": _row(_button(label="x" * 81))}, "label"),
        ({"content": "x", "components": _row({"type": 3, "custom_id": "s", "options": []})}, "components"),
        ({"content": "x", "components": [_text("x")]}, "components"),
        (V2 | {"content": "x", "components": [_text("x")]}, "content"),
        (V2 | {"embeds": [{"title": "x"}], "components": [_text("x")]}, "embeds"),
        (V2 | {"components": [_text("x" * 2001), _text("x" * 2000)]}, "components"),
        (V2 | {"components": [{"type": 17, "components": [_text("x")] * 40}]}, "components"),
        (V2 | {"components": [{"type": 13, "file": {"url": "attachment://missing.txt"}}]}, "components"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1" * 18]}}, "allowed_mentions"),
        ({"content": "x", "nonce": "x" * 26}, "nonce"),
        ({"content": "x", "message_reference": {"message_id": "1" * 18}}, "message_reference"),
    ],
)
async def test_what_a_message_cannot_be(fake: FakeDiscord, body: dict[str, Any], field: str) -> None:
    status, answer = await raw(fake, "POST", f"/channels/{fake.general.id}/messages", json=body)
    assert status == 400
    assert answer["code"] == (50035 if field else 50006)
    assert field in str(answer.get("errors"))
    assert fake.messages(fake.general) == []
    assert len(fake.violations) == 1


async def test_what_a_message_can_be(fake: FakeDiscord) -> None:
    section = {"type": 9, "components": [_text("a")], "accessory": _button(custom_id="more")}
    container = {"type": 17, "components": [section, {"type": 14}, _text("b")]}
    for body in (
        V2 | {"components": [container, _text("c"), *_row(_button())]},
        {"content": "x", "components": _row({"type": 3, "custom_id": "s", "options": [{"label": "A", "value": "a"}]})},
        {"content": "x", "components": _row({"type": 2, "style": 5, "label": "Go", "url": "https://example.com"})},
    ):
        status, answer = await raw(fake, "POST", f"/channels/{fake.general.id}/messages", json=body)
        assert (status, answer) == (200, answer)
    assert fake.messages(fake.general)[0].shown == "a\nb\nc"
    assert fake.violations == []


@pytest.mark.parametrize("name", ["", "x" * 101])
async def test_names_of_threads(fake: FakeDiscord, name: str) -> None:
    question = await fake.say(fake.ann, fake.general, "how many days?")
    path = f"/channels/{fake.general.id}/messages/{question.id}/threads"
    assert (await raw(fake, "POST", path, json={"name": name}))[0] == 400


@pytest.mark.parametrize(
    "command",
    [
        {"name": "Ask", "description": "x"},
        {"name": "ask", "description": ""},
        {"name": "ask", "description": "x" * 101},
        {
            "name": "ask",
            "description": "x",
            "options": [{"name": f"o{n}", "description": "x", "type": 3} for n in range(26)],
        },
        {
            "name": "ask",
            "description": "x",
            "options": [
                {"name": "a", "description": "x", "type": 3},
                {"name": "b", "description": "x", "type": 3, "required": True},
            ],
        },
        {"name": "Answer this", "type": 3, "description": "x"},
    ],
)
async def test_what_a_command_cannot_be(fake: FakeDiscord, command: dict[str, Any]) -> None:
    path = f"/applications/{fake.application.id}/commands"
    assert (await raw(fake, "PUT", path, json=[command]))[0] == 400
    assert len(fake.violations) == 1


async def test_commands_keep_their_ids(fake: FakeDiscord, bot: Bot) -> None:
    @bot.tree.command(description="Ask the documents")
    @app_commands.describe(question="What to ask")
    async def ask(interaction: discord.Interaction, question: str) -> None: ...

    (first,) = await bot.tree.sync()
    assert first.options[0].description == "What to ask"
    (again,) = await bot.tree.sync()
    assert again.id == first.id
    assert [command.name for command in await bot.tree.fetch_commands()] == ["ask"]
    guild = discord.Object(fake.guild.id)
    bot.tree.copy_global_to(guild=guild)
    (own,) = await bot.tree.sync(guild=guild)
    assert (own.guild_id, own.id != first.id) == (fake.guild.id, True)
    assert fake.violations == []


async def test_nonce_is_not_said_twice(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.faults.fail(POST, close=True, afterwards=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await general.send("13 days", nonce="answer-1")
    again = await general.send("13 days", nonce="answer-1")
    assert [each.id for each in fake.messages(fake.general)] == [again.id]


async def test_faults(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.faults.fail(POST, close=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await general.send("lost")
    fake.faults.fail(POST, status=503)
    with pytest.raises(discord.DiscordServerError):
        await general.send("lost")
    fake.faults.fail(POST, status=403, code=50013, message="Missing Permissions")
    with pytest.raises(discord.Forbidden):
        await general.send("lost")
    fake.faults.fail(POST, retry_after=0.01)
    fake.faults.fail(POST, slow_s=0.01)
    await general.send("said")
    assert [each.shown for each in fake.messages(fake.general)] == ["said"]


async def test_edits_of_others_and_of_what_is_gone(fake: FakeDiscord, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, "how many days?")
    message = bot.get_partial_messageable(fake.general.id).get_partial_message(question.id)
    with pytest.raises(discord.Forbidden) as refused:
        await message.edit(content="mine")
    assert refused.value.code == 50005
    await fake.delete(question)
    with pytest.raises(discord.NotFound) as gone:
        await message.edit(content="mine")
    assert gone.value.code == 10008


async def test_edit_cannot_leave_components_v2(fake: FakeDiscord) -> None:
    path = f"/channels/{fake.general.id}/messages"
    _, sent = await raw(fake, "POST", path, json=V2 | {"components": [_text("x")]})
    assert (await raw(fake, "PATCH", f"{path}/{sent['id']}", json={"content": "y"}))[0] == 400
    assert (await raw(fake, "PATCH", f"{path}/{sent['id']}", json={"components": [_text("y")]}))[0] == 200


async def test_unknown_routes_and_tokens_are_noticed(fake: FakeDiscord) -> None:
    assert (await raw(fake, "GET", "/sticker-packs"))[0] == 404
    assert (await raw(fake, "GET", "/users/@me", headers={"Authorization": "Bearer x"}))[0] == 401
    assert [violation.error for violation in fake.violations] == ["unknown_route", "0"]


async def test_too_large_uploads(fake: FakeDiscord, general: discord.PartialMessageable) -> None:
    fake.size_limit = 10
    with pytest.raises(discord.HTTPException) as refused:
        await general.send(file=discord.File(io.BytesIO(b"x" * 11), "x.txt"))
    assert (refused.value.status, refused.value.code) == (413, 40005)


async def test_files_end(fake: FakeDiscord, bot: Bot) -> None:
    file = fake.file("leave.md", b"13 days")
    said = await fake.say(fake.ann, fake.general, files=[file])
    message = await bot.get_partial_messageable(fake.general.id).fetch_message(said.id)
    (attachment,) = message.attachments
    fake.faults.fail("GET /cdn", status=500)
    with pytest.raises(discord.HTTPException):
        await attachment.read()
    assert await attachment.read() == b"13 days"
    fake.clock.advance(2 * 86_400)
    with pytest.raises(discord.NotFound):
        await attachment.read()
    again = await bot.get_partial_messageable(fake.general.id).fetch_message(said.id)
    assert await again.attachments[0].read() == b"13 days"


async def test_lookups(fake: FakeDiscord, bot: Bot) -> None:
    staff = fake.add_role("staff", may.MANAGE_GUILD, people=[fake.ben])
    guild = await bot.fetch_guild(fake.guild.id)
    ben = await guild.fetch_member(fake.ben.id)
    assert [role.name for role in await guild.fetch_roles()] == ["@everyone", "lorekeeper", "staff"]
    assert [role.id for role in ben.roles if not role.is_default()] == [staff.id]
    assert [each.name for each in await guild.fetch_channels()] == ["general", "random", "board", "questions"]
    assert [each.name async for each in bot.fetch_guilds()] == ["acme"]
    thread = await fake.start_thread(fake.ann, fake.general, "Leave")
    assert [each.id for each in await guild.active_threads()] == [thread.id]
    await fake.archive(thread)
    channel = await bot.fetch_channel(fake.general.id)
    assert isinstance(channel, discord.TextChannel)
    assert [each.id async for each in channel.archived_threads()] == [thread.id]
    assert fake.violations == []

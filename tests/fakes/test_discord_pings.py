"""The loopback Discord notices whatever would notify people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest

from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.discord.pings import pings_in
from tests.fakes.discord.with_discord import Bot, connected

NOBODY: dict[str, Any] = {"parse": [], "replied_user": False}


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as running:
        yield running
        assert running.violations == []


def _text(content: str) -> dict[str, Any]:
    return {"type": 17, "components": [{"type": 10, "content": content}]}


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"content": "<@1> <@!2> <@&3> @everyone"}, ["<@1>", "<@!2>", "<@&3>", "@everyone"]),
        ({"content": "@here"}, ["@here"]),
        ({"content": "<@1> <@2>", "allowed_mentions": {"users": ["2"]}}, ["<@2>"]),
        ({"content": "<@&1> <@2>", "allowed_mentions": {"parse": ["roles"]}}, ["<@&1>"]),
        ({"content": "<@&1>", "allowed_mentions": {"roles": [1]}}, ["<@&1>"]),
        ({"components": [_text("<@1> @here")], "allowed_mentions": {"parse": ["users"]}}, ["<@1>"]),
        ({"components": [_text("@here")]}, ["@here"]),
    ],
)
def test_what_notifies(sent: dict[str, Any], found: list[str]) -> None:
    assert pings_in(sent) == found


@pytest.mark.parametrize(
    "sent",
    [
        {"content": "<@1> <@&2> @everyone @here", "allowed_mentions": NOBODY},
        {"components": [_text("<@1> @everyone")], "allowed_mentions": NOBODY},
        {"content": "<#1> mail@everyone_else @everybody </ask:1> <t:1> ann@example.com"},
        {"embeds": [{"title": "<@1>", "description": "@everyone"}]},
        {"components": [{"type": 1, "components": [{"type": 2, "label": "@everyone"}]}]},
    ],
)
def test_what_does_not_notify(sent: dict[str, Any]) -> None:
    assert pings_in(sent) == []


def test_reply_pings_its_author() -> None:
    assert pings_in({"content": "x"}, replied_to=7) == ["reply:<@7>"]
    assert pings_in({"content": "x", "allowed_mentions": NOBODY}, replied_to=7) == []
    assert pings_in({"content": "x", "allowed_mentions": NOBODY | {"replied_user": True}}, replied_to=7) != []


async def test_every_way_out_is_watched(fake: FakeDiscord) -> None:
    ann = fake.ann.mention
    everybody = discord.AllowedMentions.all()
    bot = Bot()

    @bot.tree.command(description="Ask")
    async def ask(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(ann, allowed_mentions=everybody)
        await interaction.followup.send(ann, allowed_mentions=everybody)
        await interaction.edit_original_response(content="@here", allowed_mentions=everybody)

    async with connected(fake, bot):
        await bot.tree.sync()
        channel = bot.get_partial_messageable(fake.general.id)
        await channel.send(f"{ann} @everyone")
        assert fake.pings == []
        sent = await channel.send(f"{ann} @everyone", allowed_mentions=everybody)
        await sent.edit(content="@here", allowed_mentions=everybody)
        question = await fake.say(fake.ann, fake.general, "how many days?")
        await channel.get_partial_message(question.id).reply("13 days", mention_author=True)
        asked = await fake.slash(fake.ann, fake.general, "ask")
        await fake.until(lambda: asked.response and asked.response.edits)
    post, edit = "POST /channels/{channel_id}/messages", "PATCH /channels/{channel_id}/messages/{message_id}"
    hook = "/webhooks/{webhook_id}/{webhook_token}"
    assert fake.pings == [
        (post, ann),
        (post, "@everyone"),
        (edit, "@here"),
        (post, f"reply:{ann}"),
        ("POST /interactions/{interaction_id}/{interaction_token}/callback", ann),
        (f"POST {hook}", ann),
        (f"PATCH {hook}/messages/@original", "@here"),
    ]

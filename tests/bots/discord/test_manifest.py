"""The invite link asks for what the bot uses: no less, so that everything works, and no more, so that people agree."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import discord
import pytest

from bots.discord import client
from bots.discord.manifest import (
    ADMINISTRATOR,
    INTENTS,
    MANAGE_GUILD,
    MESSAGE_CONTENT,
    PERMISSION_BITS,
    PERMISSIONS,
    client_id,
    has_message_content,
    interactions_url,
    invite_url,
    missing,
)

APPLICATION = "123456789012345678"
# What the API calls otherwise than the library does.
RENAMED = {"VIEW_CHANNEL": "view_channel"}


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") + ".Gabcde.secret-part"


def test_the_bits_are_those_of_the_library() -> None:
    names = [RENAMED.get(name, name.lower()) for name in PERMISSIONS]
    assert {name: getattr(discord.Permissions, name).flag for name in names} == {
        name: permission.bit for name, permission in zip(names, PERMISSIONS.values(), strict=True)
    }
    assert discord.Permissions(PERMISSION_BITS) == discord.Permissions(**dict.fromkeys(names, True))
    assert discord.Permissions(ADMINISTRATOR).administrator
    assert discord.Permissions(MANAGE_GUILD).manage_guild


@pytest.mark.parametrize("message_content", [False, True])
def test_the_intents_are_those_of_the_library(message_content: bool) -> None:
    intents = discord.Intents(**dict.fromkeys(INTENTS, True), message_content=message_content)
    expected = sum(INTENTS.values()) | (MESSAGE_CONTENT if message_content else 0)
    assert client.intents(message_content=message_content).value == expected == intents.value
    assert discord.Intents.message_content.flag == MESSAGE_CONTENT


def test_the_flags_of_an_application_tell_whether_it_has_message_content() -> None:
    flags = discord.ApplicationFlags
    assert has_message_content(flags.gateway_message_content.flag)
    assert has_message_content(flags.gateway_message_content_limited.flag | 1)
    assert not has_message_content(flags.gateway_guild_members.flag | flags.gateway_presence.flag)


def test_each_missing_permission_is_named_and_an_administrator_lacks_none() -> None:
    assert missing(PERMISSION_BITS) == []
    assert missing(PERMISSION_BITS & ~PERMISSIONS["EMBED_LINKS"].bit) == ["EMBED_LINKS"]
    assert missing(0) == list(PERMISSIONS)
    assert missing(ADMINISTRATOR) == []


@pytest.mark.parametrize("identity", [APPLICATION, "81384788765712384", "1234567890123456789"])
def test_a_token_begins_with_the_applications_id(identity: str) -> None:
    assert client_id(token(identity)) == identity
    assert client_id(f" {token(identity)}\n") == identity


@pytest.mark.parametrize(
    "other", ["", "sesame", "a.b.c", "=.b.c", "äöü.b.c", token("not a number"), token("12"), token("٣" * 18)]
)
def test_what_is_no_bot_token_has_no_id(other: str) -> None:
    assert client_id(other) == ""


def test_the_link_asks_for_bot_and_commands_with_exactly_these_permissions() -> None:
    link = urlsplit(invite_url(APPLICATION))
    asked = parse_qs(link.query)
    assert (link.scheme, link.netloc, link.path) == ("https", "discord.com", "/oauth2/authorize")
    assert asked == {
        "client_id": [APPLICATION], "scope": ["bot applications.commands"], "permissions": [str(PERMISSION_BITS)]
    }  # fmt: skip
    assert "scope=bot+applications.commands" in link.query


def test_the_documentation_names_exactly_the_permissions_of_the_link() -> None:
    page = (Path(__file__).parents[3] / "docs" / "discord.md").read_text(encoding="utf-8")
    (section,) = [part for part in page.split("\n## ") if part.startswith("Which permissions does")]
    rows = re.findall(r"(?m)^\| ([A-Z][A-Za-z ]+) \| ", section)
    assert rows[1:] == [permission.label for permission in PERMISSIONS.values()]


def test_without_an_id_the_link_has_a_placeholder() -> None:
    assert "client_id=CLIENT_ID&" in invite_url()


@pytest.mark.parametrize("public_url", ["https://lore.example.org", "https://lore.example.org/"])
def test_the_address_of_interactions_is_below_the_public_one(public_url: str) -> None:
    assert interactions_url(public_url) == "https://lore.example.org/discord/interactions"

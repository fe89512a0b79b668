"""`lorekeeper doctor` asks Discord whether the token is right, what the bot may do, and how commands come in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

from bots.discord.manifest import (
    INTERACTIONS_PATH,
    NEW_APP_URL,
    PERMISSIONS,
    has_message_content,
    interactions_url,
    invite_url,
    missing,
)
from core.errors import MissingExtra
from core.health import Check, State
from core.settings import Settings
from core.settings_channels import Discord

# Not "discord" alone: a running channel reports itself by that name.
BOT, INTENTS, PERMISSIONS_NAME = "discord bot", "discord intents", "discord permissions"
INTERACTIONS, GATEWAY, TOKEN = "discord interactions", "discord gateway", "discord token"
INVITATIONS = "discord invitations"
PACKAGES = {"discord": "discord.py", "nacl": "pynacl", "aiohttp": "aiohttp"}
CALL_SECONDS = 5.0
# https://docs.discord.com/developers/reference#user-agent: what does not name itself so may be turned away.
USER_AGENT = "DiscordBot (lorekeeper, 0.1)"
ME, APPLICATION, SERVERS, CONNECTING = "/users/@me", "/applications/@me", "/users/@me/guilds", "/gateway/bot"
# As many as one call tells.
MOST_SERVERS = 200
_NAMED_SERVERS = 3
# Each process takes one for each shard when it starts, and after some broken connections.
FEW_STARTS = 20
RESET = (
    f'Choose "Reset Token" on the page "Bot" of the application at {NEW_APP_URL}, and set DISCORD_TOKEN to the token '
    "that it shows then."
)
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """Discord's answer to one call."""

    data: Any = None
    """What the JSON says, where the call went well."""
    status: int = HTTPStatus.OK
    unreachable: str = ""
    """Why there is no answer that Discord's API would give, or empty."""

    @property
    def is_well(self) -> bool:
        return self.status == HTTPStatus.OK and not self.unreachable

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.data if isinstance(self.data, dict) else {}


async def check(settings: Settings) -> Sequence[Check]:
    """A line each for the bot, its intents, permissions, interactions and connections; one alone where Discord is off."""
    discord = settings.discord
    token = discord.token.get_secret_value()
    if not token:
        return [_off(discord)]
    absent = next((name for module, name in PACKAGES.items() if find_spec(module) is None), "")
    if absent:
        return [Check(TOKEN, State.FAILED, MissingExtra(absent, "discord").message, "")]
    if not token.isascii() or not token.strip().isprintable() or " " in token.strip():
        # Could not even be sent.
        return [Check(BOT, State.FAILED, "DISCORD_TOKEN holds characters that no token has", RESET)]
    return await _ask_discord(settings)


def _off(discord: Discord) -> Check:
    if not discord.public_key:
        return Check("discord", State.OK, "off (no token set)", "")
    remedy = "`lorekeeper init discord` says where to find it."
    return Check(TOKEN, State.DEGRADED, "off: DISCORD_TOKEN is missing", remedy)


async def _ask_discord(settings: Settings) -> list[Check]:
    discord = settings.discord
    me = await _ask(discord, ME)
    if not me.is_well:
        # Calls with a wrong token are counted against the address, so there is only one.
        return [_refused(BOT, me, discord)]
    application, servers, connecting = await asyncio.gather(
        _ask(discord, APPLICATION), _ask(discord, f"{SERVERS}?limit={MOST_SERVERS}"), _ask(discord, CONNECTING)
    )
    return [
        bot_check(me.facts, application.facts),
        *(_of_application(application, settings) if application.is_well else [_refused(INTENTS, application, discord)]),
        permissions_check(_list(servers.data), str(application.facts.get("id") or ""), discord.servers)
        if servers.is_well
        else _refused(PERMISSIONS_NAME, servers, discord),
        gateway_check(connecting.facts) if connecting.is_well else _refused(GATEWAY, connecting, discord),
    ]


def _of_application(reply: Reply, settings: Settings) -> Iterator[Check]:
    yield intents_check(reply.facts)
    yield invitations_check(reply.facts, settings.discord.servers)
    yield interactions_check(reply.facts, settings.discord.public_key, settings.server.public_url)


def bot_check(me: Mapping[str, Any], application: Mapping[str, Any]) -> Check:
    """Who the bot is."""
    name = f" of the application {_shown(application['name'])}" if application.get("name") else ""
    return Check(BOT, State.OK, f"{_shown(me.get('username'))}{name}", "")


def intents_check(application: Mapping[str, Any]) -> Check:
    """Whether the bot may read messages that do not mention it."""
    if has_message_content(_number(application.get("flags"))):
        return Check(INTENTS, State.OK, "message content is granted", "")
    detail = (
        "without message content: mentions, replies, direct messages and commands work; follow-ups in threads need a "
        "mention, and new posts in forums are not answered"
    )
    remedy = (
        f'For these, switch on "Message Content Intent" on the page "Bot" at {NEW_APP_URL}, and restart Lorekeeper.'
    )
    return Check(INTENTS, State.DEGRADED, detail, remedy)


def invitations_check(application: Mapping[str, Any], served: Sequence[str]) -> Check:
    """Whoever adds the bot to a server manages that server, and so the documents."""
    if served:
        count = "1 server is" if len(served) == 1 else f"{len(served)} servers are"
        return Check(INVITATIONS, State.OK, f"{count} served (discord.servers)", "")
    if not application.get("bot_public"):
        return Check(INVITATIONS, State.OK, "only the owner of the application can add the bot to servers", "")
    detail = "anybody can add the bot to a server of theirs, and ask and manage your documents there"
    remedy = (
        f'At {NEW_APP_URL}, set "Install Link" to "None" on the page "Installation", and switch off "Public Bot" on the '
        'page "Bot"; or name your servers in discord.servers.'
    )
    return Check(INVITATIONS, State.DEGRADED, detail, remedy)


def interactions_check(application: Mapping[str, Any], public_key: str, public_url: str) -> Check:
    """Commands and buttons come either over the gateway's connection or by HTTP, as the application says."""
    endpoint = str(application.get("interactions_endpoint_url") or "")
    there = str(application.get("verify_key") or "")
    page = f'"Interactions Endpoint URL" on the page "General Information" at {NEW_APP_URL}'
    if public_key and there and public_key.lower() != there.lower():
        remedy = 'Copy the public key from the page "General Information" of the application.'
        return Check(INTERACTIONS, State.FAILED, "discord.public_key is the key of another application", remedy)
    if endpoint and not public_key:
        detail = f"Discord sends commands and buttons to {_shown(endpoint)}, where nobody takes them"
        remedy = f"Set discord.public_key to {_shown(there)}, or empty {page}."
        return Check(INTERACTIONS, State.FAILED, detail, remedy)
    if not public_key:
        return Check(INTERACTIONS, State.OK, "over the connection", "")
    own = interactions_url(public_url) if public_url else ""
    if not endpoint:
        detail = "over the connection, though discord.public_key is set: the application has no address for them"
        remedy = f"Enter {own or f'the public address of this server with {INTERACTIONS_PATH}'} as {page}."
        return Check(INTERACTIONS, State.DEGRADED, detail, remedy)
    if (own and endpoint != own) or not endpoint.endswith(INTERACTIONS_PATH):
        detail = f"Discord sends commands and buttons to {_shown(endpoint)}, which is not this server"
        return Check(INTERACTIONS, State.DEGRADED, detail, f"Correct {page}, or server.public_url.")
    return Check(INTERACTIONS, State.OK, f"by HTTP at {_shown(endpoint)}", "")


def permissions_check(servers: Sequence[Mapping[str, Any]], application_id: str, served: Sequence[str] = ()) -> Check:
    """Against those of the invite link, in each server that is served; channels can still grant or take them."""
    invite = invite_url(application_id)
    servers = [each for each in servers if not served or str(each.get("id")) in served]
    if not servers:
        where = "in none of the servers in discord.servers" if served else "in no server"
        return Check(PERMISSIONS_NAME, State.DEGRADED, f"the bot is {where}", f"Invite it: {invite}")
    lacking = [(_shown(each.get("name")), missing(_number(each.get("permissions")))) for each in servers]
    lacking = [(name, lacks) for name, lacks in lacking if lacks]
    count = "1 server" if len(servers) == 1 else f"{len(servers)} servers"
    if len(servers) >= MOST_SERVERS:
        count = f"the first {MOST_SERVERS} servers"
    if not lacking:
        return Check(PERMISSIONS_NAME, State.OK, f"all {len(PERMISSIONS)} are granted in {count}", "")
    named = [f"in {name}: {', '.join(map(_purpose, lacks))}" for name, lacks in lacking[:_NAMED_SERVERS]]
    more = [f"and in {len(lacking) - _NAMED_SERVERS} more servers"] if len(lacking) > _NAMED_SERVERS else []
    remedy = f"Grant them to the bot's role there, or in its channels, or invite it again: {invite}"
    return Check(PERMISSIONS_NAME, State.DEGRADED, "missing " + "; ".join(named + more), remedy)


def gateway_check(facts: Mapping[str, Any]) -> Check:
    """How often the bot may still connect: Discord resets the token of one that connects too often."""
    limit = facts.get("session_start_limit")
    limit = limit if isinstance(limit, dict) else {}
    left, total, shards = _number(limit.get("remaining")), _number(limit.get("total")), _number(facts.get("shards"))
    connections = "1 connection" if shards == 1 else f"{shards} connections"
    detail = f"{connections}, {left} of {total} starts left"
    if left >= max(FEW_STARTS, 2 * shards):
        return Check(GATEWAY, State.OK, detail, "")
    hours = -(-_number(limit.get("reset_after")) // 3_600_000)
    remedy = f"Do not restart it needlessly; the count begins anew in {hours} h. Look in the log for what breaks off."
    return Check(GATEWAY, State.DEGRADED, detail, remedy)


def _purpose(name: str) -> str:
    return f"{PERMISSIONS[name].label} ({PERMISSIONS[name].purpose})"


def _refused(name: str, reply: Reply, discord: Discord) -> Check:
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return Check(name, State.FAILED, _unknown_token(discord.token.get_secret_value()), RESET)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        # What stands in front of Discord's API turns an address away for up to an hour.
        wait = "in a minute" if reply.facts else "in an hour"
        return Check(name, State.DEGRADED, "Discord asks for patience", f"Run the doctor again {wait}.")
    advice = "Check the connection and discord.api_url, and run the doctor again."
    if reply.unreachable:
        return Check(name, State.DEGRADED, f"Discord cannot be reached ({reply.unreachable})", advice)
    said = f"{_shown(reply.facts.get('message'))} (code {_number(reply.facts.get('code'))})"
    return Check(name, State.FAILED, f"Discord refuses: {said}", advice)


def _unknown_token(token: str) -> str:
    """Never the token itself."""
    if _TOKEN.fullmatch(token.strip()):
        return "Discord does not know this token: it was reset, or copied wrongly"
    return "DISCORD_TOKEN is no bot token: one has three parts with dots between them"


async def _ask(discord: Discord, path: str) -> Reply:
    import aiohttp

    headers = {"Authorization": f"Bot {discord.token.get_secret_value().strip()}", "User-Agent": USER_AGENT}
    try:
        async with (
            asyncio.timeout(CALL_SECONDS),
            aiohttp.ClientSession(headers=headers) as session,
            session.get(discord.api_url.rstrip("/") + path, allow_redirects=False) as response,
        ):
            return reply(response.status, await response.read())
    except TimeoutError:
        return Reply(unreachable=f"no answer within {CALL_SECONDS:.0f} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Reply(unreachable=type(error).__name__)


def reply(status: int, body: bytes) -> Reply:
    """What an answer means; whoever is in front of Discord's API does not speak as it does."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    is_error = status < HTTPStatus.INTERNAL_SERVER_ERROR and isinstance(data, dict) and "code" in data
    is_answer = status == HTTPStatus.OK and isinstance(data, dict | list)
    if is_answer or is_error or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
        return Reply(data, status)
    return Reply(unreachable=f"status {status}, and not the words of Discord's API")


def _list(data: Any) -> list[Mapping[str, Any]]:
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _number(value: Any) -> int:
    """Bit sets come as text."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0


def _shown(name: Any) -> str:
    """A name that comes from outside, for a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in str(name or "?"))[:80]

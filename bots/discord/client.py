"""discord.py, told what is ours: it keeps the connection, shards and limits; events reach us as Discord sends them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.discord.events import Me, Place
from bots.discord.manifest import INTENTS
from bots.discord.pace import Pace
from core.settings_channels import Discord

Json = dict[str, Any]
Hear = Callable[[str, Json], Coroutine[Any, Any, None]]
EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "INTERACTION_CREATE")
DEFAULT_GATEWAY = "wss://gateway.discord.gg/"
MOST_REMEMBERED = 10_000
CALL_SECONDS = 15.0
# Whoever has the token of an interaction can answer for the bot, and the library logs addresses.
_SECRET = re.compile(r"(/(?:webhooks|interactions)/\d+/)[^/\s]+")
log = structlog.get_logger(__name__)


class WithoutTokens(logging.Filter):
    """For the library's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _SECRET.sub(r"\1…", record.getMessage()), ()
        return True


logging.getLogger("discord.http").addFilter(WithoutTokens())


class Client(discord.AutoShardedClient):
    """`hear` is given the name and the data of each of `EVENTS`, as soon as it comes."""

    def __init__(self, settings: Discord, *, message_content: bool, hear: Hear, ready: Callable[[int], None]) -> None:
        """`ready` is told a shard that has begun anew, and so may have missed something."""
        # The addresses are the library's own constants, for the whole process.
        Route.BASE = settings.api_url.rstrip("/")
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        self.pace = Pace()
        super().__init__(
            http_trace=_watching(self.pace),
            intents=intents(message_content=message_content),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            guild_ready_timeout=GUILD_READY_SECONDS,
        )
        self._gateway_address = settings.gateway_url
        self._served_guilds = frozenset(settings.servers)
        self._begun_anew = ready
        self._asked_places: dict[str, Place] = {}
        self._hearing: set[asyncio.Task[None]] = set()
        self.has_content = message_content
        for name in EVENTS:
            # As they come, and before the library makes objects of them, which nobody here needs.
            self._connection.parsers[name] = partial(self._heard, hear, name)

    async def setup_hook(self) -> None:
        if self._gateway_address != DEFAULT_GATEWAY:
            self.http.get_bot_gateway = self._own_gateway  # type: ignore[method-assign]

    async def on_shard_ready(self, shard_id: int) -> None:
        self._begun_anew(shard_id)

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        log.error("an event was not taken", event_name=event_method, exc_info=True)  # noqa: LOG014 - called in a handler

    async def close(self) -> None:
        for task in self._hearing:
            task.cancel()
        await asyncio.gather(*self._hearing, return_exceptions=True)
        await super().close()

    @property
    def is_connected(self) -> bool:
        """All shards are."""
        shards = self.shards.values()
        return len(shards) == self.shard_count and not any(each.is_closed() for each in shards)

    # What is known of places

    def is_served(self, guild: str) -> bool:
        return not self._served_guilds or guild in self._served_guilds

    async def place(self, channel: str, guild: str) -> Place:
        """Raises `discord.HTTPException` and what the connection raises for one that has to be asked for."""
        if not guild:
            return Place(channel, kind=discord.ChannelType.private.value)
        found = self.get_channel(int(channel))
        if found is not None:
            return self._place_of(found, guild)
        if channel not in self._asked_places:
            if len(self._asked_places) >= MOST_REMEMBERED:
                self._asked_places.clear()
            async with asyncio.timeout(CALL_SECONDS):
                asked: Json = dict(await self.http.get_channel(int(channel)))
            parent = self.get_channel(int(asked["parent_id"])) if asked.get("parent_id") else None
            self._asked_places[channel] = Place(
                channel,
                int(asked["type"]),
                guild,
                str(asked.get("parent_id") or "") if int(asked["type"]) in _THREADS else "",
                parent.type.value if isinstance(parent, discord.abc.GuildChannel) else 0,
                str(asked.get("name") or "") if int(asked["type"]) in _THREADS else "",
            )
        return self._asked_places[channel]

    def _place_of(self, found: Any, guild: str) -> Place:
        if isinstance(found, discord.Thread):
            parent = found.parent
            return Place(
                str(found.id),
                found.type.value,
                guild,
                str(found.parent_id),
                parent.type.value if parent is not None else 0,
                found.name,
            )
        return Place(str(found.id), found.type.value, guild)

    def me(self, guild: str, message: Mapping[str, Any] | None = None) -> Me:
        """Who the bot is there, with the names of those whom the message mentions."""
        assert self.user is not None  # noqa: S101 - it is connected
        found = self.get_guild(int(guild)) if guild else None
        names = {
            str(each["id"]): str(each.get("global_name") or each.get("username"))
            for each in (message or {}).get("mentions") or ()
        }
        role = ""
        if found is not None:
            role = str(found.self_role.id) if found.self_role is not None else ""
            for role_id in (message or {}).get("mention_roles") or ():
                if (mentioned := found.get_role(int(role_id))) is not None:
                    names[str(role_id)] = mentioned.name
        return Me(str(self.user.id), role, names)

    # bots.discord.servers.Servers

    def ids(self) -> Sequence[str]:
        return [str(guild.id) for guild in self.guilds if self.is_served(str(guild.id))]

    def owner(self, guild: str) -> str:
        found = self.get_guild(int(guild))
        return str(found.owner_id) if found is not None else ""

    def role_permissions(self, guild: str) -> dict[str, int]:
        found = self.get_guild(int(guild))
        return {str(role.id): role.permissions.value for role in found.roles} if found is not None else {}

    def recent(self, since: int, shard: int) -> list[tuple[str, str]]:
        """Channels and threads of served servers with a message whose id is larger, that may be read; with the server."""
        found = []
        for guild in self.guilds:
            if guild.shard_id != shard or not self.is_served(str(guild.id)) or guild.me is None:
                continue
            places: Sequence[Any] = (
                *guild.text_channels,
                *guild.voice_channels,
                *guild.stage_channels,
                *guild.threads,
            )
            for place in places:
                if (place.last_message_id or 0) <= since:
                    continue
                allowed = place.permissions_for(guild.me)
                if allowed.read_message_history and allowed.view_channel:
                    found.append((str(place.id), str(guild.id)))
        return found

    async def mark(self, post: str, tag: str) -> None:
        """Give a post in a forum the tag with this name, where the forum has it. Raises what the library raises."""
        thread = self.get_channel(int(post))
        if not isinstance(thread, discord.Thread) or not isinstance(thread.parent, discord.ForumChannel):
            return
        wanted = next((each for each in thread.parent.available_tags if each.name.lower() == tag.lower()), None)
        if wanted is not None and wanted not in thread.applied_tags and len(thread.applied_tags) < MOST_TAGS:
            async with asyncio.timeout(CALL_SECONDS):
                await thread.add_tags(wanted)

    async def _own_gateway(self) -> tuple[int, str, Any]:
        shards, _, limits = await type(self.http).get_bot_gateway(self.http)
        return shards, self._gateway_address, limits

    def _heard(self, hear: Hear, name: str, data: Json) -> None:
        task = asyncio.get_running_loop().create_task(hear(name, data))
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)


# What the library waits after the last server that it is told of, until it calls itself ready.
GUILD_READY_SECONDS = 2.0
MOST_TAGS = 5
_THREADS = frozenset({10, 11, 12})
_TOO_MANY = 429


def _watching(pace: Pace) -> aiohttp.TraceConfig:
    """The library waits out refusals by itself, and tells nobody."""

    async def ended(_: Any, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
        headers = request.response.headers
        if request.response.status == _TOO_MANY and headers.get("X-RateLimit-Scope") == "global":
            pace.refused(float(headers.get("Retry-After") or 1.0))

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    return trace


def intents(*, message_content: bool) -> discord.Intents:
    return discord.Intents(**dict.fromkeys(INTENTS, True), message_content=message_content)

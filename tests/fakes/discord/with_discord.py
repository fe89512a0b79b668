"""The real discord.py, pointed at the fake: for its own tests, and for the channel's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

import yarl

import discord
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from tests.fakes.discord.server import FakeDiscord

READY_S = 0.05


@contextmanager
def pointed(fake: FakeDiscord) -> Iterator[None]:
    """discord.py finds the fake where Discord is."""
    gateway = yarl.URL(fake.gateway_url)
    with patch.object(Route, "BASE", fake.api_url), patch.object(DiscordWebSocket, "DEFAULT_GATEWAY", gateway):
        yield


def intents_of(*, content: bool = True) -> discord.Intents:
    intents = discord.Intents.default()
    intents.message_content = content
    return intents


class Bot(commands.AutoShardedBot):
    """Without the five seconds between shards, and the two after the last guild."""

    def __init__(self, *, content: bool = True, **options: Any) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents_of(content=content),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=READY_S,
            **options,
        )

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        pass


@asynccontextmanager
async def connected(fake: FakeDiscord, client: discord.Client) -> AsyncIterator[discord.Client]:
    """The client, ready, until the block ends."""
    with pointed(fake):
        async with client:
            running = asyncio.create_task(client.start(fake.token))
            ready = asyncio.create_task(_ready(client, running))
            try:
                await asyncio.wait_for(ready, 10)
                yield client
            finally:
                await client.close()
                await asyncio.gather(running, ready, return_exceptions=True)


async def _ready(client: discord.Client, running: asyncio.Task[None]) -> None:
    # Before it is logged in, a client cannot be waited for.
    while client.user is None or not client.is_ready():
        if running.done():
            await running
        await asyncio.sleep(0.002)

"""A loopback Discord with many channels, and bot processes that can be killed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from core.store.engine import open_engine
from core.store.inbox import Inbox
from tests.bots.load_bot import STANDS_ONCE, Plan
from tests.bots.load_process import Process, cpu_seconds, started
from tests.bots.load_servers import Servers
from tests.fakes.discord import Channel, FakeDiscord, Interaction, Message, fake_discord

PATIENCE = 240.0
LAST_BUTTON = "Try again"
"""Stands below what is whole."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """`inbox` is the processes' own, from outside."""

    fake: FakeDiscord
    channels: list[Channel]
    processes: list[Process]
    folder: Path
    inbox: Inbox

    async def cpu_seconds(self) -> float:
        """Of those that are running."""
        return await cpu_seconds(self.processes)

    async def settled(self, timeout_s: float = PATIENCE) -> None:
        """Nothing waits any more, in no queue: whatever would be answered twice has been."""
        await self.fake.until(lambda: not self.inbox.count_waiting(), timeout_s)

    async def busy(self) -> list[Process]:
        """Those that work on something."""
        return [each for each in self.processes if each.is_running and (await each.vitals()).busy]


@asynccontextmanager
async def crowd(
    channels: int = 1,
    processes: int = 1,
    servers: Servers | None = None,
    *,
    answer_seconds: float = 1.0,
    stuck_at: str = "",
) -> AsyncGenerator[Crowd, None]:
    """A server with so many more channels and so many bots in it, which begin at the same time."""
    used = servers or Servers()
    with tempfile.TemporaryDirectory() as folder:
        async with fake_discord() as fake:
            places = [fake.add_channel(f"load-{number}") for number in range(channels)]
            settings = {
                "data_dir": folder,
                "database": {"url": used.database},
                "chroma": {"url": used.chroma},
                "discord": {"token": fake.token, "api_url": fake.api_url, "gateway_url": fake.gateway_url},
            }
            plan = Plan("discord", settings, answer_seconds, stuck_at)
            async with started(fake, lambda: len(fake.gateway.live), plan, processes) as bots:
                engine = open_engine(Settings.model_validate(settings).database_url, Path(folder))
                try:
                    yield Crowd(fake, places, bots, Path(folder), Inbox(engine))
                finally:
                    engine.dispose()


async def burst(workspace: Crowd, mentions: int) -> list[Message]:
    """All within a second, one channel after the other."""
    fake, places = workspace.fake, workspace.channels
    begun = time.monotonic()
    asked = []
    for number in range(mentions):
        text = f"<@BOT> How much leave has grade {number}?"
        asked.append(await fake.say(fake.ann, places[number % len(places)], text))
        await asyncio.sleep(max(0.0, begun + (number + 1) / mentions - time.monotonic()))
    return asked


async def commands(workspace: Crowd, count: int) -> list[Interaction]:
    """`/ask`, all at once."""
    fake, places = workspace.fake, workspace.channels
    text = "How much leave has grade"
    return [
        await fake.slash(fake.ann, places[number % len(places)], "ask", question=f"{text} {number}?")
        for number in range(count)
    ]


def answers(fake: FakeDiscord, asked: Message | Interaction) -> list[Message]:
    """The messages of the answer, wherever they are."""
    if isinstance(asked, Message):
        return fake.replies(asked)
    # After a restart, an answer that its command's token does not take goes to the channel.
    elsewhere = fake.messages(asked.channel, by_bot=True)
    name = f":interaction:{asked.id}"
    return asked.messages + [one for one in elsewhere if one.interaction is None and name in str(one.components)]


def is_whole(fake: FakeDiscord, asked: Message | Interaction) -> bool:
    """The answer is there, with what stands below it."""
    return any(LAST_BUTTON in str(each.components) for each in answers(fake, asked))


def is_doubled(fake: FakeDiscord, asked: Message | Interaction) -> bool:
    """In two messages, or twice in one."""
    found = answers(fake, asked)
    return len(found) > 1 or any(each.shown.count(STANDS_ONCE) > 1 for each in found)

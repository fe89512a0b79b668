"""The real channel on a real store and index, between a loopback Discord and a model server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bots.discord.channel import DiscordChannel, open_channel
from core.build import Application
from core.ports import Asker
from core.settings import Settings
from tests.bots.opened import opened
from tests.bots.slack.running import ANSWER, LEAVE, QUESTION
from tests.fakes.discord import FakeDiscord, Message
from tests.fakes.openai_server import FakeOpenAI

__all__ = ["ANSWER", "QUESTION"]
WAIT = 20.0


@dataclass(frozen=True, slots=True)
class Bot:
    application: Application
    channel: DiscordChannel


def settings(folder: Path, fake: FakeDiscord, model: FakeOpenAI | None = None, **changes: Any) -> Settings:
    """For one data folder."""
    given = {"token": fake.token, "api_url": fake.api_url, "gateway_url": str(fake.gateway_url)}
    generation = {"base_url": model.url, "retries": 0} if model else {}
    return Settings.model_validate(
        {
            "data_dir": folder / "data",
            "server": {"port": 0},
            "discord": given | changes.pop("discord", {}),
            "generation": generation | changes.pop("generation", {}),
            **changes,
        }
    )


@asynccontextmanager
async def running(
    chosen: Settings, fake: FakeDiscord, *, text: str = LEAVE, asker: Asker | None = None
) -> AsyncGenerator[Bot, None]:
    """Connected, with one document, until the block ends."""
    async with opened(chosen, text, asker) as application, serving(application, fake) as channel:
        yield Bot(application, channel)


@asynccontextmanager
async def serving(application: Application, fake: FakeDiscord) -> AsyncGenerator[DiscordChannel, None]:
    channel = open_channel(application)
    application.reports.pop("discord", None)
    with patch("bots.discord.client.GUILD_READY_SECONDS", 0.05):
        task = asyncio.create_task(channel.serve())
        try:
            await fake.until(lambda: task.done() or "discord" in application.reports, WAIT)
            if task.done():
                await task
            yield channel
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def answered(fake: FakeDiscord, question: Message) -> list[Message]:
    """The answer, whole: its messages."""
    await fake.until(lambda: any("Leave" in each.shown for each in fake.replies(question)), WAIT)
    return fake.replies(question)

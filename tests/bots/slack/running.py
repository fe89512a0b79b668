"""The Slack channel on a loopback Slack, with a real store and index and a model server that says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots.slack.channel import SlackChannel, open_channel
from core.build import Application
from core.ports import Asker
from core.settings import Settings
from tests.bots.opened import opened
from tests.bots.scripted import Scripted
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack

__all__ = ["Scripted"]
LEAVE = "# Leave\n\nYou accrue 13 days of annual leave per year.\n"
QUESTION = "How many days of annual leave do I accrue?"
ANSWER = "You accrue 13 days of annual leave per year. [1]"
WAIT = 20.0


@dataclass(frozen=True, slots=True)
class Bot:
    """A running Slack channel."""

    application: Application
    channel: SlackChannel


def settings(folder: Path, workspace: FakeSlack, model: FakeOpenAI | None = None, **changes: Any) -> Settings:
    """For one data folder. Keeps to Socket Mode unless `slack={"app_token": ""}` is given."""
    tokens = {"bot_token": workspace.bot.token, "app_token": workspace.app_token, "api_url": workspace.api_url}
    generation = {"base_url": model.url, "retries": 0} if model else {}
    given = {"slack": tokens | changes.pop("slack", {}), "generation": generation | changes.pop("generation", {})}
    return Settings.model_validate({"data_dir": folder / "data", "server": {"port": 0}, **given, **changes})


@asynccontextmanager
async def running(
    chosen: Settings, slack: FakeSlack, *, text: str = LEAVE, asker: Asker | None = None
) -> AsyncGenerator[Bot, None]:
    """Connected, with one document, until the block ends."""
    async with opened(chosen, text, asker) as application, serving(application, slack) as channel:
        yield Bot(application, channel)


@asynccontextmanager
async def serving(application: Application, slack: FakeSlack) -> AsyncGenerator[SlackChannel, None]:
    channel = open_channel(application)
    live = len(slack.sockets.live)
    task = asyncio.create_task(channel.serve())
    try:
        if application.settings.slack.app_token.get_secret_value():
            await slack.until(lambda: task.done() or len(slack.sockets.live) > live, WAIT)
        if task.done():
            await task
        yield channel
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

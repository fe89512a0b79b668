"""A loopback Slack with many channels, and bot processes that can be killed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from core.store.documents import DocumentStore
from core.store.engine import open_engine
from core.store.inbox import Inbox
from tests.bots.load_bot import STANDS_ONCE, Plan
from tests.bots.load_process import Process, cpu_seconds, started
from tests.bots.load_servers import Servers
from tests.fakes.slack import FakeSlack, Message, fake_slack

PATIENCE = 240.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """`inbox` and `documents` are the processes' own, from outside."""

    slack: FakeSlack
    processes: list[Process]
    folder: Path
    inbox: Inbox
    documents: DocumentStore

    async def cpu_seconds(self) -> float:
        """Of those that are running."""
        return await cpu_seconds(self.processes)

    async def settled(self, timeout_s: float = PATIENCE) -> None:
        """Nothing waits any more, in no queue: whatever would be answered twice has been."""
        await self.slack.until(lambda: not self.inbox.count_waiting(), timeout_s)


@asynccontextmanager
async def crowd(
    channels: int = 0,
    processes: int = 1,
    servers: Servers | None = None,
    *,
    answer_seconds: float = 1.0,
    stuck_at: str = "",
) -> AsyncGenerator[Crowd, None]:
    """A workspace with channels CL0, CL1, … and so many bots in it, which begin at the same time."""
    used = servers or Servers()
    with tempfile.TemporaryDirectory() as folder:
        async with fake_slack() as slack:
            for number in range(channels):
                slack.add_channel(f"CL{number}", f"load-{number}", people=["U1"])
            settings = {
                "data_dir": folder,
                "database": {"url": used.database},
                "chroma": {"url": used.chroma},
                "slack": {"bot_token": slack.bot.token, "app_token": slack.app_token, "api_url": slack.api_url},
            }
            plan = Plan("slack", settings, answer_seconds, stuck_at)
            async with started(slack, lambda: len(slack.sockets.live), plan, processes) as bots:
                engine = open_engine(Settings.model_validate(settings).database_url, Path(folder))
                try:
                    yield Crowd(slack, bots, Path(folder), Inbox(engine), DocumentStore(engine))
                finally:
                    engine.dispose()


async def burst(slack: FakeSlack, mentions: int, channels: int) -> list[Message]:
    """All within a second."""
    begun = time.monotonic()
    asked = []
    for number in range(mentions):
        asked.append(await slack.say("U1", f"CL{number % channels}", f"<@BOT> How much leave has grade {number}?"))
        await asyncio.sleep(max(0.0, begun + (number + 1) / mentions - time.monotonic()))
    return asked


def is_whole(slack: FakeSlack, question: Message) -> bool:
    """The answer is there, with what stands below it."""
    return any("Try again" in str(reply.blocks) for reply in slack.replies(question))


def is_doubled(slack: FakeSlack, question: Message) -> bool:
    """In two messages, or twice in one."""
    replies = slack.replies(question)
    return len(replies) > 1 or any(reply.shown.count(STANDS_ONCE) > 1 for reply in replies)

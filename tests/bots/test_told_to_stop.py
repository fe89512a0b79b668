"""TERM while somebody waits for an answer in Slack or Discord: it is finished, or the next process gives it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import pytest

from bots.running import serve
from core.build import Application, open_application
from core.health import State
from core.ports import Asker
from core.settings import Settings
from core.types import Event, Finished, Question, Token
from tests.bots.discord.running import settings as discord_settings
from tests.bots.scripted import Scripted
from tests.bots.slack.running import ANSWER, QUESTION
from tests.bots.slack.running import settings as slack_settings
from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.embedder import WordEmbedder
from tests.fakes.slack import FakeSlack, fake_slack

WAIT = 30.0
FIRST = "You accrue "


class Platform(Protocol):
    """A loopback one with a bot."""

    @property
    def name(self) -> str: ...

    def settings(self, folder: Path) -> Settings: ...

    async def say(self, number: int) -> Any:
        """Somebody asks the bot, each time in another channel."""
        ...

    def replies(self, question: Any) -> list[str]: ...

    async def until(self, condition: Callable[[], Any]) -> None: ...

    async def redeliver(self) -> None:
        """As the platform does what nobody has acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class OnSlack:
    fake: FakeSlack
    name: str = "slack"

    def settings(self, folder: Path) -> Settings:
        return slack_settings(folder, self.fake)

    async def say(self, number: int) -> Any:
        return await self.fake.say("U1", f"C{number}", f"<@BOT> {QUESTION}")

    def replies(self, question: Any) -> list[str]:
        return [each.shown for each in self.fake.replies(question)]

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.fake.until(condition, WAIT)

    async def redeliver(self) -> None:
        await self.fake.redeliver()


@dataclass(frozen=True, slots=True)
class OnDiscord:
    fake: FakeDiscord
    name: str = "discord"

    def settings(self, folder: Path) -> Settings:
        return discord_settings(folder, self.fake)

    async def say(self, number: int) -> Any:
        place = {1: self.fake.general, 2: self.fake.random}[number]
        return await self.fake.say(self.fake.ann, place, f"<@BOT> {QUESTION}")

    def replies(self, question: Any) -> list[str]:
        return [each.shown for each in self.fake.replies(question)]

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.fake.until(condition, WAIT)

    async def redeliver(self) -> None:
        """A gateway sends again by itself, or the bot reads what it missed."""


@pytest.fixture(params=["slack", "discord"])
async def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    monkeypatch.setattr("bots.discord.client.GUILD_READY_SECONDS", 0.05)
    if request.param == "slack":
        async with fake_slack() as slack:
            yield OnSlack(slack)
    else:
        async with fake_discord() as fake:
            yield OnDiscord(fake)


@dataclass
class Held:
    """Implements `core.ports.Asker`: says the first words, and the others when it may. `asked`: how often."""

    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        self.asked += 1
        yield Token(FIRST)
        await self.may_go_on.wait()
        async for event in Scripted(ANSWER.removeprefix(FIRST)).stream(question):
            if isinstance(event, Finished):
                yield Finished(replace(event.answer, text=ANSWER))
            else:
                yield event

    async def ask(self, question: Question) -> Any:
        raise NotImplementedError


@dataclass(slots=True)
class Process:
    """`lorekeeper run --only CHANNEL`. `status`: what it says when it begins to end."""

    task: asyncio.Task[int]
    status: asyncio.Future[int]

    async def term(self) -> None:
        """Until it has heard of it."""
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(asyncio.shield(self.status), WAIT) == 0

    async def ended(self) -> int:
        return await asyncio.wait_for(asyncio.shield(self.task), WAIT)


@asynccontextmanager
async def run(chosen: Settings, platform: Platform, asker: Asker) -> AsyncIterator[Process]:
    """Connected; told to stop when the block ends, unless it was before."""
    opened: list[Application] = []
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def open_with(*given: Any, **chosen: Any) -> Application:
        opened.append(replace(open_application(*given, **chosen), asker=asker))
        return opened[0]

    def is_connected() -> bool:
        said = opened[0].reports.get(platform.name) if opened else None
        return said is not None and said.state is State.OK

    with (
        patch("core.build.open_embedder", lambda _: WordEmbedder()),
        patch("bots.running.open_application", open_with),
    ):
        task = asyncio.create_task(serve(chosen, [platform.name], status.set_result))
        process = Process(task, status)
        try:
            await platform.until(lambda: task.done() or is_connected())
            yield process
        finally:
            if not status.done() and not task.done():
                await process.term()
            assert await process.ended() == 0


async def test_an_answer_in_work_is_finished_and_nothing_more_is_taken(platform: Platform, tmp_path: Path) -> None:
    chosen = platform.settings(tmp_path)
    held = Held()
    async with run(chosen, platform, held) as process:
        first = await platform.say(1)
        await platform.until(lambda: held.asked)
        await process.term()
        second = await platform.say(2)
        assert not process.task.done(), "somebody waits for an answer"
        held.may_go_on.set()
        assert await process.ended() == 0
    assert [ANSWER in each for each in platform.replies(first)] == [True]
    assert held.asked == 1
    assert platform.replies(second) == []
    async with run(chosen, platform, Scripted(ANSWER)):
        await platform.redeliver()
        await platform.until(lambda: any(ANSWER in each for each in platform.replies(second)))
    assert len(platform.replies(first)) == len(platform.replies(second)) == 1


async def test_an_answer_that_takes_too_long_is_handed_over(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.chat.desk.GRACE_SECONDS", 0.05)
    chosen = platform.settings(tmp_path)
    held = Held()
    async with run(chosen, platform, held) as process:
        question = await platform.say(1)
        await platform.until(lambda: held.asked)
        await process.term()
        assert await process.ended() == 0
    assert not any("13 days" in each for each in platform.replies(question))
    async with run(chosen, platform, Scripted(ANSWER)):
        await platform.redeliver()
        await platform.until(lambda: any(ANSWER in each for each in platform.replies(question)))
    assert len(platform.replies(question)) == 1

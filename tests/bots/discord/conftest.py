"""A loopback Discord, a model server, and the bot between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bots.discord.running import Bot, running, settings
from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.openai_server import FakeOpenAI, fake_openai


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    """Nothing that the bot sends may be wrong, or ping anybody."""
    async with fake_discord() as world:
        yield world
        assert world.violations == []
        assert world.pings == []


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    with fake_openai() as server:
        yield server


@pytest.fixture
async def bot(fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Bot, None]:
    async with running(settings(tmp_path, fake, model), fake) as started:
        yield started

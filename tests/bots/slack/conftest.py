"""A loopback Slack, a model server, and the bot between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bots.slack.running import Bot, running, settings
from tests.fakes.openai_server import FakeOpenAI, fake_openai
from tests.fakes.slack import FakeSlack, fake_slack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """Nothing that the bot sends may be wrong, or ping anybody."""
    async with fake_slack() as workspace:
        yield workspace
        assert workspace.violations == []
        assert workspace.pings == []


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    with fake_openai() as server:
        yield server


@pytest.fixture
async def bot(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Bot, None]:
    async with running(settings(tmp_path, slack, model), slack) as bot:
        yield bot

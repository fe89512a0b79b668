"""Both chat platforms beside the gateway, in one process: one that fails stops nobody else, and is reported."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from bots.running import serve
from core.datafolder import read_owner
from core.settings import Settings
from tests.bots.slack.running import ANSWER, LEAVE, QUESTION
from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.embedder import WordEmbedder
from tests.fakes.openai_server import fake_openai
from tests.fakes.slack import FakeSlack, fake_slack

pytestmark = pytest.mark.slow
WAIT = 30.0


@asynccontextmanager
async def served(chosen: Settings) -> AsyncGenerator[str, None]:
    """The address of the gateway, while `lorekeeper run` goes on."""
    with patch("core.build.open_embedder", lambda _: WordEmbedder()):
        task = asyncio.create_task(serve(chosen, ()))
        try:
            async with asyncio.timeout(WAIT):
                while (owner := await asyncio.to_thread(read_owner, chosen.data_dir)) is None or not owner.url:
                    assert not task.done()
                    await asyncio.sleep(0.05)
            yield owner.url
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            assert await task == 0


async def until(client: httpx.AsyncClient, path: str, words: str) -> str:
    async with asyncio.timeout(WAIT):
        while words not in (text := (await client.get(path)).text):
            await asyncio.sleep(0.1)
    return text


async def test_slack_and_discord_answer_side_by_side_and_one_that_fails_is_reported(tmp_path: Path) -> None:
    async with fake_slack() as slack, fake_discord() as fake:
        with fake_openai() as model:
            async with (
                served(settings(tmp_path, slack, fake, model.url)) as url,
                httpx.AsyncClient(base_url=url) as http,
            ):
                added = await http.post("/v1/documents", files={"file": ("leave.md", LEAVE.encode(), "text/markdown")})
                assert added.status_code in {200, 201, 202}, added.text
                await until(http, "/metrics", 'lorekeeper_documents{status="ready"} 1.0')
                await until(http, "/metrics", 'lorekeeper_channel_up{channel="discord"} 1.0')
                await asks(slack, fake)
                await fake.revoke_token()
                await until(http, "/metrics", 'lorekeeper_channel_up{channel="discord"} 0.0')
                ready = await http.get("/readyz")
                assert "DISCORD_TOKEN" in ready.text
                assert 'lorekeeper_channel_up{channel="slack"} 1.0' in (await http.get("/metrics")).text
                question = await slack.say("U1", "C2", f"<@BOT> {QUESTION}")
                await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(question)), WAIT)


async def asks(slack: FakeSlack, fake: FakeDiscord) -> None:
    here = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    there = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(here)), WAIT)
    await fake.until(lambda: any(ANSWER in each.shown for each in fake.replies(there)), WAIT)


def settings(folder: Path, slack: FakeSlack, fake: FakeDiscord, model: str) -> Settings:
    given: dict[str, Any] = {
        "data_dir": folder / "data",
        "server": {"port": 0},
        "generation": {"base_url": model, "retries": 0},
        "slack": {"bot_token": slack.bot.token, "app_token": slack.app_token, "api_url": slack.api_url},
        "discord": {"token": fake.token, "api_url": fake.api_url, "gateway_url": str(fake.gateway_url)},
    }
    return Settings.model_validate(given)

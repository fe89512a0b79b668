"""Discord calls the gateway with interactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from nacl.signing import SigningKey

from bots.gateway.channel import Gateway
from bots.gateway.channel import open_channel as open_gateway
from tests.bots.discord.running import ANSWER, QUESTION, WAIT, running, settings
from tests.fakes.discord import FakeDiscord, HttpEndpoint
from tests.fakes.openai_server import FakeOpenAI

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
async def gateway(fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Gateway, None]:
    chosen = settings(tmp_path, fake, model, discord={"public_key": fake.application.verify_key})
    async with running(chosen, fake) as bot:
        gateway = open_gateway(bot.application, bot.channel.doors)
        task = asyncio.create_task(gateway.serve())
        fake.http = HttpEndpoint(f"{gateway.url}/discord/interactions")
        try:
            async with asyncio.timeout(WAIT), httpx.AsyncClient() as client:
                while (await client.get(f"{gateway.url}/discord/interactions")).status_code != 405:
                    await asyncio.sleep(0.05)
            yield gateway
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_discord_s_test_of_the_address_is_passed(fake: FakeDiscord, gateway: Gateway) -> None:
    right, wrong = await fake.verify_url()
    assert (right.status, right.payload()) == (200, {"type": 1})
    assert wrong.status == 401


async def test_commands_buttons_and_dialogs_come_through_the_gateway(fake: FakeDiscord, gateway: Gateway) -> None:
    used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
    await fake.until(lambda: used.messages and "Leave" in used.messages[0].shown, WAIT)
    (message,) = used.messages
    assert ANSWER in message.shown
    passage = await fake.press(fake.ben, message, label="Passage 1")
    await fake.until(lambda: passage.messages and "13 days" in passage.messages[0].shown, WAIT)
    await fake.press(fake.ben, message, label="Bad answer")
    modal = await fake.until(lambda: fake.modal(fake.ben))
    sent = await fake.submit(modal)
    await fake.until(lambda: sent.messages)
    offered = await fake.autocomplete(fake.olga, fake.general, "lore show", "document", "lea")
    assert [each["name"] for each in offered] == ["Leave (default)"]
    assert not fake.called("POST /interactions/{interaction_id}/{interaction_token}/callback")


@pytest.mark.parametrize("body", [{}, {"type": 2}, {"type": 2, "id": "x", "application_id": "1", "token": "t"}, []])
async def test_what_is_no_interaction_is_refused(fake: FakeDiscord, gateway: Gateway, body: object) -> None:
    answer = await fake.post_raw(body)  # type: ignore[arg-type]
    assert answer.status == 400


async def test_who_has_not_the_key_does_not_come_in(fake: FakeDiscord, gateway: Gateway) -> None:
    used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
    await fake.until(lambda: used.messages and "Leave" in used.messages[0].shown, WAIT)
    answer = await fake.post_raw({"type": 1}, key=SigningKey.generate())
    assert answer.status == 401
    async with httpx.AsyncClient() as client:
        url = f"{gateway.url}/discord/interactions"
        assert (await client.post(url, json={"type": 1})).status_code == 401
        headers = {"x-signature-ed25519": "zz", "x-signature-timestamp": "1"}
        assert (await client.post(url, content=b"{", headers=headers)).status_code == 401
        assert (await client.post(url, content=b"x" * 2_000_000, headers=headers)).status_code == 413

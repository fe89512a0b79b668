"""Connections to the model's server do not outlive those who read from them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import pytest

from core.generation.transport import ClosingTransport
from tests.fakes.openai_server import FakeOpenAI, fake_openai

BODY = {"model": "lore-slm", "messages": [{"role": "user", "content": "How many days?"}]}


@pytest.mark.parametrize("steps", range(1, 7))
async def test_a_reader_who_is_cancelled_while_closing_leaves_no_connection(steps: int) -> None:
    with fake_openai(pause=0.05) as server:
        transport = ClosingTransport(limits=httpx.Limits(max_keepalive_connections=0))
        async with httpx.AsyncClient(transport=transport) as client:
            response = await _begun(client, server)
            closing = asyncio.create_task(response.aclose())
            for _ in range(steps):
                await asyncio.sleep(0)
            closing.cancel()
            with suppress(asyncio.CancelledError):
                await closing
            assert transport._pool.connections == []


async def _begun(client: httpx.AsyncClient, server: FakeOpenAI) -> httpx.Response:
    request = client.build_request("POST", f"{server.url}/chat/completions", json=BODY)
    response = await client.send(request, stream=True)
    await anext(response.aiter_bytes())
    return response

"""Two gateways on one record: what only one of them knows is told clearly by the other, and everything else works there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bots.gateway.channel import open_channel
from tests.bots.gateway.events import received
from tests.bots.gateway.serving import LEAVE, QUESTION, Server, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.uploading import HALF, begin, head, send, until_indexed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def other(server: Server) -> AsyncGenerator[Server, None]:
    """A second gateway beside `server`."""
    gateway = open_channel(replace(server.application, claim=None))
    task = asyncio.create_task(gateway.serve())
    try:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
            yield replace(server, url=gateway.url, client=client)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_upload_in_pieces_is_known_to_its_gateway_and_can_be_begun_anew(server: Server, other: Server) -> None:
    address = await begin(server)
    assert (await send(server, address, 0, LEAVE[:HALF])).status_code == 204
    path = httpx.URL(address).path
    assert (await head(other, path)).status_code == 404
    assert_problem(await send(other, path, HALF, LEAVE[HALF:]), 404, "Begin it anew")
    anew = await begin(other)
    whole = await send(other, anew, 0, LEAVE)
    assert whole.status_code == 204
    # The first one was not harmed, and what becomes of both is known to both.
    last = await send(server, address, HALF, LEAVE[HALF:])
    assert last.headers["lorekeeper-document"] == whole.headers["lorekeeper-document"]
    for each in (server, other):
        assert (await until_indexed(each, last.headers["lorekeeper-document"]))["status"] == "ready"


async def test_an_answer_that_is_streamed_is_known_to_its_gateway_and_can_be_asked_for_again(
    server: Server, other: Server
) -> None:
    await server.upload("leave.md")
    body = {"question": QUESTION, "stream": True}
    async with server.client.stream("POST", "/v1/ask", json=body) as response, aclosing(received(response)) as events:
        first = await anext(events)
    answer_id = first.id.partition(":")[0]
    assert_problem(await other.client.get(f"/v1/ask/{answer_id}"), 404, "ask again")
    headers = {"Last-Event-ID": first.id}
    assert_problem(await other.client.post("/v1/ask", json=body, headers=headers), 404, "ask again")
    async with other.client.stream("POST", "/v1/ask", json=body) as response:
        again = [event async for event in received(response)]
    assert again[-1].name == "done"
    assert "13 days" in again[-1].data["text"]


async def test_documents_jobs_threads_and_feedback_are_known_to_both(server: Server, other: Server) -> None:
    sent = await server.client.post(
        "/v1/documents", files={"file": ("leave.md", LEAVE)}, headers={"Prefer": "respond-async"}
    )
    document_id = sent.json()["document"]["id"]
    followed = await other.client.get(f"/v1/documents/{document_id}/events")
    assert '"status": "ready"' in followed.text or '"status":"ready"' in followed.text
    assert document_id in [job["document_id"] for job in (await other.client.get("/v1/jobs")).json()["jobs"]]
    answer = (await server.ask()).json()
    thread = await other.client.get(f"/v1/threads/{answer['thread']}")
    assert QUESTION in thread.text
    rated = await other.client.post("/v1/feedback", json={"answer": answer["id"], "thumb": "up"})
    assert rated.is_success, rated.text


async def test_a_half_sent_file_is_gone_with_its_gateway(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        address = await begin(server)
        await send(server, address, 0, LEAVE[:HALF])
    async with serving(settings(tmp_path)) as server:
        assert_problem(await send(server, httpx.URL(address).path, HALF, LEAVE[HALF:]), 404, "Begin it anew")
        assert list((server.application.settings.data_dir / "incoming").iterdir()) == []

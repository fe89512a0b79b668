"""`/v1/documents/{id}/events`: following a document into the index."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bots.gateway import document_events
from bots.gateway import documents as routes
from bots.gateway.document_events import changes
from core.access import Caller, Permission
from core.errors import NotFound, StorageFailed
from core.types import Document, DocumentStatus
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import GatedEmbedder, assert_problem
from tests.bots.gateway.uploading import call_as

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUEUED = Document(
    id="0" * 32,
    namespace="default",
    title="leave.md",
    source="upload:leave.md",
    status=DocumentStatus.QUEUED,
    media_type="",
    sha256="",
    size_bytes=9,
    updated_at=datetime(2026, 1, 2, tzinfo=UTC),
)
PROCESSING = replace(QUEUED, status=DocumentStatus.PROCESSING)
READY = replace(QUEUED, status=DocumentStatus.READY)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_events, "POLL_SECONDS", 0.01)


def events_of(response: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    return list(_parsed(response.text))


def _parsed(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in text.split("\n\n"):
        if block.startswith("event: "):
            name, data = block.removeprefix("event: ").split("\ndata: ")
            yield name, json.loads(data)


@asynccontextmanager
async def gated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[tuple[Server, GatedEmbedder], None]:
    """A server that stops where documents are embedded, and answers uploads at once."""
    monkeypatch.setattr(routes, "PATIENCE_SECONDS", 0.0)
    embedder = GatedEmbedder()
    async with serving(settings(folder), embedder) as server:
        try:
            yield server, embedder
        finally:
            embedder.gate.set()


async def test_each_step_of_a_document_is_told_until_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        await server.upload("first.md", b"Flights are booked early.")
        document = (await server.upload("leave.md")).json()["document"]
        address = f"/v1/documents/{document['id']}/events"
        seen: list[str] = []
        async with server.client.stream("GET", address) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                if line.startswith("data: "):
                    seen[-1] += f" {json.loads(line.removeprefix('data: '))['status']}"
                    embedder.gate.set()
    assert seen[0] == "status queued"
    assert seen[-2:] == ["status ready", "done ready"]
    assert set(seen[1:-2]) <= {"status processing"}


async def test_a_document_that_is_ready_or_failed_is_done_at_once(server: Server) -> None:
    ready = (await server.upload("leave.md")).json()["document"]
    await server.upload("broken.pdf", b"%PDF-1.7 and nothing more")
    (failed,) = (await server.client.get("/v1/documents?status=failed")).json()["documents"]
    for document in (ready, failed):
        told = events_of(await server.client.get(f"/v1/documents/{document['id'][:8]}/events"))
        assert told == [("status", document), ("done", document)]


async def test_an_unknown_document_and_one_of_another_namespace_cannot_be_told_apart(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = (await server.upload("leave.md", namespace="it")).json()["document"]
    call_as(monkeypatch, Caller(namespaces=frozenset({"hr"})))
    foreign = assert_problem(await server.client.get(f"/v1/documents/{document['id']}/events"), 404)
    unknown = assert_problem(await server.client.get(f"/v1/documents/{'0' * 32}/events"), 404)
    assert foreign["detail"].replace(document["id"], "0" * 32) == unknown["detail"]
    call_as(monkeypatch, Caller(frozenset({Permission.ASK, Permission.WRITE})))
    assert_problem(await server.client.get(f"/v1/documents/{document['id']}/events"), 403, "read")


async def test_an_upload_that_waits_is_not_seen_from_another_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, _):
        await server.upload("first.md", LEAVE, namespace="it")
        document = (await server.upload("leave.md", LEAVE, namespace="it")).json()["document"]
        address = f"/v1/documents/{document['id']}"
        assert (await server.client.get(address)).json()["status"] == "queued"
        call_as(monkeypatch, Caller(namespaces=frozenset({"hr"})))
        assert_problem(await server.client.get(address), 404)
        assert_problem(await server.client.get(f"{address}/events"), 404)


async def told(document: Document, *looks: Document | Exception) -> list[tuple[str, str, str | None]]:
    rest = iter(looks)

    async def look() -> Document:
        found = next(rest)
        if isinstance(found, Exception):
            raise found
        return found

    async with asyncio.timeout(10):
        return [(each.name, each.data["status"], each.data["error"]) async for each in changes(document, look)]


async def test_only_changes_are_told_and_no_step_back() -> None:
    seen = await told(QUEUED, QUEUED, PROCESSING, PROCESSING, QUEUED, READY)
    assert [name + " " + status for name, status, _ in seen] == [
        "status queued",
        "status processing",
        "status ready",
        "done ready",
    ]


async def test_a_database_that_is_away_for_a_moment_ends_nothing() -> None:
    seen = await told(PROCESSING, StorageFailed("locked"), READY)
    assert [status for _, status, _ in seen] == ["processing", "ready", "ready"]


async def test_a_document_that_vanishes_has_failed_with_a_reason() -> None:
    seen = await told(QUEUED, NotFound("gone"))
    assert seen[-1][:2] == ("done", "failed")
    assert "gone" in (seen[-1][2] or "")

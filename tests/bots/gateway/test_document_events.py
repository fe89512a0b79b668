"""`/v1/documents/{id}/events`: following a document into the index."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bots.gateway import document_events
from bots.gateway.document_events import Seen, changes
from core.access import Caller, Permission
from core.errors import NotFound, StorageFailed
from core.types import Document, DocumentStatus, Job, JobStage, JobState
from tests.bots.gateway.serving import LEAVE, Server
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.uploading import call_as, gated, until_ended

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
WAITING = Job("j" * 32, QUEUED.id, "default", "leave.md", QUEUED.source, JobState.WAITING, ahead=1)
EMBEDDING = replace(WAITING, state=JobState.RUNNING, stage=JobStage.EMBEDDING, ahead=0, chunks=300)
DONE = replace(EMBEDDING, state=JobState.DONE, embedded=300)


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


async def test_each_step_of_a_document_is_told_until_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        accepted = (await server.upload("leave.md")).json()
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        told = asyncio.create_task(server.client.get(f"/v1/documents/{accepted['document']['id']}/events"))
        await until_told_that_it_is_embedded(server, accepted["job"])
        embedder.gate.set()
        events = events_of(await told)
    statuses = [data["status"] for name, data in events if name == "status"]
    jobs = [data for name, data in events if name == "progress"]
    assert statuses[-1] == "ready"
    assert set(statuses[:-1]) <= {"queued", "processing"}
    assert {job["id"] for job in jobs} == {accepted["job"]}
    assert ("running", "embedding", 1) in [(job["state"], job["stage"], job["chunks"]) for job in jobs]
    assert (jobs[-1]["state"], jobs[-1]["changes"][-1]["kind"]) == ("done", "added")
    assert events[-1] == ("done", events[-2][1] if events[-2][0] == "status" else events[-3][1])


async def until_told_that_it_is_embedded(server: Server, job_id: str) -> None:
    async with asyncio.timeout(10):
        while (await server.client.get(f"/v1/jobs/{job_id}")).json()["stage"] != "embedding":
            await asyncio.sleep(0.01)
    # Long enough for a look of the one who follows.
    await asyncio.sleep(5 * document_events.POLL_SECONDS)


async def test_a_newer_version_is_followed_although_the_one_before_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        embedder.gate.set()
        first = (await server.upload("leave.md")).json()
        document_id = first["document"]["id"]
        await until_ended(server, first["job"])
        embedder.gate.clear()
        newer = (await server.upload("leave.md", LEAVE.replace(b"13", b"20"))).json()
        assert newer["document"]["status"] in {"queued", "processing"}
        assert (await server.client.get(f"/v1/documents/{document_id}")).json()["status"] in {"queued", "processing"}
        told = asyncio.create_task(server.client.get(f"/v1/documents/{document_id}/events"))
        await until_told_that_it_is_embedded(server, newer["job"])
        assert not told.done()
        embedder.gate.set()
        assert events_of(await told)[-1][1]["version"] == 2


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
    async with gated(tmp_path, monkeypatch, jobs={"run": False}) as (server, _):
        document = (await server.upload("leave.md", LEAVE, namespace="it")).json()["document"]
        address = f"/v1/documents/{document['id']}"
        assert (await server.client.get(address)).json()["status"] == "queued"
        call_as(monkeypatch, Caller(namespaces=frozenset({"hr"})))
        assert_problem(await server.client.get(address), 404)
        assert_problem(await server.client.get(f"{address}/events"), 404)


async def told(seen: Seen, *looks: Seen | Exception, shows_jobs: bool = True) -> list[tuple[str, Any]]:
    rest = iter(looks)

    async def look(_: Seen) -> Seen:
        found = next(rest)
        if isinstance(found, Exception):
            raise found
        return found

    async with asyncio.timeout(10):
        events = changes(seen, look, shows_jobs=shows_jobs)
        return [(each.name, each.data.get("status") or each.data["stage"]) async for each in events]


async def test_only_changes_are_told() -> None:
    looks = [
        Seen(QUEUED, WAITING),
        Seen(QUEUED, replace(WAITING, ahead=0)),
        Seen(PROCESSING, EMBEDDING),
        Seen(PROCESSING, EMBEDDING),
        Seen(PROCESSING, replace(EMBEDDING, embedded=120)),
        Seen(PROCESSING, replace(EMBEDDING, embedded=120, seconds_left=40)),
        Seen(READY, DONE),
    ]
    assert await told(Seen(QUEUED, WAITING), *looks) == [
        ("status", "queued"),
        ("progress", "waiting"),
        ("progress", "waiting"),
        ("status", "processing"),
        ("progress", "embedding"),
        ("progress", "embedding"),
        ("progress", "embedding"),
        ("status", "ready"),
        ("progress", "embedding"),
        ("done", "ready"),
    ]


async def test_without_a_job_there_are_only_states() -> None:
    seen = await told(Seen(QUEUED), Seen(PROCESSING, EMBEDDING), Seen(READY, DONE), shows_jobs=False)
    assert seen == [("status", "queued"), ("status", "processing"), ("status", "ready"), ("done", "ready")]


async def test_a_database_that_is_away_for_a_moment_ends_nothing() -> None:
    seen = await told(Seen(PROCESSING), StorageFailed("locked"), Seen(READY))
    assert [status for _, status in seen] == ["processing", "ready", "ready"]


async def test_a_document_that_vanishes_has_failed_with_a_reason() -> None:
    async def gone(_: Seen) -> Seen:
        raise NotFound("gone")

    *_, last = [each async for each in changes(Seen(QUEUED), gone)]
    assert (last.name, last.data["status"]) == ("done", "failed")
    assert "gone" in last.data["error"]

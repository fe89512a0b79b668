"""The jobs of a running server, from another command: the same results as in the server itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.gateway import owner
from bots.gateway.jobs_client import JobsClient
from core.errors import InvalidRequest, NotFound, StorageFailed
from core.types import JobState
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.uploading import until_ended

pytestmark = pytest.mark.asyncio(loop_scope="module")
BROKEN = b"%PDF-1.7 and nothing more"


@pytest.fixture
def client(server: Server) -> JobsClient:
    return JobsClient(server.url, server.token)


async def test_jobs_are_the_same_as_in_the_server(
    server: Server, client: JobsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "LARGEST_PAGE", 2)
    for name, namespace in (("a.md", "hr"), ("b.md", "it"), ("c.md", "it"), ("d.md", "it")):
        await server.upload(name, f"Rules of {name}.".encode(), namespace=namespace)
    await server.upload("broken.pdf", BROKEN, namespace="it")
    jobs = server.application.jobs
    assert await client.page() == await jobs.page()
    assert await client.page(limit=3, offset=1) == await jobs.page(limit=3, offset=1)
    failed, total = await client.page(frozenset({JobState.FAILED, JobState.WAITING}), within=frozenset({"it"}))
    assert ([job.name for job in failed], total) == (["broken.pdf"], 1)
    assert await client.page(within=frozenset({"hr"})) == await jobs.page(within=frozenset({"hr"}))
    assert await client.get(failed[0].id[:8]) == await jobs.get(failed[0].id)
    states = frozenset({JobState.FAILED})
    assert await client.about(failed[0].document_id, states) == await jobs.about(failed[0].document_id, states)
    assert await client.about("0" * 32, states) is None


async def test_a_job_is_tried_again_or_says_why_it_cannot_be(server: Server, client: JobsClient) -> None:
    await server.upload("broken.pdf", BROKEN)
    await server.upload("leave.md", LEAVE)
    ((failed,), _), ((done,), _) = [await client.page(frozenset({state})) for state in (JobState.FAILED, JobState.DONE)]
    again = await client.retry(failed.id, frozenset({"default"}))
    assert (again.id, again.error) == (failed.id, None)
    await until_ended(server, failed.id)
    with pytest.raises(InvalidRequest, match="only what failed or was cancelled"):
        await client.retry(done.id)
    with pytest.raises(InvalidRequest, match="done already"):
        await client.cancel(done.id)


async def test_a_job_that_waits_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.gateway.documents.PATIENCE_SECONDS", 0.0)
    async with serving(settings(tmp_path, jobs={"run": False})) as server:
        client = JobsClient(server.url, server.token)
        job_id = (await server.upload("leave.md")).json()["job"]
        assert (await client.get(job_id)).state is JobState.WAITING
        assert (await client.cancel(job_id)).state is JobState.CANCELLED


@pytest.mark.parametrize("job_id", ["0" * 32, "../../healthz", "a b"])
async def test_an_unknown_job_is_not_found(client: JobsClient, job_id: str) -> None:
    for call in (client.get, client.cancel, client.retry):
        with pytest.raises(NotFound):
            await call(job_id)


async def test_a_job_of_another_namespace_is_not_found(server: Server, client: JobsClient) -> None:
    await server.upload("broken.pdf", BROKEN, namespace="it")
    ((job,), _) = await client.page()
    for call in (client.get, client.cancel, client.retry):
        with pytest.raises(NotFound, match="no job"):
            await call(job.id, frozenset({"hr"}))
    assert await client.get(job.id) == job


async def test_a_server_that_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        client = JobsClient(server.url, server.token)
    with pytest.raises(StorageFailed, match="Restart it"):
        await client.page()

"""What the documents of a running server were before, from another command: the same as in the server itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bots.gateway.versions_client import VersionsClient
from core.errors import InvalidRequest, NotFound, StorageFailed
from core.types import ChangeKind, HistoryEvent, Job, JobState, Origin
from tests.bots.gateway.serving import Server, serving, settings
from tests.bots.gateway.test_versions import replaced

pytestmark = pytest.mark.asyncio(loop_scope="module")
HR = frozenset({"hr"})


@pytest.fixture
def client(server: Server) -> VersionsClient:
    return VersionsClient(server.url, server.token)


async def test_history_is_the_same_as_in_the_server(server: Server, client: VersionsClient) -> None:
    document_id = await replaced(server, namespace="hr")
    entries = await client.history(document_id[:8], HR)
    assert entries == await server.application.versions.history(document_id)
    assert [entry.event for entry in entries] == [HistoryEvent.REPLACED, HistoryEvent.ADDED]


async def test_a_version_is_brought_back_and_how_far_that_is_is_told(server: Server, client: VersionsClient) -> None:
    document_id = await replaced(server, namespace="hr")
    seen: list[Job] = []
    change = await client.restore(document_id, 1, within=HR, origin=Origin("command line", "ann"), watch=seen.append)
    assert change.kind is ChangeKind.REPLACED
    assert change.document is not None
    assert change.document.version == 3
    assert seen[-1].state is JobState.DONE
    (latest, *_) = await client.history(document_id)
    assert (latest.event, latest.of_version) == (HistoryEvent.ROLLED_BACK, 1)
    assert latest.origin == Origin("command line", "ann")
    with pytest.raises(InvalidRequest, match="no version 9"):
        await client.restore(document_id, 9)


async def test_what_was_removed_is_listed_brought_back_and_purged(server: Server, client: VersionsClient) -> None:
    document_id = await replaced(server, namespace="hr")
    await server.client.delete(f"/v1/documents/{document_id}")
    removed = await client.removed(within=HR)
    assert removed == await server.application.versions.removed()
    assert [entry.document_id for entry in removed[0]] == [document_id]
    assert await client.removed(within=frozenset({"it"})) == ([], 0)
    change = await client.restore(document_id)
    assert change.document is not None
    assert (change.document.id, change.document.sha256) == (document_id, removed[0][0].sha256)
    assert (await client.purge(document_id, HR)).document_id == document_id
    with pytest.raises(NotFound):
        await client.history(document_id)


@pytest.mark.parametrize("document_id", ["0" * 32, "../../healthz", "a b"])
async def test_an_unknown_document_is_not_found(client: VersionsClient, document_id: str) -> None:
    for call in (client.history, client.restore, client.purge):
        with pytest.raises(NotFound):
            await call(document_id)


async def test_a_document_of_another_namespace_is_not_found_and_stays(server: Server, client: VersionsClient) -> None:
    document_id = await replaced(server, namespace="it")
    with pytest.raises(NotFound):
        await client.history(document_id, HR)
    with pytest.raises(NotFound):
        await client.restore(document_id, within=HR)
    with pytest.raises(NotFound):
        await client.purge(document_id, HR)
    assert len(await client.history(document_id)) == 2


async def test_a_server_that_is_gone_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        client = VersionsClient(server.url, server.token)
    with pytest.raises(StorageFailed, match="Restart it"):
        await client.removed()

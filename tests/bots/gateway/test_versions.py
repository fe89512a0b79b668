"""History, removed documents, restoring and erasing over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.access import Caller, Permission
from tests.bots.gateway.serving import LEAVE, Server
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.uploading import call_as, gated, until_ended

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEWER = LEAVE.replace(b"13", b"20")


async def replaced(server: Server, **fields: str) -> str:
    """The id of a document with two versions."""
    await server.upload("leave.md", LEAVE, **fields)
    document_id: str = (await server.upload("leave.md", NEWER, **fields)).json()["document"]["id"]
    return document_id


async def history(server: Server, document_id: str) -> list[dict[str, Any]]:
    response = await server.client.get(f"/v1/documents/{document_id}/history")
    assert response.status_code == 200, response.text
    entries: list[dict[str, Any]] = response.json()["history"]
    return entries


async def test_a_document_has_a_history_and_an_earlier_version_can_be_brought_back(server: Server) -> None:
    document_id = await replaced(server)
    restored = await server.client.post(f"/v1/documents/{document_id}/restore", json={})
    entries = await history(server, document_id[:8])
    assert restored.status_code == 200
    assert restored.json()["document"]["version"] == 3
    assert [(each["event"], each["version"], each["of_version"]) for each in entries] == [
        ("rolled back", 3, 1),
        ("replaced", 2, None),
        ("added", 1, None),
    ]
    assert {each["origin"]["channel"] for each in entries} == {"api"}
    assert "13 days" in (await server.ask()).json()["text"]
    (passage,) = (await server.client.get(f"/v1/documents/{document_id}/passages")).json()["passages"]
    assert passage["version"] == 3
    again = await server.client.post(f"/v1/documents/{document_id}/restore", json={"version": 2})
    assert (again.status_code, again.json()["document"]["version"]) == (200, 4)


async def test_a_removed_document_is_listed_and_can_be_brought_back(server: Server) -> None:
    document_id = await replaced(server)
    assert (await server.client.delete(f"/v1/documents/{document_id}")).status_code == 204
    removed = (await server.client.get("/v1/documents/removed")).json()
    assert removed["total"] == 1
    (entry,) = removed["removed"]
    assert (entry["document_id"], entry["event"], entry["version"]) == (document_id, "removed", 2)
    assert (await server.ask()).json()["outcome"] == "empty_index"
    restored = await server.client.post(f"/v1/documents/{document_id}/restore", json={"version": None})
    assert restored.json()["document"]["id"] == document_id
    assert "20 days" in (await server.ask()).json()["text"]
    assert (await server.client.get("/v1/documents/removed")).json() == {"removed": [], "total": 0}


async def test_who_asks_for_a_removed_document_is_told_how_it_comes_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = await replaced(server)
    address = f"/v1/documents/{document_id[:8]}"
    await server.client.delete(address)
    for method in ("GET", "DELETE"):
        detail = assert_problem(await server.client.request(method, address), 404)["detail"]
        assert f"POST /v1/documents/{document_id}/restore brings it back" in detail
    for caller in (Caller(frozenset({Permission.READ}), is_public=True), Caller(namespaces=frozenset({"hr"}))):
        call_as(monkeypatch, caller)
        assert_problem(await server.client.get(address), 404, "There is no document")


async def test_what_is_removed_before_it_was_indexed_is_brought_back_by_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        accepted = (await server.upload("leave.md")).json()
        removed = await server.client.delete(f"/v1/documents/{accepted['document']['id']}")
        embedder.gate.set()
        job = removed.headers["lorekeeper-job"]
        assert (await server.client.post(f"/v1/jobs/{job}/retry")).status_code == 200
        ended = await until_ended(server, job)
        ready = await server.client.delete(f"/v1/documents/{accepted['document']['id']}")
    assert (removed.status_code, job) == (204, accepted["job"])
    assert ended["state"] == "done"
    assert (ready.status_code, "lorekeeper-job" in ready.headers) == (204, False)


async def test_removed_documents_come_in_pages(server: Server) -> None:
    for name, namespace in (("a", "hr"), ("b", "it"), ("c", "hr")):
        uploaded = await server.upload(f"{name}.md", f"Rules of {name}.".encode(), namespace=namespace)
        await server.client.delete(f"/v1/documents/{uploaded.json()['document']['id']}")

    async def titles(query: str) -> tuple[list[str], int]:
        value = (await server.client.get(f"/v1/documents/removed?{query}")).json()
        return [entry["title"] for entry in value["removed"]], value["total"]

    assert await titles("") == (["C", "B", "A"], 3)
    assert await titles("namespace=hr") == (["C", "A"], 2)
    assert await titles("limit=1&offset=1") == (["B"], 3)
    for query in ("limit=0", "limit=1001", "offset=-1", "namespace=a/b"):
        assert_problem(await server.client.get(f"/v1/documents/removed?{query}"), 422, query.partition("=")[0])


@pytest.mark.parametrize("is_removed", [False, True])
async def test_what_is_purged_is_gone_for_good(server: Server, is_removed: bool) -> None:
    document_id = await replaced(server)
    if is_removed:
        await server.client.delete(f"/v1/documents/{document_id}")
    purged = await server.client.delete(f"/v1/documents/{document_id}?purge=true")
    assert purged.status_code == 200
    assert purged.json()["document_id"] == document_id
    address = f"/v1/documents/{document_id}"
    for method, path in (("GET", ""), ("GET", "/history"), ("DELETE", "?purge=true")):
        assert_problem(await server.client.request(method, f"{address}{path}"), 404)
    assert_problem(await server.client.post(f"{address}/restore", json={}), 404)
    assert (await server.client.get("/v1/documents/removed")).json()["total"] == 0
    assert [path for path in (server.application.settings.data_dir / "files").rglob("*") if path.is_file()] == []


async def test_what_cannot_be_brought_back_is_a_problem_that_says_why(server: Server) -> None:
    document_id = (await server.upload("leave.md")).json()["document"]["id"]
    address = f"/v1/documents/{document_id}/restore"
    assert_problem(await server.client.post(address, json={}), 422, "no other version")
    assert_problem(await server.client.post(address, json={"version": 1}), 422, "answers now")
    assert_problem(await server.client.post(address, json={"version": 9}), 422, "no version 9")
    for wrong in ({"version": 0}, {"version": "1"}, {"versions": 1}, {"version": 2**31}):
        assert_problem(await server.client.post(address, json=wrong), 422, "version")
    assert_problem(await server.client.post(f"/v1/documents/{'0' * 32}/restore", json={}), 404)
    assert_problem(await server.client.get(f"/v1/documents/{'0' * 32}/history"), 404)


async def test_what_takes_long_to_bring_back_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        embedder.gate.set()
        for data in (LEAVE, NEWER):
            accepted = (await server.upload("leave.md", data)).json()
            await until_ended(server, accepted["job"])
        embedder.gate.clear()
        address = f"/v1/documents/{accepted['document']['id']}"
        restoring = await server.client.post(f"{address}/restore", json={})
        waiting = (await server.client.get(address)).json()
        embedder.gate.set()
        ended = await until_ended(server, restoring.json()["job"])
        version = (await server.client.get(address)).json()["version"]
    assert (restoring.status_code, restoring.json()["kind"]) == (202, "processing")
    assert waiting["status"] in {"queued", "processing"}
    assert (ended["state"], version) == ("done", 3)


async def test_documents_of_other_namespaces_have_no_history_and_cannot_be_touched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = await replaced(server, namespace="it")
    removed = (await server.upload("old.md", b"Old rules.", namespace="it")).json()["document"]["id"]
    await server.client.delete(f"/v1/documents/{removed}")
    call_as(monkeypatch, Caller(namespaces=frozenset({"hr", "x"})))
    assert (await server.client.get("/v1/documents/removed")).json() == {"removed": [], "total": 0}
    assert_problem(await server.client.get("/v1/documents/removed?namespace=it"), 403, "namespace it")
    for method, path in (("GET", "/history"), ("POST", "/restore"), ("DELETE", "?purge=true")):
        for document_id in (foreign, removed):
            body: dict[str, Any] = {"json": {}} if method == "POST" else {}
            refused = await server.client.request(method, f"/v1/documents/{document_id}{path}", **body)
            unknown = await server.client.request(method, f"/v1/documents/{'0' * 32}{path}", **body)
            detail = assert_problem(unknown, 404)["detail"]
            assert assert_problem(refused, 404)["detail"].replace(document_id, "0" * 32) == detail
    call_as(monkeypatch, Caller())
    assert len(await history(server, foreign)) == 2
    assert (await server.client.get("/v1/documents/removed")).json()["total"] == 1


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        (Caller(frozenset({Permission.READ})), {"GET"}),
        (Caller(frozenset({Permission.WRITE})), {"POST", "DELETE"}),
        (Caller(frozenset({Permission.ASK, Permission.READ}), is_public=True), set()),
    ],
)
async def test_history_and_bringing_back_each_need_their_permission_and_no_public_key_has_it(
    shared: Server, monkeypatch: pytest.MonkeyPatch, caller: Caller, allowed: set[str]
) -> None:
    call_as(monkeypatch, caller)
    unknown = f"/v1/documents/{'0' * 32}"
    requests: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GET", "/v1/documents/removed", {}),
        ("GET", f"{unknown}/history", {}),
        ("POST", f"{unknown}/restore", {"json": {}}),
        ("DELETE", f"{unknown}?purge=true", {}),
    )
    replies = [(each[0], (await shared.client.request(*each[:2], **each[2])).status_code) for each in requests]
    assert {method for method, status in replies if status != 403} == allowed
    assert {method for method, status in replies if status == 403}.isdisjoint(allowed)


async def test_only_the_owner_has_the_index_checked(server: Server) -> None:
    await server.upload("leave.md")
    assert_problem(await server.client.post("/v1/documents/check", json={}), 403, "Only the lorekeeper command")
    checked = await server.client.post("/v1/documents/check", json={"repair": True}, headers=server.owner)
    assert checked.json() == {"findings": []}
    assert_problem(await server.client.post("/v1/documents/check", json={"all": 1}, headers=server.owner), 422, "all")

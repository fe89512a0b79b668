"""`/v1/documents`: callers with fewer permissions, or only some of the namespaces."""

from __future__ import annotations

import pytest

from core.access import Caller, Permission
from tests.bots.gateway.serving import LEAVE, Server
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.uploading import call_as

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_caller_limited_to_namespaces_sees_and_touches_only_documents_of_those(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, foreign = [
        (await server.upload(name, LEAVE, namespace=namespace)).json()["document"]
        for name, namespace in (("own.md", "hr"), ("foreign.md", "it"))
    ]
    call_as(monkeypatch, Caller(namespaces=frozenset({"hr", "x"})))
    assert (await server.client.get("/v1/documents")).json() == {"documents": [own], "total": 1}
    assert_problem(await server.client.get("/v1/documents?namespace=hr&namespace=it"), 403, "namespace it")
    for method, path in (("GET", ""), ("GET", "/passages"), ("GET", "/events"), ("DELETE", "")):
        address = f"/v1/documents/{foreign['id']}{path}"
        refused = assert_problem(await server.client.request(method, address), 404)
        unknown = assert_problem(await server.client.request(method, f"/v1/documents/{'0' * 32}{path}"), 404)
        assert refused["detail"].replace(foreign["id"], "0" * 32) == unknown["detail"]
    assert_problem(await server.upload("a.md", LEAVE, namespace="it"), 403, "namespace it")
    assert (await server.client.get(f"/v1/documents/{own['id']}/passages")).json()["total"] == 1
    assert (await server.client.delete(f"/v1/documents/{own['id']}")).status_code == 204


async def test_the_specification_shows_an_example_of_every_reply_and_parameter(shared: Server) -> None:
    paths = (await shared.client.get("/openapi.json")).json()["paths"]
    assert {"/v1/documents", "/v1/documents/{document_id}/events", "/v1/jobs/{job_id}/retry"} <= set(paths)
    for path, item in paths.items():
        for method, operation in item.items() if path.startswith(("/v1/documents", "/v1/jobs")) else ():
            for status, reply in operation["responses"].items():
                assert all("example" in each for each in reply.get("content", {}).values()), (method, path, status)
            for parameter in operation.get("parameters", []):
                if parameter["schema"].get("type") == "string":
                    assert parameter["schema"]["examples"], (method, path, parameter["name"])


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [(Permission.READ, {"GET"}), (Permission.WRITE, {"POST", "DELETE"}), (Permission.ASK, set())],
)
async def test_reading_and_writing_documents_each_need_their_permission(
    shared: Server, monkeypatch: pytest.MonkeyPatch, permission: Permission, allowed: set[str]
) -> None:
    call_as(monkeypatch, Caller(frozenset({permission})))
    unknown = f"/v1/documents/{'0' * 32}"
    requests = (("GET", "/v1/documents"), ("GET", unknown), ("GET", f"{unknown}/passages"), ("DELETE", unknown))
    replies = [(method, await shared.client.request(method, path)) for method, path in requests]
    replies.append(("POST", await shared.upload("blank.md", b" ")))
    assert {method for method, reply in replies if reply.status_code != 403} == allowed
    for method, reply in replies:
        if method not in allowed:
            assert_problem(reply, 403, "lacks the scope")

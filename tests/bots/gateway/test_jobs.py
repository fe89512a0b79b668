"""`/v1/jobs`: how far received files are, giving them up, and trying again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bots.gateway import indexing
from core.access import Caller, Permission
from core.types import Origin
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.uploading import call_as, gated, until_ended

pytestmark = pytest.mark.asyncio(loop_scope="module")
BROKEN = b"%PDF-1.7 and nothing more"
NOBODY_WORKS = {"jobs": {"run": False}}


async def test_a_job_tells_how_far_a_file_is_and_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        accepted = await server.upload("leave.md", LEAVE, namespace="hr")
        assert accepted.status_code == 202
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        job = (await server.client.get(f"/v1/jobs/{accepted.json()['job']}")).json()
        listed = (await server.client.get("/v1/jobs?state=waiting&state=running")).json()
        embedder.gate.set()
        ended = await until_ended(server, job["id"][:8])
    assert (job["name"], job["namespace"], job["state"], job["finished_at"]) == ("leave.md", "hr", "running", None)
    assert (job["document_id"], job["size_bytes"]) == (accepted.json()["document"]["id"], len(LEAVE))
    assert ([each["id"] for each in listed["jobs"]], listed["total"]) == ([job["id"]], 1)
    assert (ended["state"], ended["chunks"]) == ("done", 1)
    assert [(each["kind"], each["document"]["id"]) for each in ended["changes"]] == [("added", job["document_id"])]


async def test_jobs_are_listed_by_state_and_namespace_in_pages(server: Server) -> None:
    await server.upload("leave.md", LEAVE, namespace="hr")
    await server.upload("rules.md", b"Rules.", namespace="it")
    await server.upload("broken.pdf", BROKEN, namespace="it")

    async def names(query: str) -> tuple[list[str], int]:
        value = (await server.client.get(f"/v1/jobs?{query}")).json()
        return [job["name"] for job in value["jobs"]], value["total"]

    assert await names("state=failed") == (["broken.pdf"], 1)
    assert await names("state=failed&state=done") == (["broken.pdf", "rules.md", "leave.md"], 3)
    assert await names("namespace=it") == (["broken.pdf", "rules.md"], 2)
    assert await names("namespace=it&namespace=hr&limit=1&offset=1") == (["rules.md"], 3)
    assert await names("state=cancelled") == ([], 0)


async def test_what_failed_is_tried_again_and_what_is_done_is_not(server: Server) -> None:
    await server.upload("broken.pdf", BROKEN)
    await server.upload("leave.md")
    failed, done = [
        (await server.client.get(f"/v1/jobs?state={state}")).json()["jobs"][0] for state in ("failed", "done")
    ]
    assert failed["error"]
    assert failed["code"] == "unreadable_document"
    again = (await server.client.post(f"/v1/jobs/{failed['id']}/retry")).json()
    assert (again["id"], again["error"], again["finished_at"]) == (failed["id"], None, None)
    assert (await until_ended(server, failed["id"]))["error"] == failed["error"]
    assert_problem(await server.client.post(f"/v1/jobs/{done['id']}/retry"), 422, "only what failed or was cancelled")
    assert_problem(await server.client.post(f"/v1/jobs/{done['id']}/cancel"), 422, "done already")


async def test_a_job_that_is_given_up_leaves_nothing_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gated(tmp_path, monkeypatch) as (server, embedder):
        accepted = (await server.upload("leave.md")).json()
        assert await asyncio.to_thread(embedder.reached.wait, 10)
        address = f"/v1/jobs/{accepted['job']}"
        cancelled = (await server.client.post(f"{address}/cancel")).json()
        embedder.gate.set()
        gone = await server.client.get(f"/v1/documents/{accepted['document']['id']}")
        assert (await server.client.post(f"{address}/retry")).status_code == 200
        ended = await until_ended(server, accepted["job"])
        answer = (await server.ask()).json()
    assert cancelled["state"] == "cancelled"
    assert gone.status_code == 404
    assert ended["state"] == "done"
    assert answer["outcome"] == "answered"


async def test_who_waited_for_a_job_that_is_given_up_is_told(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, **NOBODY_WORKS)) as server:
        uploading = asyncio.create_task(server.upload("leave.md"))
        async with asyncio.timeout(10):
            while not (jobs := (await server.client.get("/v1/jobs")).json()["jobs"]):
                await asyncio.sleep(0.01)
        await server.client.post(f"/v1/jobs/{jobs[0]['id']}/cancel")
        assert_problem(await uploading, 422, "cancelled")


async def test_jobs_of_other_namespaces_cannot_be_seen_or_touched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.upload("leave.md", LEAVE, namespace="hr")
    await server.upload("broken.pdf", BROKEN, namespace="it")
    (foreign,) = (await server.client.get("/v1/jobs?namespace=it")).json()["jobs"]
    call_as(monkeypatch, Caller(namespaces=frozenset({"hr", "x"})))
    assert (await server.client.get("/v1/jobs")).json()["total"] == 1
    assert_problem(await server.client.get("/v1/jobs?namespace=it"), 403, "namespace it")
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        refused = assert_problem(await server.client.request(method, f"/v1/jobs/{foreign['id']}{path}"), 404)
        unknown = assert_problem(await server.client.request(method, f"/v1/jobs/{'0' * 32}{path}"), 404)
        assert refused["detail"].replace(foreign["id"], "0" * 32) == unknown["detail"]
    call_as(monkeypatch, Caller())
    assert (await server.client.get(f"/v1/jobs/{foreign['id']}")).json() == foreign


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        (Caller(frozenset({Permission.READ})), {"GET"}),
        (Caller(frozenset({Permission.WRITE})), {"POST"}),
        (Caller(frozenset({Permission.ASK})), set()),
        (Caller(frozenset({Permission.ASK, Permission.READ}), is_public=True), set()),
    ],
)
async def test_reading_and_changing_jobs_each_need_their_permission_and_no_public_key_has_it(
    shared: Server, monkeypatch: pytest.MonkeyPatch, caller: Caller, allowed: set[str]
) -> None:
    call_as(monkeypatch, caller)
    unknown = f"/v1/jobs/{'0' * 32}"
    requests = (("GET", "/v1/jobs"), ("GET", unknown), ("POST", f"{unknown}/cancel"), ("POST", f"{unknown}/retry"))
    replies = [(method, (await shared.client.request(method, path)).status_code) for method, path in requests]
    assert {method for method, status in replies if status != 403} == allowed
    assert {method for method, status in replies if status == 403}.isdisjoint(allowed)


@pytest.mark.parametrize("query", ["state=gone", "namespace=a/b", "limit=0", "limit=1001", "offset=-1"])
async def test_a_wrong_query_is_a_problem(shared: Server, query: str) -> None:
    assert_problem(await shared.client.get(f"/v1/jobs?{query}"), 422, query.partition("=")[0])
    assert_problem(
        await shared.client.get("/v1/jobs/abc"), 422, "Give at least the first 6 characters of the job's id."
    )
    assert_problem(await shared.client.get(f"/v1/jobs/{'a' * 65}"), 422, "job_id: Give at most 64 characters.")
    states = "state: Give 'waiting', 'running', 'done', 'failed' or 'cancelled'."
    assert_problem(await shared.client.get("/v1/jobs?state=bogus"), 422, states)


async def test_an_upload_is_refused_while_too_many_uploads_wait_but_not_for_files_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MOST_WAITING", 2)
    for name in "abc":
        (tmp_path / f"{name}.md").write_text(f"Rules of {name}.")
    async with gated(tmp_path, monkeypatch, **NOBODY_WORKS) as (server, _):
        paths = [tmp_path / f"{name}.md" for name in "abc"]
        adding = server.application.documents.add_paths(paths, "default", origin=Origin("command line"))
        folder = asyncio.create_task(adding)
        async with asyncio.timeout(10):
            while (await server.client.get("/v1/jobs?state=waiting")).json()["total"] < 3:
                await asyncio.sleep(0.01)
        replies = [await server.upload(f"{number}.md", f"Rule {number}.".encode()) for number in range(3)]
        folder.cancel()
    assert [reply.status_code for reply in replies] == [202, 202, 503]
    assert_problem(replies[-1], 503, "Too many documents are waiting")
    assert replies[-1].headers["retry-after"] == "60"

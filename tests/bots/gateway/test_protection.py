"""Who may send requests, and what a browser is told on the way back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bots.gateway.client import GatewayClient
from core.types import Event, Status
from tests.bots.gateway.serving import QUESTION, Server, bearer, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODY = {"question": QUESTION}
BODIES = [("/v1/ask", "application/json"), ("/v1/documents", "multipart/form-data; boundary=x")]
OWNER_ROUTES = {"/v1/documents/paths": {"paths": ["/tmp"]}, "/v1/documents/reindex": None}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "localhost.evil"])
async def test_a_name_on_the_internet_that_points_here_is_refused(shared: Server, host: str) -> None:
    headers = {"Host": host}
    assert_problem(await shared.client.get("/", headers=headers), 403, "localhost")
    assert_problem(await shared.client.get("/v1/documents", headers=headers), 403)
    assert_problem(await shared.client.post("/v1/ask", json=BODY, headers=headers), 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.2", "[::1]:8080"])
async def test_the_names_of_this_machine_are_served(shared: Server, host: str) -> None:
    assert (await shared.client.get("/healthz", headers={"Host": host})).status_code == 200


async def test_on_an_address_that_others_reach_every_name_is_served(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, server={"host": "0.0.0.0"}), with_key=True) as server:
        headers = {"Host": "lore.example.org", **bearer(server.key)}
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert (await server.client.get(f"{url}/healthz", headers=headers)).status_code == 200
        foreign = {**headers, "Origin": "https://evil.example"}
        assert_problem(await server.client.post(f"{url}/v1/ask", json=BODY, headers=foreign), 403, "another site")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_may_change_and_ask_nothing(shared: Server, headers: dict[str, str]) -> None:
    (document,) = (await shared.client.get("/v1/documents")).json()["documents"]
    assert_problem(await shared.client.post("/v1/ask", json=BODY, headers=headers), 403, "another site")
    assert_problem(
        await shared.client.post("/v1/documents", files={"file": ("a.md", b"# A\n\nText.")}, headers=headers), 403
    )
    assert_problem(await shared.client.delete(f"/v1/documents/{document['id']}", headers=headers), 403)
    assert (await shared.client.get("/v1/documents")).json() == {"documents": [document], "total": 1}


async def test_our_own_page_and_scripts_may(shared: Server) -> None:
    page = {"Origin": shared.url, "Sec-Fetch-Site": "same-origin"}
    secure = {"Origin": "https://127.0.0.1", "Host": "127.0.0.1"}
    assert (await shared.client.post("/v1/ask", json=BODY, headers=secure)).status_code == 200
    assert (await shared.client.post("/v1/ask", json=BODY, headers=page)).status_code == 200
    assert (await shared.client.post("/v1/ask", json=BODY)).status_code == 200


async def test_a_form_of_another_site_cannot_be_taken_for_a_question(shared: Server) -> None:
    form = await shared.client.post("/v1/ask", content='{"question": "x"}', headers={"Content-Type": "text/plain"})
    assert_problem(form, 422)


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/v1/documents", "/healthz", "/openapi.json", "/nothing"])
async def test_every_reply_has_the_headers_that_protect_a_browser(shared: Server, path: str) -> None:
    headers = (await shared.client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


async def test_a_refusal_has_them_too(shared: Server) -> None:
    refused = await shared.client.get("/", headers={"Host": "evil.example"})
    assert "content-security-policy" in refused.headers


async def test_a_reply_to_an_error_that_nobody_expected_has_them_and_says_nothing_of_a_question(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody expected this")

    async def break_off(*_: object) -> AsyncGenerator[Event, None]:
        yield Status("searching")
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(server.application.documents, "page", fail)
    monkeypatch.setattr(type(server.application.asker), "stream", break_off)
    listed, asked = await server.client.get("/v1/documents"), await server.ask()
    assert "question" not in assert_problem(listed, 500, "on our side")["detail"]
    assert_problem(asked, 500, "question was not answered")
    for reply in (listed, asked):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"


async def test_another_address_of_this_machine_serves_its_own_commands(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, server={"host": "127.0.0.2"})) as server:
        assert await GatewayClient(server.url, server.token).page() == ([], 0)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def send_half(url: str, path: str, kind: str) -> Connection:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b"--x\r\n")
    return reader, writer


async def assert_timed_out(connection: Connection) -> None:
    reader, writer = connection
    async with asyncio.timeout(10):
        reply = await reader.read()  # to the end: the connection is closed
    writer.close()
    await writer.wait_closed()
    assert b" 408 " in reply.splitlines()[0]
    assert b"application/problem+json" in reply
    assert b"did not come" in reply


@pytest.mark.parametrize(("path", "kind"), BODIES)
async def test_a_body_that_stops_coming_is_not_waited_for(
    shared: Server, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    monkeypatch.setattr("bots.gateway.protection.SILENCE_SECONDS", 0.1)
    await assert_timed_out(await send_half(shared.url, path, kind))


@pytest.mark.parametrize(("path", "kind"), BODIES)
async def test_a_server_that_stops_does_not_wait_for_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    monkeypatch.setattr("bots.gateway.protection.STOPPING_SECONDS", 0.1)
    async with serving(settings(tmp_path)) as server:
        connection = await send_half(server.url, path, kind)
        await server.client.get("/healthz")
    await assert_timed_out(connection)


async def test_a_question_may_take_longer_than_its_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.gateway.protection.SILENCE_SECONDS", 0.1)
    with fake_openai(pause=0.01, answer="word " * 60) as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            assert (await server.ask()).status_code == 200


async def test_the_page_runs_no_script_and_loads_nothing_that_is_not_its_own(shared: Server) -> None:
    page = await shared.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="([^"#][^"]*)"', page.text)
    assert links
    assert all(link.startswith("/static/") for link in links)
    for link in links:
        assert (await shared.client.get(link)).status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:|\sstyle=", page.text)


async def test_no_file_outside_the_pages_own_is_served(shared: Server) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert_problem(await shared.client.get(path), 404)


async def test_a_title_with_markup_travels_as_text_in_json(server: Server) -> None:
    title = "<img src=x onerror=alert(1)>"
    await server.upload("evil.md", f"# `{title}`\n\nAnnual leave is 13 days per year.\n".encode())
    listed = await server.client.get("/v1/documents")
    answer = await server.ask("How many days is annual leave?")
    assert title in listed.json()["documents"][0]["title"]
    assert title in answer.json()["citations"][0]["title"]
    assert {reply.headers["content-type"] for reply in (listed, answer)} == {"application/json"}


@pytest.mark.parametrize("path", OWNER_ROUTES)
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"]
)
async def test_what_reaches_into_this_machine_needs_the_owners_token(
    shared: Server, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.format(token=shared.token)}
    response = await shared.client.post(path, json=OWNER_ROUTES[path], headers=headers)
    assert_problem(response, 403, "lorekeeper command of the user")


async def test_a_token_of_strange_characters_is_only_wrong(shared: Server) -> None:
    headers = [(b"Authorization", b"Bearer \xff\xfe")]
    assert_problem(await shared.client.post("/v1/documents/reindex", headers=headers), 403)


async def test_the_owner_can_index_paths_and_is_told_of_wrong_ones(server: Server, tmp_path: Path) -> None:
    (tmp_path / "leave.md").write_text("# Leave\n\nYou accrue 13 days of annual leave per year.\n")
    good = {"paths": [str(tmp_path / "leave.md")]}
    response = await server.client.post("/v1/documents/paths", json=good, headers=server.owner)
    assert response.status_code == 200
    assert '"finished"' in response.text.splitlines()[-1]
    assert (await server.ask()).json()["outcome"] == "answered"
    relative = await server.client.post("/v1/documents/paths", json={"paths": ["docs"]}, headers=server.owner)
    assert_problem(relative, 422, "absolute")


async def test_the_interactive_documentation_with_scripts_of_others_is_off(shared: Server) -> None:
    assert_problem(await shared.client.get("/docs"), 404)
    paths = (await shared.client.get("/openapi.json")).json()["paths"]
    assert {"/v1/ask", "/v1/documents", "/healthz", "/readyz"} <= set(paths)
    assert not set(OWNER_ROUTES) & set(paths)

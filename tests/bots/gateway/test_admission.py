"""Keys: what opens the door, for what, from where and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
import pytest_asyncio

from core.access import Permission
from core.errors import StorageFailed
from tests.bots.gateway.serving import QUESTION, Server, bearer, keys_of, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = "https://intranet.example.org"
BODY = {"question": QUESTION}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server, None]:
    """Has keys; holds a document in two namespaces."""
    often = {"requests_per_minute_per_key": 10**6, "requests_per_minute_per_address": 10**6}
    chosen = settings(tmp_path_factory.mktemp("guarded"), server=often)
    with patch("bots.gateway.keyring.FRESH_SECONDS", 0.02):
        async with serving(chosen, with_key=True) as server:
            server.client.headers["Authorization"] = f"Bearer {server.key}"
            await server.upload("leave.md")
            await server.upload("leave.md", namespace="hr")
            del server.client.headers["Authorization"]
            yield server


async def a_key(server: Server, *permissions: Permission, **limits: object) -> dict[str, str]:
    """The headers of a new key; the gateway knows it at once only after its own pause."""
    text = keys_of(server.application).create("k", permissions or {Permission.ASK}, **limits)[1]  # type: ignore[arg-type]
    for _ in range(100):
        if (await server.client.get("/v1/me", headers={**bearer(text), "Origin": PAGE})).status_code != 401:
            return bearer(text)
        await asyncio.sleep(0.05)
    raise AssertionError("the key was not seen")


async def test_from_the_first_key_on_everybody_needs_one(guarded: Server) -> None:
    for path in ("/v1/documents", "/v1/me", "/metrics", "/v1/models", "/nowhere"):
        refused = await guarded.client.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert_problem(await guarded.client.post("/v1/ask", json=BODY), 401, "keys create")
    answer = await guarded.client.post("/v1/ask", json=BODY, headers=bearer(guarded.key))
    assert answer.json()["outcome"] == "answered"


async def test_the_page_and_the_health_are_for_everybody_and_tell_little(guarded: Server) -> None:
    for path in ("/", "/static/app.js", "/healthz", "/openapi.json"):
        assert (await guarded.client.get(path)).status_code == 200, path
    assert (await guarded.client.get("/readyz")).json() == {"status": "ok", "checks": []}
    assert (await guarded.client.get("/readyz", headers=bearer(guarded.key))).json()["checks"]


@pytest.mark.parametrize("text", ["lk_", "lk_0000000000_x", "nonsense", "ü", "lk_a_b_c"])
async def test_a_wrong_key_opens_nothing(guarded: Server, text: str) -> None:
    headers = {"Authorization": f"Bearer {text}".encode()}
    refused = await guarded.client.get("/v1/documents", headers=headers)  # type: ignore[arg-type]
    assert_problem(refused, 401)
    assert text not in refused.text


async def test_a_key_with_another_secret_is_no_key(guarded: Server) -> None:
    assert_problem(await guarded.client.get("/v1/documents", headers=bearer(guarded.key[:-1] + "!")), 401, "unknown")


async def test_the_owners_command_line_needs_none(guarded: Server) -> None:
    assert (await guarded.client.get("/v1/documents", headers=guarded.owner)).status_code == 200


async def test_a_revoked_key_is_refused_soon_and_an_expired_one_at_once(guarded: Server) -> None:
    keys = keys_of(guarded.application)
    headers = await a_key(guarded)
    keys.revoke(headers["Authorization"].split("_")[1])
    async with asyncio.timeout(10):
        while (await guarded.client.get("/v1/me", headers=headers)).status_code != 401:
            await asyncio.sleep(0.05)
    text = keys.create("old", {Permission.ASK}, expires_at=datetime.now(UTC) - timedelta(seconds=1))[1]
    assert_problem(await guarded.client.post("/v1/ask", json=BODY, headers=bearer(text)), 401, "expired")


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        (Permission.ASK, "POST", "/v1/ask"),
        (Permission.ASK, "POST", "/v1/search"),
        (Permission.ASK, "GET", "/v1/threads/t"),
        (Permission.ASK, "POST", "/v1/feedback"),
        (Permission.ASK, "POST", "/v1/chat/completions"),
        (Permission.ASK, "GET", "/v1/models"),
        (Permission.READ, "GET", "/v1/feedback"),
        (Permission.READ, "GET", "/v1/documents"),
        (Permission.READ, "GET", "/v1/documents/abcdef01"),
        (Permission.READ, "GET", "/v1/documents/abcdef01/passages"),
        (Permission.READ, "GET", "/v1/documents/abcdef01/events"),
        (Permission.WRITE, "POST", "/v1/documents"),
        (Permission.WRITE, "DELETE", "/v1/documents/abcdef01"),
        (Permission.WRITE, "POST", "/v1/uploads"),
        (Permission.METRICS, "GET", "/metrics"),
    ],
)
async def test_each_route_asks_for_its_scope(guarded: Server, permission: Permission, method: str, path: str) -> None:
    others = await a_key(guarded, *(set(Permission) - {permission}))
    refused = await guarded.client.request(method, path, headers=others)
    assert refused.status_code == 403
    assert f"scope {permission}" in refused.text
    own = await a_key(guarded, permission)
    assert (await guarded.client.request(method, path, headers=own)).status_code not in {401, 403}


async def test_even_a_key_for_everything_is_not_the_owner(guarded: Server) -> None:
    body = {"paths": ["/tmp"]}
    refused = await guarded.client.post("/v1/documents/paths", json=body, headers=bearer(guarded.key))
    assert_problem(refused, 403, "user who runs this server")


async def test_a_key_for_one_namespace_uses_that_one_and_no_other(guarded: Server) -> None:
    headers = await a_key(guarded, *Permission, namespaces={"hr"})
    assert (await guarded.client.post("/v1/ask", json=BODY, headers=headers)).json()["namespace"] == "hr"
    other = BODY | {"namespace": "default"}
    assert_problem(await guarded.client.post("/v1/ask", json=other, headers=headers), 403, "namespace default")
    search = {"query": QUESTION, "namespace": "default"}
    assert_problem(await guarded.client.post("/v1/search", json=search, headers=headers), 403)
    listed = (await guarded.client.get("/v1/documents", headers=headers)).json()["documents"]
    assert {document["namespace"] for document in listed} == {"hr"}
    everything = (await guarded.client.get("/v1/documents", headers=bearer(guarded.key))).json()["documents"]
    (foreign,) = (document["id"] for document in everything if document["namespace"] == "default")
    for method, path in (("GET", ""), ("GET", "/passages"), ("GET", "/events"), ("DELETE", "")):
        refused = await guarded.client.request(method, f"/v1/documents/{foreign}{path}", headers=headers)
        assert refused.status_code == 404, path
    models = (await guarded.client.get("/v1/models", headers=headers)).json()["data"]
    assert [model["id"] for model in models] == ["hr"]
    refused = await guarded.client.post(
        "/v1/documents", files={"file": ("a.md", b"# A")}, data={"namespace": "default"}, headers=headers
    )
    assert_problem(refused, 403)


async def test_a_conversation_belongs_to_its_key(guarded: Server) -> None:
    mine, yours = await a_key(guarded), await a_key(guarded)
    answer = (await guarded.client.post("/v1/ask", json=BODY | {"thread": "t"}, headers=mine)).json()
    assert (await guarded.client.get("/v1/threads/t", headers=mine)).json()["turns"][0]["question"] == QUESTION
    assert_problem(await guarded.client.get("/v1/threads/t", headers=yours), 404)
    stream = {"question": QUESTION, "stream": True}
    location = (await guarded.client.post("/v1/ask", json=stream, headers=mine)).headers["Content-Location"]
    assert (await guarded.client.get(location, headers=mine)).status_code == 200
    assert_problem(await guarded.client.get(location, headers=yours), 404)
    assert answer["thread"] == "t"


async def test_a_page_may_use_only_a_key_that_names_it(guarded: Server) -> None:
    headers = await a_key(guarded, Permission.ASK, origins={PAGE})
    asked = await guarded.client.post("/v1/ask", json=BODY, headers={**headers, "Origin": PAGE})
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in asked.headers["Vary"]
    elsewhere = await guarded.client.post("/v1/ask", json=BODY, headers={**headers, "Origin": "https://evil.example"})
    assert_problem(elsewhere, 403, "this page")
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    nowhere = await guarded.client.post("/v1/ask", json=BODY, headers=headers)
    assert_problem(nowhere, 403, "this page")
    other_key = await guarded.client.post("/v1/ask", json=BODY, headers={**bearer(guarded.key), "Origin": PAGE})
    assert_problem(other_key, 403, "another site")


async def test_a_browser_that_asks_first_is_told_which_pages_may_come(guarded: Server) -> None:
    await a_key(guarded, Permission.ASK, origins={PAGE})
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = await guarded.client.options("/v1/ask", headers={**ask, "Origin": PAGE})
    assert allowed.status_code == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    refused = await guarded.client.options("/v1/ask", headers={**ask, "Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "Access-Control-Allow-Origin" not in refused.headers


@pytest.mark.parametrize("changes", [{"host": "0.0.0.0"}, {"public_url": "https://lore.example.org"}])
async def test_what_others_can_reach_lets_nobody_in_before_there_is_a_key(
    tmp_path: Path, changes: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(settings(tmp_path, server=changes)) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        for path in ("/v1/documents", "/v1/me", "/metrics"):
            assert_problem(await server.client.get(f"{url}{path}"), 401)
        assert (await server.client.get(f"{url}/healthz")).status_code == 200
        assert "lorekeeper keys create NAME" in capfd.readouterr().out
        key = await a_key(server, Permission.READ)
        assert (await server.client.get(f"{url}/v1/documents", headers=key)).status_code == 200


@pytest.mark.parametrize("changes", [{"host": "0.0.0.0"}, {"public_url": "https://lore.example.org"}])
async def test_what_others_can_reach_asks_for_a_key_also_after_the_last_was_revoked(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    async with serving(settings(tmp_path, server=changes), with_key=True) as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        keys_of(server.application).revoke(server.key.split("_")[1])
        async with asyncio.timeout(10):
            while (await server.client.get(f"{url}/v1/me", headers=bearer(server.key))).status_code != 401:
                await asyncio.sleep(0.05)
        assert_problem(await server.client.get(f"{url}/v1/documents"), 401)


async def test_the_name_that_people_use_is_served_behind_a_proxy(tmp_path: Path) -> None:
    chosen = settings(tmp_path, server={"public_url": "https://lore.example.org"})
    async with serving(chosen, with_key=True) as server:
        named = {**bearer(server.key), "Host": "lore.example.org"}
        assert (await server.client.get("/v1/me", headers=named)).status_code == 200
        own = {**named, "Origin": "https://lore.example.org"}
        assert (await server.client.post("/v1/ask", json=BODY, headers=own)).status_code == 200
        assert_problem(await server.client.get("/v1/me", headers={**named, "Host": "evil.example"}), 403)


async def test_who_comes_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    limits = {"requests_per_minute_per_key": 12, "requests_per_minute_per_address": 25}
    async with serving(settings(tmp_path, server=limits), with_key=True) as server:
        headers = bearer(server.key)
        assert (await server.client.post("/v1/ask", json=BODY, headers=headers)).status_code == 200
        refused = await server.client.post("/v1/ask", json=BODY, headers=headers)
        assert_problem(refused, 429, "wait")
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert (await server.client.get("/v1/me", headers=headers)).status_code == 200
        # Guessing keys is counted, too, by the address.
        guesses = [await server.client.get("/v1/me", headers=bearer("lk_a_b")) for _ in range(30)]
        assert {each.status_code for each in guesses} == {401, 429}
        assert (await server.client.get("/v1/documents", headers=server.owner)).status_code == 200


async def test_more_requests_than_the_server_can_hold_are_refused_politely(tmp_path: Path) -> None:
    with fake_openai(behaviour="slow") as model:
        limits = {"max_requests": 4, "max_answers": 3}
        chosen = settings(tmp_path, server=limits, generation={"base_url": model.url})
        async with serving(chosen) as server:
            await server.upload("leave.md")
            asking = [asyncio.create_task(server.ask()) for _ in range(3)]
            while len(model.requests) < 3:
                await asyncio.sleep(0.01)
            full = await server.ask()
            assert_problem(full, 503, "Too many questions")
            assert int(full.headers["Retry-After"]) > 0
            streaming = await server.ask(stream=True)
            assert_problem(streaming, 503, "Too many questions")
            assert (await server.client.get("/healthz")).status_code == 200
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            model.behaviour = "ok"
            async with asyncio.timeout(20):
                while (await server.ask()).status_code != 200:
                    await asyncio.sleep(0.05)


async def test_a_key_does_not_appear_in_logs_or_replies(guarded: Server, capsys: pytest.CaptureFixture[str]) -> None:
    await guarded.client.get("/v1/documents", headers=bearer("lk_secret_sesame"))
    reply: httpx.Response = await guarded.client.get("/nowhere", headers=bearer(guarded.key))
    captured = capsys.readouterr()
    secret = guarded.key.rpartition("_")[2]
    assert secret not in captured.err + captured.out + reply.text
    assert "sesame" not in captured.err + captured.out


async def test_strangers_may_only_look_at_open_pages(guarded: Server) -> None:
    for path in ("/", "/static/app.js", "/openapi.json"):
        assert (await guarded.client.post(path, content=b"x")).status_code == 401, path


async def test_a_file_is_not_even_received_from_who_may_not_upload(guarded: Server) -> None:
    reader = await a_key(guarded, Permission.ASK, Permission.READ)
    head = f"POST /v1/documents HTTP/1.1\r\nHost: localhost\r\nAuthorization: {reader['Authorization']}\r\n"
    body = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000\r\n\r\n--x\r\n"
    replies, sending = await asyncio.open_connection("127.0.0.1", int(guarded.url.rpartition(":")[2]))
    sending.write((head + body).encode())
    async with asyncio.timeout(10):
        assert b"403" in await replies.readline()
    sending.close()


async def test_a_key_for_web_pages_does_not_show_what_others_wrote(guarded: Server) -> None:
    public = await a_key(guarded, Permission.ASK, Permission.READ, namespaces={"hr"}, origins={PAGE})
    refused = await guarded.client.get("/v1/feedback", headers={**public, "Origin": PAGE})
    assert_problem(refused, 403, "bound to web pages")


async def test_strangers_do_not_use_up_what_keys_may_do_from_the_same_address(tmp_path: Path) -> None:
    limits = {"requests_per_minute_per_address": 12}
    async with serving(settings(tmp_path, server=limits), with_key=True) as server:
        strangers = [(await server.client.get("/v1/ask")).status_code for _ in range(15)]
        assert set(strangers) == {401, 429}
        assert (await server.client.get("/v1/me", headers=bearer(server.key))).status_code == 200


async def test_a_database_that_is_away_does_not_make_the_process_look_dead(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        failing = StorageFailed("The database is away.")
        with (
            patch("bots.gateway.keyring.FRESH_SECONDS", -1),
            patch("core.store.keys.KeyStore.hashed", side_effect=failing),
        ):
            assert (await server.client.get("/healthz")).status_code == 200
            assert (await server.client.get("/")).status_code == 200
            assert (await server.client.get("/readyz")).json()["status"] == "ok"
            assert_problem(await server.client.get("/v1/documents"), 503, "database is away")

"""`/v1/uploads`: clients that do not keep to the protocol, and those that may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.gateway.tus import VERSION
from core.access import Caller, Permission
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.test_documents import MEGABYTE
from tests.bots.gateway.uploading import (
    HALF,
    PIECE,
    TUS,
    begin,
    call_as,
    head,
    metadata,
    send,
    until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("offset", [0, HALF - 1, HALF + 1, len(LEAVE), 2**63])
async def test_a_piece_that_begins_elsewhere_is_refused_and_changes_nothing(shared: Server, offset: int) -> None:
    address = await begin(shared)
    await send(shared, address, 0, LEAVE[:HALF])
    refused = await send(shared, address, offset, LEAVE[HALF:])
    assert_problem(refused, 409, f"{HALF} bytes are there")
    assert refused.headers["upload-offset"] == str(HALF)
    assert (await head(shared, address)).headers["upload-offset"] == str(HALF)
    await shared.client.delete(address, headers=TUS)


@pytest.mark.parametrize("offset", ["-1", "x", "", "1.5", None])
async def test_a_piece_must_say_where_it_begins(shared: Server, offset: str | None) -> None:
    address = await begin(shared)
    headers = PIECE if offset is None else {**PIECE, "Upload-Offset": offset}
    assert_problem(await shared.client.patch(address, headers=headers, content=LEAVE), 422, "upload-offset")
    await shared.client.delete(address, headers=TUS)


async def test_a_piece_of_another_type_is_refused(shared: Server) -> None:
    address = await begin(shared)
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "text/plain"}
    assert_problem(await shared.client.patch(address, headers=headers, content=LEAVE), 415, "offset+octet-stream")
    headers = {**headers, "Upload-Length": "9", "Upload-Metadata": metadata(filename="a.md")}
    assert_problem(await shared.client.post("/v1/uploads", headers=headers, content=b"abc"), 415)
    await shared.client.delete(address, headers=TUS)


async def test_more_than_was_announced_is_refused(shared: Server) -> None:
    address = await begin(shared)

    async def chunked() -> AsyncIterator[bytes]:
        yield LEAVE
        yield b"and more"

    assert_problem(await send(shared, address, 0, LEAVE + b"x"), 413, "longer than")
    assert (await head(shared, address)).headers["upload-offset"] == "0"
    assert_problem(await send(shared, address, 0, chunked()), 413, "announced with")
    await shared.client.delete(address, headers=TUS)


async def test_a_file_over_the_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, server={"max_upload_mb": 1})) as server:
        headers = {**TUS, "Upload-Length": str(MEGABYTE + 1), "Upload-Metadata": metadata(filename="big.txt")}
        refused = await server.client.post("/v1/uploads", headers=headers)
        assert_problem(refused, 413, "at most 1 MB", "server.max_upload_mb")
        address = await begin(server, MEGABYTE, "fits.txt")
        assert (await send(server, address, 0, b"word " * (MEGABYTE // 10))).status_code == 204
        assert_problem(await send(server, address, MEGABYTE // 2, b"x" * 2 * MEGABYTE), 413, "1 MB")


@pytest.mark.parametrize("length", ["-1", "x", "", None, "9" * 400])
async def test_an_announcement_without_a_length_is_refused(shared: Server, length: str | None) -> None:
    headers = {**TUS, "Upload-Metadata": metadata(filename="a.md")}
    sent = headers if length is None else {**headers, "Upload-Length": length}
    response = await shared.client.post("/v1/uploads", headers=sent)
    assert response.status_code in {413, 422}
    assert_problem(response, response.status_code)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "no filename"),
        ("", "no filename"),
        ("filetype dGV4dA==", "no filename"),
        ("filename", "no name"),
        ("filename Li4u", "no name"),
        ("filename %%%", "not UTF-8 text in base64"),
        ("filename a", "not UTF-8 text in base64"),
        ("filename /////w==", "not UTF-8 text in base64"),
        ("filename YS5tZA==,filename Yi5tZA==", "twice"),
        ("filename YS5tZA==,namespace YSBi", "namespace"),
        ("filename YS5tZA==,namespace", "namespace"),
    ],
)
async def test_metadata_that_is_missing_or_garbage_is_refused(shared: Server, given: str | None, words: str) -> None:
    headers = {**TUS, "Upload-Length": "9", **({} if given is None else {"Upload-Metadata": given})}
    refused = await shared.client.post("/v1/uploads", headers=headers)
    assert_problem(refused, 422, words)
    assert refused.headers["tus-resumable"] == VERSION


@pytest.mark.parametrize("name", ["../../etc/passwd.md", "C:\\temp\\passwd.md", "\u202epass\x00w\nd.md\x1b"])
async def test_a_name_that_is_a_path_or_holds_control_characters_is_cleaned(server: Server, name: str) -> None:
    address = await begin(server, name=name)
    document_id = (await send(server, address, 0, LEAVE)).headers["lorekeeper-document"]
    assert (await until_indexed(server, document_id))["source"] == "upload:passwd.md"


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0.0"])
async def test_another_version_of_the_protocol_is_refused(shared: Server, version: str | None) -> None:
    headers = {"Tus-Resumable": version} if version else {}
    refused = await shared.client.post("/v1/uploads", headers={**headers, "Upload-Length": "9"})
    assert_problem(refused, 412, "tus 1.0.0")
    assert refused.headers["tus-version"] == "1.0.0"
    assert (await shared.client.head("/v1/uploads/x", headers=headers)).status_code == 412


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_an_unknown_upload_is_not_found(shared: Server, method: str) -> None:
    headers = {**PIECE, "Upload-Offset": "0"}
    assert_problem(
        await shared.client.request(method, f"/v1/uploads/{'0' * 32}", headers=headers), 404, "no such upload"
    )
    assert (await shared.client.request(method, "/v1/uploads/%2e%2e%2fx", headers=headers)).status_code == 404


async def test_a_refused_client_that_sends_on_still_sees_the_answer(shared: Server) -> None:
    sent = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(32):
            sent += 1
            yield b"x" * MEGABYTE

    address = await begin(shared, 99 * MEGABYTE)
    assert_problem(await send(shared, address, 5, long()), 409)
    assert sent == 32
    await shared.client.delete(address, headers=TUS)


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_upload_belongs_to_the_key_that_began_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    call_as(monkeypatch, Caller(key="a"))
    address = await begin(server)
    call_as(monkeypatch, Caller(key="b"))
    assert_problem(await send(server, address, 0, LEAVE), 404, "no such upload")
    assert (await head(server, address)).status_code == 404
    assert_problem(await server.client.delete(address, headers=TUS), 404)
    call_as(monkeypatch, Caller(key="a"))
    assert (await send(server, address, 0, LEAVE)).status_code == 204


async def test_uploads_need_the_permission_to_write_and_stay_within_the_namespaces_of_the_key(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(filename="a.md", namespace="it")}
    call_as(monkeypatch, Caller(frozenset({Permission.READ, Permission.ASK})))
    assert_problem(await server.client.post("/v1/uploads", headers=headers), 403, "write")
    call_as(monkeypatch, Caller(namespaces=frozenset({"hr"}), key="a"))
    assert_problem(await server.client.post("/v1/uploads", headers=headers), 403, "namespace it")
    sent = await send(server, await begin(server), 0, LEAVE)
    assert (await until_indexed(server, sent.headers["lorekeeper-document"]))["namespace"] == "hr"

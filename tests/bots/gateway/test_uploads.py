"""`/v1/uploads`: files in pieces, and connections, disks and clients that give out in the middle."""

from __future__ import annotations

import asyncio
import io
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tusclient.client import TusClient

from bots.gateway import pieces
from bots.gateway.tus import VERSION
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import assert_problem
from tests.bots.gateway.test_documents import MEGABYTE, resident_mb
from tests.bots.gateway.uploading import (
    HALF,
    PIECE,
    TUS,
    begin,
    files_of_at_most,
    half_a_piece,
    head,
    incoming,
    metadata,
    send,
    until_indexed,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ── the way it is meant ──────────────────────────────────────────────────────────────────────────


async def test_a_file_in_two_pieces_becomes_a_document_that_answers(server: Server) -> None:
    address = await begin(server)
    first = await send(server, address, 0, LEAVE[:HALF])
    assert (first.status_code, first.headers["upload-offset"]) == (204, str(HALF))
    assert first.headers["upload-expires"].endswith("GMT")
    assert "lorekeeper-document" not in first.headers
    last = await send(server, address, HALF, LEAVE[HALF:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(LEAVE)))
    document = await until_indexed(server, last.headers["lorekeeper-document"])
    assert (document["status"], document["source"]) == ("ready", "upload:leave.md")
    assert "13 days" in (await server.ask()).json()["text"]
    assert incoming(server) == []


async def test_the_first_piece_may_come_with_the_announcement(server: Server) -> None:
    headers = {**PIECE, "Upload-Length": str(len(LEAVE)), "Upload-Metadata": metadata(filename="leave.md")}
    part = await server.client.post("/v1/uploads", headers=headers, content=LEAVE[:HALF])
    whole = await server.client.post("/v1/uploads", headers=headers, content=LEAVE)
    assert (part.status_code, part.headers["upload-offset"]) == (201, str(HALF))
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, str(len(LEAVE)))
    assert (await until_indexed(server, whole.headers["lorekeeper-document"]))["status"] == "ready"


async def test_an_independent_client_uploads_in_pieces(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def upload() -> str:
        client = TusClient(f"{server.url}/v1/uploads")
        uploader = client.uploader(
            file_stream=io.BytesIO(LEAVE), chunk_size=20, metadata={"filename": "leave.md", "namespace": "hr"}
        )
        uploader.upload()
        return str(uploader.url)

    done = await head(server, await asyncio.to_thread(upload))
    assert (await until_indexed(server, done.headers["lorekeeper-document"]))["namespace"] == "hr"
    assert (await server.ask(namespace="hr")).json()["outcome"] == "answered"


async def test_what_the_server_can_do_is_told(shared: Server) -> None:
    response = await shared.client.options("/v1/uploads")
    assert response.status_code == 204
    assert response.headers["tus-version"] == response.headers["tus-resumable"] == "1.0.0"
    assert set(response.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "termination",
        "expiration",
    }
    assert response.headers["tus-max-size"] == str(100 * MEGABYTE)


async def test_how_far_an_upload_is_and_what_was_said_of_it_can_be_asked(server: Server) -> None:
    address = await begin(server, namespace="hr", filetype="text/markdown")
    await send(server, address, 0, LEAVE[:HALF])
    response = await head(server, address)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert (response.headers["upload-offset"], response.headers["upload-length"]) == (str(HALF), str(len(LEAVE)))
    assert response.headers["upload-metadata"] == metadata(
        filename="leave.md", namespace="hr", filetype="text/markdown"
    )
    assert response.headers["tus-resumable"] == VERSION


async def test_after_the_last_piece_a_client_that_missed_the_answer_learns_that_it_is_done(server: Server) -> None:
    address = await begin(server)
    sent = await send(server, address, 0, LEAVE)
    done = await head(server, address)
    again = await send(server, address, len(LEAVE), b"")
    assert done.headers["upload-offset"] == str(len(LEAVE))
    assert done.headers["lorekeeper-document"] == sent.headers["lorekeeper-document"]
    assert again.headers["lorekeeper-document"] == sent.headers["lorekeeper-document"]
    document = await until_indexed(server, sent.headers["lorekeeper-document"])
    assert (await server.client.delete(address, headers=TUS)).status_code == 204
    assert (await server.client.get(f"/v1/documents/{document['id']}")).json() == document


async def test_a_file_that_cannot_be_read_ends_as_a_failed_document(server: Server) -> None:
    for name, data in (("broken.pdf", b"%PDF-1.7 and nothing more"), ("empty.txt", b"")):
        address = await begin(server, len(data), name) if data else ""
        if data:
            document_id = (await send(server, address, 0, data)).headers["lorekeeper-document"]
        else:
            headers = {**TUS, "Upload-Length": "0", "Upload-Metadata": metadata(filename=name)}
            document_id = (await server.client.post("/v1/uploads", headers=headers)).headers["lorekeeper-document"]
        document = await until_indexed(server, document_id)
        assert (document["status"], document["source"]) == ("failed", f"upload:{name}")
        assert document["error"]


async def test_a_client_without_the_methods_can_name_them_in_a_header(server: Server) -> None:
    address = await begin(server)
    headers = {**PIECE, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    assert (await server.client.post(address, headers=headers, content=LEAVE[:HALF])).status_code == 204
    headers = {**TUS, "X-HTTP-Method-Override": "DELETE"}
    assert (await server.client.post(address, headers=headers)).status_code == 204
    assert (await head(server, address)).status_code == 404


# ── connections and disks that fail ──────────────────────────────────────────────────────────────


async def test_what_arrived_before_a_connection_dropped_counts(server: Server) -> None:
    address = await begin(server)
    async with half_a_piece(server, address):
        pass
    async with asyncio.timeout(10):
        while (rest := await send(server, address, HALF, LEAVE[HALF:])).status_code == 423:
            await asyncio.sleep(0.01)
    assert rest.status_code == 204
    await until_indexed(server, rest.headers["lorekeeper-document"])
    assert "13 days" in (await server.ask()).json()["text"]


async def test_a_second_piece_at_the_same_time_has_to_wait(server: Server) -> None:
    address = await begin(server)
    async with half_a_piece(server, address) as writer:
        second = await send(server, address, HALF, LEAVE[HALF:])
        assert_problem(second, 423, "still being received")
        assert second.headers["retry-after"] == "1"
        writer.write(LEAVE[HALF:])
        async with asyncio.timeout(10):
            while "lorekeeper-document" not in (done := await head(server, address)).headers:
                await asyncio.sleep(0.01)
    document = await until_indexed(server, done.headers["lorekeeper-document"])
    assert document["size_bytes"] == len(LEAVE)


async def test_a_full_disk_is_named_and_the_upload_goes_on_where_the_disk_stopped(server: Server) -> None:
    text = b"word " * (MEGABYTE // 2)
    address = await begin(server, len(text), "big.txt")
    with files_of_at_most(3 * MEGABYTE // 2):
        refused = await send(server, address, 0, text)
        offset = int((await head(server, address)).headers["upload-offset"])
    problem = assert_problem(refused, 503, "disk of the data folder")
    assert problem["code"] == "storage_failed"
    assert refused.headers["tus-resumable"] == VERSION
    assert offset == incoming(server)[0].stat().st_size == 3 * MEGABYTE // 2
    rest = await send(server, address, offset, text[offset:])
    document = await until_indexed(server, rest.headers["lorekeeper-document"])
    assert (document["status"], document["size_bytes"]) == ("ready", len(text))


async def test_the_answer_to_the_last_piece_comes_when_a_crash_loses_nothing_any_more(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, jobs={"run": False})) as server:
        sent = await send(server, await begin(server), 0, LEAVE)
        assert sent.status_code == 204
        assert incoming(server) == []
    async with serving(settings(tmp_path)) as server:
        # Whoever comes next finishes it.
        server.application.work()
        document = await until_indexed(server, sent.headers["lorekeeper-document"])
    assert document["status"] == "ready"


async def test_a_complete_file_that_could_not_be_written_down_is_tried_again_with_an_empty_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.engine.LOCK_SECONDS", 0.1)
    async with serving(settings(tmp_path)) as server:
        address = await begin(server)
        with closing(sqlite3.connect(tmp_path / "data" / "lorekeeper.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert_problem(await send(server, address, 0, LEAVE), 503, "locked")
            other.execute("ROLLBACK")
        waiting = await head(server, address)
        assert waiting.headers["upload-offset"] == str(len(LEAVE))
        assert "lorekeeper-document" not in waiting.headers
        done = await send(server, address, len(LEAVE), b"")
        document = await until_indexed(server, done.headers["lorekeeper-document"])
        assert incoming(server) == []
    assert (done.status_code, document["status"]) == (204, "ready")


async def test_a_folder_for_uploads_that_is_gone_is_a_problem_of_the_disk(server: Server) -> None:
    address = await begin(server)
    shutil.rmtree(server.application.settings.data_dir / "incoming")
    assert_problem(await send(server, address, 0, LEAVE), 503, "disk of the data folder")
    headers = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(filename="a.md")}
    assert_problem(await server.client.post("/v1/uploads", headers=headers), 503, "disk of the data folder")
    assert (await head(server, address)).headers["upload-offset"] == "0"


async def test_an_announcement_whose_first_piece_fails_leaves_nothing_behind(server: Server) -> None:
    text = b"word " * (MEGABYTE // 2)
    headers = {**PIECE, "Upload-Length": str(len(text)), "Upload-Metadata": metadata(filename="big.txt")}
    with files_of_at_most(MEGABYTE):
        assert_problem(await server.client.post("/v1/uploads", headers=headers, content=text), 503, "disk")
    assert incoming(server) == []


async def test_a_piece_is_never_held_in_memory(server: Server) -> None:
    length = 99 * MEGABYTE
    address = await begin(server, length, "big.txt")

    async def most_of_it() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * MEGABYTE

    before = resident_mb()
    assert (await send(server, address, 0, most_of_it())).headers["upload-offset"] == str(64 * MEGABYTE)
    assert resident_mb() - before < 40
    await server.client.delete(address, headers=TUS)


# ── uploads that end early ───────────────────────────────────────────────────────────────────────


async def test_an_upload_that_was_given_up_is_gone_with_its_bytes(server: Server) -> None:
    address = await begin(server)
    await send(server, address, 0, LEAVE[:HALF])
    assert len(incoming(server)) == 1
    assert (await server.client.delete(address, headers=TUS)).status_code == 204
    assert incoming(server) == []
    assert (await head(server, address)).status_code == 404
    assert_problem(await send(server, address, HALF, LEAVE[HALF:]), 404, "no such upload")
    assert_problem(await server.client.delete(address, headers=TUS), 404)


async def test_an_upload_can_be_given_up_while_a_piece_is_on_its_way(server: Server) -> None:
    address = await begin(server)
    async with half_a_piece(server, address) as writer:
        assert (await server.client.delete(address, headers=TUS)).status_code == 204
        writer.write(LEAVE[HALF:])
        assert (await head(server, address)).status_code == 404
    assert incoming(server) == []
    assert (await server.client.get("/v1/documents")).json()["total"] == 0


async def test_an_upload_without_a_byte_for_long_expires_with_its_bytes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "SHORTEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(pieces, "LIFETIME_SECONDS", 0.1)
    address = await begin(server)
    async with asyncio.timeout(10):
        while incoming(server):
            await asyncio.sleep(0.01)
    assert (await head(server, address)).status_code == 404


async def test_only_so_many_uploads_may_be_unfinished(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_UNFINISHED", 2)
    first, _ = await begin(server), await begin(server)
    headers = {**TUS, "Upload-Length": "9", "Upload-Metadata": metadata(filename="a.md")}
    refused = await server.client.post("/v1/uploads", headers=headers)
    assert_problem(refused, 503, "Too many uploads")
    assert refused.headers["retry-after"] == "60"
    await send(server, first, 0, LEAVE)
    await begin(server)


async def test_only_the_latest_finished_uploads_are_remembered(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_FINISHED", 1)
    addresses = [await begin(server) for _ in range(3)]
    for address in addresses:
        await send(server, address, 0, LEAVE)
    await begin(server)
    assert [(await head(server, address)).status_code for address in addresses] == [404, 404, 200]

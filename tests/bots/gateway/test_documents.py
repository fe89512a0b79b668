"""`/v1/documents`: what an admin can do with files over HTTP, and what becomes of files that cannot be read."""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import Request

from bots.gateway import documents as routes
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import GatedEmbedder, assert_problem
from tests.pdf import make_pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOUNDARY = "boundary"
MEGABYTE = 2**20


def open_multipart(name: str) -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


async def test_an_uploaded_file_can_be_asked_about_listed_and_removed(server: Server) -> None:
    response = await server.upload("leave.md")
    change = response.json()
    document = change["document"]
    assert response.status_code == 201
    assert (change["kind"], change["name"], document["status"]) == ("added", "leave.md", "ready")
    listed = (await server.client.get("/v1/documents")).json()
    assert listed == {"documents": [document], "total": 1}
    assert (await server.client.get(f"/v1/documents/{document['id']}")).json() == document
    assert (await server.client.get(f"/v1/documents/{document['id'][:6]}")).json() == document
    passages = (await server.client.get(f"/v1/documents/{document['id']}/passages")).json()["passages"]
    assert [passage["text"] for passage in passages] == ["You accrue 13 days of annual leave per year."]
    assert (await server.client.delete(f"/v1/documents/{document['id']}")).status_code == 204
    assert (await server.client.get("/v1/documents")).json()["total"] == 0
    assert (await server.ask()).json()["outcome"] == "empty_index"


async def test_an_answer_from_a_pdf_names_the_page(server: Server) -> None:
    pages = ["Welcome to the team.", "Staff accrue 13 days of annual leave per year.", "Travel is booked online."]
    await server.upload("handbook.pdf", make_pdf(pages, title="Handbook"))
    answer = (await server.ask("How many days of annual leave do staff accrue?")).json()
    (citation,) = answer["citations"]
    assert (citation["title"], citation["page"], citation["locator"]) == ("Handbook", 2, "page 2")


async def test_the_same_file_again_is_unchanged_and_a_new_version_takes_its_place(server: Server) -> None:
    await server.upload("leave.md")
    again = await server.upload("leave.md")
    newer = await server.upload("leave.md", LEAVE.replace(b"13", b"20"))
    assert (again.status_code, again.json()["kind"]) == (200, "unchanged")
    assert (newer.status_code, newer.json()["kind"]) == (201, "replaced")
    assert (await server.client.get("/v1/documents")).json()["total"] == 1
    assert "20 days" in (await server.ask()).json()["text"]


async def test_documents_of_one_namespace_do_not_show_in_another(server: Server) -> None:
    await server.upload("leave.md", namespace="hr")
    assert (await server.client.get("/v1/documents?namespace=hr")).json()["total"] == 1
    assert (await server.client.get("/v1/documents?namespace=it")).json()["total"] == 0
    assert (await server.ask(namespace="hr")).json()["outcome"] == "answered"
    assert (await server.ask(namespace="it")).json()["outcome"] == "empty_index"


async def test_a_page_of_the_list_says_how_many_there_are_in_all(server: Server) -> None:
    for name in ("A", "B", "C"):
        await server.upload(f"{name}.txt", f"Text of {name}.".encode())
    page = (await server.client.get("/v1/documents?limit=2&offset=1")).json()
    assert [document["title"] for document in page["documents"]] == ["B", "C"]
    assert page["total"] == 3


async def test_failed_documents_are_listed_but_are_not_among_the_ready_ones(server: Server) -> None:
    await server.upload("broken.pdf", b"%PDF-1.7 and nothing more")
    assert (await server.client.get("/v1/documents")).json()["total"] == 1
    assert (await server.client.get("/v1/documents?status=ready")).json() == {"documents": [], "total": 0}
    await server.upload("leave.md")
    ready = (await server.client.get("/v1/documents?status=ready&limit=1")).json()
    failed = (await server.client.get("/v1/documents?status=failed")).json()
    assert ([each["title"] for each in ready["documents"]], ready["total"]) == (["Leave"], 1)
    assert ([each["source"] for each in failed["documents"]], failed["total"]) == (["upload:broken.pdf"], 1)
    assert failed["documents"][0]["error"]


async def test_the_list_can_be_searched_sorted_and_span_namespaces(server: Server) -> None:
    for name, namespace in (("Leave_100%.txt", "hr"), ("Travel.txt", "hr"), ("About leave.txt", "it"), ("No.txt", "x")):
        await server.upload(name, f"Text of {name}.".encode(), namespace=namespace)

    async def titles(**query: str | list[str]) -> list[str]:
        listed = (await server.client.get("/v1/documents", params=query)).json()
        assert listed["total"] == len(listed["documents"])
        return [document["title"] for document in listed["documents"]]

    assert await titles(q="LEAVE") == ["About leave", "Leave 100%"]
    assert await titles(q="LEAVE", namespace="it") == ["About leave"]
    assert await titles(q="_100%.TXT") == ["Leave 100%"]
    assert await titles(q="e%v") == []
    assert await titles(namespace=["hr", "x"]) == ["Leave 100%", "No", "Travel"]
    assert await titles(sort="-updated_at") == ["No", "About leave", "Travel", "Leave 100%"]
    assert await titles(sort="title", namespace="hr") == ["Leave 100%", "Travel"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "offset=-1",
        "status=gone",
        "namespace=a/b",
        "sort=size",
        "q=" + "x" * 201,
    ],
)
async def test_a_wrong_query_is_a_problem(shared: Server, query: str) -> None:
    assert_problem(await shared.client.get(f"/v1/documents?{query}"), 422, query.partition("=")[0])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_document_is_not_found(shared: Server, method: str) -> None:
    assert_problem(await shared.client.request(method, f"/v1/documents/{'0' * 32}"), 404, "no document")
    assert_problem(await shared.client.request(method, "/v1/documents/%2e%2e%2fetc"), 404)
    told = "Give at least the first 6 characters of the document's id."
    assert_problem(await shared.client.request(method, "/v1/documents/abc"), 422, told)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("setup.exe", b"MZ\x90\x00" + bytes(200)),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + bytes(200)),
        ("notes.md", b"\x7fELF\x02\x01\x01" + bytes(200)),
        ("movie.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(200)),
    ],
)
async def test_a_file_of_the_wrong_type_is_refused_by_its_content(shared: Server, name: str, data: bytes) -> None:
    problem = assert_problem(await shared.upload(name, data), 415)
    assert problem["code"] == "unsupported_format"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.txt", b""),
        ("blank.md", b" \n\n "),
        ("broken.pdf", b"%PDF-1.7 and nothing more"),
        ("no-text.pdf", make_pdf([[]])),
    ],
)
async def test_a_file_that_cannot_be_read_is_a_problem_that_says_why(shared: Server, name: str, data: bytes) -> None:
    problem = assert_problem(await shared.upload(name, data), 422)
    assert problem["detail"]
    assert problem["code"] == "unreadable_document"


async def test_a_newer_version_that_cannot_be_read_leaves_the_earlier_one_answering(server: Server) -> None:
    await server.upload("leave.md")
    problem = assert_problem(await server.upload("leave.md", b"\x00\x01\x02" * 100), 415)
    assert "previous version still answers" in problem["detail"]
    assert (await server.ask()).json()["outcome"] == "answered"


@pytest.mark.parametrize("name", ["../../etc/passwd.md", "C:\\temp\\passwd.md", "/etc/passwd.md", "\u202epasswd.md"])
async def test_a_name_that_is_a_path_is_only_its_last_part(server: Server, name: str) -> None:
    change = (await server.upload(name)).json()
    assert change["name"] == "passwd.md"
    assert change["document"]["source"] == "upload:passwd.md"


async def test_an_upload_without_a_file_or_with_a_nameless_one_is_a_problem(shared: Server) -> None:
    assert_problem(await shared.client.post("/v1/documents", data={"namespace": "hr"}), 422, "file: Field required")
    assert_problem(await shared.client.post("/v1/documents", json={"file": "x"}), 422, "file")
    assert_problem(await shared.upload("..."), 422, "no name")
    nameless = {"Content-Type": "multipart/form-data"}
    assert_problem(await shared.client.post("/v1/documents", content=b"x", headers=nameless), 400, "boundary")
    assert_problem(await shared.upload("a.md", LEAVE, namespace="a b"), 422, "namespace")


async def test_files_that_take_long_are_accepted_and_followed_to_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = GatedEmbedder()
    embedder.gate.set()
    async with serving(settings(tmp_path), embedder) as server:
        await server.upload("leave.md", LEAVE.replace(b"13", b"20"))
        embedder.gate.clear()
        monkeypatch.setattr(routes, "PATIENCE_SECONDS", 0.05)
        uploads = (
            ("first.md", b"Flights are booked early."),
            ("leave.md", LEAVE),
            ("broken.pdf", b"%PDF-1.7 and no more"),
        )
        replies = [await server.upload(*upload) for upload in uploads]
        addresses = [f"/v1/documents/{reply.json()['document']['id']}" for reply in replies]
        waiting = [(await server.client.get(address)).json() for address in addresses]
        embedder.gate.set()
        async with asyncio.timeout(10):
            while True:
                ends = [(await server.client.get(address)).json() for address in addresses]
                if not {end["status"] for end in ends} & {"queued", "processing"}:
                    break
                await asyncio.sleep(0.02)
        answer = (await server.ask()).json()
    assert [(reply.status_code, reply.json()["kind"]) for reply in replies] == [(202, "processing")] * 3
    assert all(reply.json()["job"] for reply in replies)
    assert {each["status"] for each in waiting} <= {"processing", "queued"}
    assert [each["status"] for each in ends] == ["ready", "ready", "failed"]
    assert ends[2]["error"]
    assert "13 days" in answer["text"]


async def test_a_client_may_say_for_how_long_it_waits(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, jobs={"run": False})) as server:
        files = {"file": ("leave.md", LEAVE)}
        reply = await server.client.post("/v1/documents", files=files, headers={"Prefer": "respond-async, wait=0"})
        document = (await server.client.get(f"/v1/documents/{reply.json()['document']['id']}")).json()
    assert (reply.status_code, document["status"]) == (202, "queued")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5.0),
        ("respond-async, wait=0", 0.0),
        ("Wait = 7; x", 7.0),
        ("wait=500", 90.0),
        ("", 90.0),
        ("await=5", 90.0),
        ("wait=-1", 90.0),
        ("wait=5x", 90.0),
    ],
)
async def test_nobody_waits_longer_than_they_want_and_than_the_server_lets_them(
    monkeypatch: pytest.MonkeyPatch, prefer: str, seconds: float
) -> None:
    monkeypatch.setattr(routes, "is_owner", lambda _: False)
    assert routes.patience(Request({"type": "http"}), prefer) == seconds


async def test_passages_come_in_pages(server: Server) -> None:
    text = "".join(f"# Part {number}\n\nRule {number} is about topic{number}.\n\n" for number in range(3))
    address = f"/v1/documents/{(await server.upload('rules.md', text.encode())).json()['document']['id']}/passages"
    page = (await server.client.get(f"{address}?limit=2&offset=1")).json()
    assert [passage["locator"] for passage in page["passages"]] == ["Part 1", "Part 2"]
    assert page["total"] == 3
    for query in ("limit=0", "limit=1001", "offset=-1"):
        assert_problem(await server.client.get(f"{address}?{query}"), 422, query.partition("=")[0])


async def test_a_disk_that_takes_no_more_is_named_and_another_file_can_follow(server: Server) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What a disk without space looks like to a program, for files beyond 1.5 MB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MEGABYTE // 2, before[1]))
    try:
        refused = await server.upload("big.txt", b"word " * (MEGABYTE // 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    problem = assert_problem(refused, 503, "disk of the data folder")
    assert problem["code"] == "storage_failed"
    assert (await server.upload("leave.md")).status_code == 201


@pytest.mark.parametrize("size", [100, 3 * MEGABYTE])
async def test_a_folder_for_uploads_that_is_gone_is_a_problem_of_the_disk(server: Server, size: int) -> None:
    shutil.rmtree(server.application.settings.data_dir / "incoming")
    assert_problem(await server.upload("leave.txt", b"word " * (size // 5)), 503, "disk of the data folder")


async def test_what_a_crash_left_of_an_upload_is_gone_after_a_start(tmp_path: Path) -> None:
    left = tmp_path / "data" / "incoming" / "upload-x" / "file"
    left.parent.mkdir(parents=True)
    left.touch()
    async with serving(settings(tmp_path)) as server:
        await server.upload("leave.md")
        assert list((tmp_path / "data" / "incoming").iterdir()) == []


async def test_uploads_at_the_same_time_do_not_disturb_each_other(server: Server) -> None:
    texts = {f"{number}.txt": f"Rule {number} is about topic{number}.".encode() for number in range(8)}
    responses = await asyncio.gather(*(server.upload(name, data) for name, data in texts.items()))
    assert {response.status_code for response in responses} == {201}
    answers = await asyncio.gather(*(server.ask(f"What is topic{number} about?") for number in range(8)))
    assert all(answer.json()["outcome"] == "answered" for answer in answers)


async def test_two_gigabytes_that_are_announced_are_refused_before_they_are_sent(shared: Server) -> None:
    host, port = shared.url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/documents HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {2**31}\r\nExpect: 100-continue\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    async with asyncio.timeout(10):
        status = await reader.readline()
        rest = await reader.read(65536)
    writer.close()
    assert b" 413 " in status
    assert b"at most 100 MB" in rest
    assert b'"too_large"' in rest


async def test_a_client_that_announces_too_much_and_sends_slowly_is_not_waited_for(
    shared: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.gateway.protection.DRAIN_SECONDS", 0.1)
    host, port = shared.url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/documents HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {2**31}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + open_multipart("big.txt") + b"x" * MEGABYTE)
    async with asyncio.timeout(10):
        assert b" 413 " in await reader.readline()
    writer.close()


async def test_two_gigabytes_in_pieces_are_refused_without_memory_and_without_a_file(tmp_path: Path) -> None:
    piece = b"x" * MEGABYTE
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield open_multipart("big.txt")
        for _ in range(2048):
            sent += 1
            yield piece

    async with serving(settings(tmp_path, server={"max_upload_mb": 1})) as server:
        before = resident_mb()
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        response = await server.client.post("/v1/documents", content=body(), headers=headers)
        problem = assert_problem(response, 413, "at most 1 MB", "server.max_upload_mb")
        assert (await server.client.get("/v1/documents")).json()["total"] == 0
    assert problem["code"] == "too_large"
    assert resident_mb() - before < 60
    assert sent == 2048, "a client that sends on must still get to see the answer"


async def test_a_file_just_within_the_limit_is_taken(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, server={"max_upload_mb": 1})) as server:
        fits = await server.upload("fits.txt", b"word " * (MEGABYTE // 5))
        over = await server.upload("over.txt", b"word " * (MEGABYTE // 5 + 1))
    assert fits.status_code == 201
    assert_problem(over, 413, "1 MB")


async def test_a_locked_database_is_a_problem_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.engine.LOCK_SECONDS", 0.1)
    async with serving(settings(tmp_path)) as server:
        await server.upload("leave.md")
        with closing(sqlite3.connect(tmp_path / "data" / "lorekeeper.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            problem = assert_problem(await server.upload("leave.md", LEAVE.replace(b"13", b"20")), 503, "locked")
            meanwhile = (await server.ask()).json()
            other.execute("ROLLBACK")
        later = await server.upload("leave.md", LEAVE.replace(b"13", b"20"))
        answer = (await server.ask()).json()
    assert problem["code"] == "storage_failed"
    assert "13 days" in meanwhile["text"]
    assert later.json()["kind"] == "replaced"
    assert "20 days" in answer["text"]


async def test_an_upload_that_breaks_off_leaves_nothing_behind(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /v1/documents HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        )
        connection.sendall(head.encode() + open_multipart("half.md") + LEAVE)
    assert (await server.client.get("/v1/documents")).json()["total"] == 0
    assert (await server.upload("leave.md")).status_code == 201

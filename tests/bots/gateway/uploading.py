"""What tests of uploads in pieces share: the protocol spoken by hand, and disks and connections that fail."""

from __future__ import annotations

import asyncio
import base64
import resource
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from bots.gateway import access, document_events, documents, indexing, origins, uploads
from bots.gateway.tus import VERSION
from core.access import Caller
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_ask import GatedEmbedder

TUS = {"Tus-Resumable": VERSION}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
HALF = len(LEAVE) // 2
READING_MODULES: tuple[ModuleType, ...] = (access, document_events, documents, indexing, origins, uploads)


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


async def begin(server: Server, length: int = len(LEAVE), name: str = "leave.md", **values: str) -> str:
    """The address of a new upload."""
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(filename=name, **values)}
    response = await server.client.post("/v1/uploads", headers=headers)
    assert response.status_code == 201, response.text
    assert response.headers["upload-offset"] == "0"
    return response.headers["location"]


async def send(server: Server, address: str, offset: int, data: bytes | AsyncIterator[bytes]) -> httpx.Response:
    headers = {**PIECE, "Upload-Offset": str(offset)}
    return await server.client.patch(address, headers=headers, content=data)


async def head(server: Server, address: str) -> httpx.Response:
    return await server.client.head(address, headers=TUS)


async def until_there_are(server: Server, address: str, offset: int) -> None:
    async with asyncio.timeout(10):
        while (await head(server, address)).headers["upload-offset"] != str(offset):
            await asyncio.sleep(0.01)


async def until_indexed(server: Server, document_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            document: dict[str, Any] = (await server.client.get(f"/v1/documents/{document_id}")).json()
            if document["status"] in {"ready", "failed"}:
                return document
            await asyncio.sleep(0.01)


async def until_ended(server: Server, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            job: dict[str, Any] = (await server.client.get(f"/v1/jobs/{job_id}")).json()
            if job["state"] in {"done", "failed", "cancelled"}:
                return job
            await asyncio.sleep(0.01)


@asynccontextmanager
async def gated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> AsyncGenerator[tuple[Server, GatedEmbedder], None]:
    """A server that stops where documents are embedded, and answers uploads at once."""
    monkeypatch.setattr(documents, "PATIENCE_SECONDS", 0.0)
    embedder = GatedEmbedder()
    async with serving(settings(folder, **changes), embedder) as server:
        try:
            yield server, embedder
        finally:
            embedder.gate.set()


@asynccontextmanager
async def half_a_piece(server: Server, address: str) -> AsyncGenerator[asyncio.StreamWriter, None]:
    """A connection that announced the whole file and sent half of it."""
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    lines = {**PIECE, "Upload-Offset": "0", "Content-Length": str(len(LEAVE)), "Host": f"{host}:{port}"}
    request = f"PATCH {address} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(request.encode() + b"\r\n" + LEAVE[:HALF])
    await until_there_are(server, address, HALF)
    try:
        yield writer
    finally:
        writer.close()
        await writer.wait_closed()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a disk without space looks like to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def incoming(server: Server) -> list[Path]:
    return list((server.application.settings.data_dir / "incoming").iterdir())


def call_as(monkeypatch: pytest.MonkeyPatch, caller: Caller) -> None:
    """Requests from now on are this caller's."""
    for module in READING_MODULES:
        monkeypatch.setattr(module, "caller_of", lambda _: caller)

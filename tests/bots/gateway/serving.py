"""The gateway on a real socket, with a real store and index; only the embedding model is a stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from bots.gateway.channel import Gateway, open_channel
from core.access import Permission
from core.build import Application, open_application
from core.datafolder import read_owner
from core.ports import Embedder
from core.settings import Settings
from core.store.keys import KeyStore
from tests.fakes.embedder import WordEmbedder

LEAVE = b"# Leave\n\nYou accrue 13 days of annual leave per year.\n"
QUESTION = "How many days of annual leave do I accrue?"


@dataclass(frozen=True, slots=True)
class Server:
    """`client` is any browser or script on this machine; with `owner` headers it is the owner's command line."""

    application: Application
    url: str
    token: str
    client: httpx.AsyncClient
    key: str = ""

    @property
    def owner(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(self, question: str = QUESTION, **fields: Any) -> httpx.Response:
        return await self.client.post("/v1/ask", json={"question": question, **fields})

    async def upload(self, name: str, data: bytes = LEAVE, **fields: str) -> httpx.Response:
        return await self.client.post("/v1/documents", files={"file": (name, data)}, data=fields)


def keys_of(application: Application) -> KeyStore:
    """Where keys are made."""
    assert application.record is not None
    return application.record.keys


def bearer(key: str) -> dict[str, str]:
    """The headers that bring a key."""
    return {"Authorization": f"Bearer {key}"}


def settings(folder: Path, **changes: Any) -> Settings:
    """A data folder of its own and any free port."""
    server = {"port": 0, **changes.pop("server", {})}
    return Settings.model_validate({"data_dir": folder / "data", "server": server, **changes})


@asynccontextmanager
async def serving(
    chosen: Settings, embedder: Embedder | None = None, *, with_key: bool = False
) -> AsyncGenerator[Server, None]:
    """A running gateway; `with_key` makes one that may do everything, before it starts."""
    with patch("core.build.open_embedder", lambda _: embedder or WordEmbedder()):
        application = open_application(chosen, "lorekeeper run", through_owner=False)
    text = keys_of(application).create("test", set(Permission))[1] if with_key else ""
    gateway: Gateway = open_channel(application)
    task = asyncio.create_task(gateway.serve())
    try:
        while (owner := read_owner(chosen.data_dir)) is None or not owner.url:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
            yield Server(application, gateway.url, owner.token, client, text)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        application.close()

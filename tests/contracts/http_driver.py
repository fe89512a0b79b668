"""The HTTP API as the contract suite sees it: a program that shows people what it gets."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bots.gateway.channel import open_channel
from core.datafolder import read_owner
from core.types import Reason, Thumb
from tests.contracts.driver import ANN, Asked, Can, Seen
from tests.contracts.partial import Partial
from tests.contracts.stage import Stage, staged
from tests.fakes.openai_server import FakeOpenAI

CAN = frozenset({Can.FOLLOW_UP, Can.THUMBS, Can.PASSAGES, Can.STOP, Can.TIME})


@dataclass(slots=True)
class _Handle:
    thread: str
    request: asyncio.Task[httpx.Response]
    told: str = ""


class HttpDriver(Partial):
    """Implements `tests.contracts.driver.ChannelDriver`."""

    name = "http"
    can = CAN

    def __init__(self, client: httpx.AsyncClient, stage: Stage) -> None:
        self.stage = stage
        self._client = client
        self.requests: set[asyncio.Task[httpx.Response]] = set()

    async def ask(
        self,
        text: str,
        *,
        person: str = ANN,
        private: bool = False,
        direct: bool = False,
        namespace: str = "default",
        file: tuple[str, bytes] | None = None,
    ) -> Asked:
        return self._ask(text, person, namespace, uuid.uuid4().hex)

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        return self._ask(text, person, after.namespace, after.handle.thread)

    async def begun(self, asked: Asked) -> None:
        while not self.stage.model.requests:
            await asyncio.sleep(0.01)

    async def seen(self, asked: Asked) -> Seen:
        response = await asked.handle.request
        value = response.json()
        if not response.is_success:
            return Seen((str(value["detail"]) + f" (reference {value['reference']})",), is_private=True)
        sources = [
            f"[{each['number']}] {each['title']}\n{each['quote']}" for each in (*value["citations"], *value["nearest"])
        ]
        parts = (value["text"], value.get("notice") or "", *sources)
        return Seen(("\n".join(filter(None, parts)),), is_private=True, code=(value["text"],))

    async def stop(self, asked: Asked) -> None:
        asked.handle.request.cancel()
        with suppress(asyncio.CancelledError):
            await asked.handle.request

    async def rate(self, asked: Asked, thumb: Thumb, reason: Reason | None = None, comment: str = "") -> None:
        answer = (await asked.handle.request).json()["id"]
        body = {"answer": answer, "thumb": thumb, "reason": reason, "text": comment}
        response = await self._client.post("/v1/feedback", json=body)
        value = response.json()
        asked.handle.told = "" if response.is_success else f"{value['detail']} (reference {value['reference']})"

    async def told(self, asked: Asked) -> str:
        return str(asked.handle.told)

    async def passage(self, asked: Asked) -> str:
        cited = (await asked.handle.request).json()["citations"][0]
        value = (await self._client.get(f"/v1/documents/{cited['document_id']}/passages")).json()
        return "\n".join(each["text"] for each in value["passages"])

    def _ask(self, text: str, person: str, namespace: str, thread: str) -> Asked:
        body = {"question": text, "namespace": namespace, "thread": thread}
        request = asyncio.create_task(self._client.post("/v1/ask", json=body))
        self.requests.add(request)
        return Asked(text, person, namespace, _Handle(thread, request))


@asynccontextmanager
async def open_driver(folder: Path, model: FakeOpenAI, chosen: dict[str, Any]) -> AsyncGenerator[HttpDriver, None]:
    async with staged(folder, model, chosen) as stage:
        gateway = open_channel(stage.application)
        task = asyncio.create_task(gateway.serve())
        try:
            while (owner := read_owner(folder / "data")) is None or not owner.url:
                await asyncio.sleep(0.01)
            async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
                driver = HttpDriver(client, stage)
                yield driver
                await asyncio.gather(*driver.requests, return_exceptions=True)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

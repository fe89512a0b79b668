"""Server-sent events, as a client reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Received:
    id: str
    name: str
    data: Any


async def received(response: httpx.Response) -> AsyncGenerator[Received, None]:
    """The events of a response that is being read."""
    assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Received(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}

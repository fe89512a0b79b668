"""Server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi.responses import StreamingResponse

MEDIA_TYPE = "text/event-stream"
# Proxies close what is silent for a minute, and a client that is gone is only noticed by writing to it.
PULSE_SECONDS = 10.0
PULSE = ": still here\n\n"
# X-Accel-Buffering: nginx would hold events back to fill its buffer.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; `data` becomes JSON on one line. With an `id`, a client can go on after it."""

    name: str
    data: Any
    id: str = ""

    def encode(self) -> str:
        lines = [f"event: {self.name}", f"data: {json.dumps(self.data, ensure_ascii=False)}"]
        return "\n".join([f"id: {self.id}", *lines] if self.id else lines) + "\n\n"


def event_stream(events: AsyncGenerator[ServerEvent, None]) -> StreamingResponse:
    """A response that ends with the events; they are closed when the client leaves."""
    return StreamingResponse(with_pulse(_encoded(events)), headers=HEADERS, media_type=MEDIA_TYPE)


async def with_pulse(lines: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The lines, and in long pauses between them a sign of life. Each line is waited for in a task of its own."""
    waiting: asyncio.Future[str] | None = None
    async with aclosing(lines):
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(lines))
                await asyncio.wait({waiting}, timeout=PULSE_SECONDS)
                if not waiting.done():
                    yield PULSE
                    continue
                try:
                    line = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = None
                yield line
        finally:
            if waiting is not None and not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})


async def _encoded(events: AsyncGenerator[ServerEvent, None]) -> AsyncGenerator[str, None]:
    async with aclosing(events):
        async for event in events:
            yield event.encode()

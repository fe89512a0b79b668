"""Long work on documents, told as it goes: one line of JSON for each change, and one for the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import structlog
from fastapi.responses import StreamingResponse

from core.errors import LorekeeperError
from core.ports import Progress
from core.types import DocumentChange
from core.wire import change_to_json

NDJSON = "application/x-ndjson"
log = structlog.get_logger(__name__)


def progress(work: Callable[[Progress], Awaitable[list[DocumentChange]]]) -> StreamingResponse:
    """The work goes on when nobody listens any more."""
    return StreamingResponse(_lines(work), media_type=NDJSON)


async def _lines(work: Callable[[Progress], Awaitable[list[DocumentChange]]]) -> AsyncGenerator[str, None]:
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def report(change: DocumentChange, done: int, total: int) -> None:
        queue.put_nowait({"change": change_to_json(change), "done": done, "total": total})

    async def working() -> None:
        try:
            changes = await work(report)
            queue.put_nowait({"finished": [change_to_json(change) for change in changes]})
        except LorekeeperError as error:
            queue.put_nowait({"error": error.message, "code": error.code})
        except Exception:
            log.exception("indexing failed")
            queue.put_nowait({"error": "Indexing failed. The server's log has the cause.", "code": "error"})
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(working())
    try:
        while (line := await queue.get()) is not None:
            yield json.dumps(line) + "\n"
    finally:
        await asyncio.wait({task})

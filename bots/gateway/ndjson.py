"""Long work on documents, told as it goes: one line of JSON for each step, and one for the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import structlog
from fastapi.responses import StreamingResponse

from bots.gateway.agreed import NDJSON
from core.errors import LorekeeperError
from core.ports import Progress, Watch
from core.types import DocumentChange, Job
from core.wire import Json, change_to_json, job_to_json

Tell = Callable[[Json], None]
log = structlog.get_logger(__name__)


def progress(work: Callable[[Progress], Awaitable[list[DocumentChange]]]) -> StreamingResponse:
    """A line for each document. The work goes on when nobody listens any more."""

    def telling(tell: Tell) -> Awaitable[Sequence[DocumentChange]]:
        def report(change: DocumentChange, done: int, total: int) -> None:
            tell({"change": change_to_json(change), "done": done, "total": total})

        return work(report)

    return StreamingResponse(_lines(telling), media_type=NDJSON)


def watched(work: Callable[[Watch], Awaitable[DocumentChange]]) -> StreamingResponse:
    """A line whenever the work on one file got further. It goes on when nobody listens any more."""

    async def telling(tell: Tell) -> Sequence[DocumentChange]:
        def watch(job: Job) -> None:
            tell({"job": job_to_json(job)})

        return [await work(watch)]

    return StreamingResponse(_lines(telling), media_type=NDJSON)


async def _lines(work: Callable[[Tell], Awaitable[Sequence[DocumentChange]]]) -> AsyncGenerator[str, None]:
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def working() -> None:
        try:
            changes = await work(queue.put_nowait)
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

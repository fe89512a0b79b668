"""Calls of the process that owns the data folder, over its gateway, by the token that stands in the folder."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bots.gateway.agreed import NDJSON
from core.errors import (
    EmbeddingFailed,
    InvalidRequest,
    LorekeeperError,
    NotFound,
    StorageFailed,
    TooLarge,
    UnreadableDocument,
    UnsupportedFormat,
)
from core.ports import Progress, Watch
from core.tracing import outgoing
from core.types import DocumentChange
from core.wire import change_from_json, job_from_json

CONNECT_SECONDS = 5.0
SHORT_SECONDS = 60.0
LARGEST_PAGE = 1000
BUSY = "The server is busy and did not answer in time. Try again when it has finished indexing."
UNREACHABLE = (
    "The running `lorekeeper run` that owns the data folder does not answer. Restart it, or stop it and try again."
)
STOPPED = (
    "The server stopped before all documents were indexed. What it received is safe, and is finished when it runs "
    "again; run the command again for the rest."
)
ERRORS: Mapping[str, type[LorekeeperError]] = {
    kind.code: kind
    for kind in (EmbeddingFailed, InvalidRequest, NotFound, TooLarge, UnreadableDocument, UnsupportedFormat)
}


class OwnerClient:
    """Raises what the owner's own parts would raise."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def _json(self, method: str, path: str, seconds: float | None, late: str = BUSY, **arguments: Any) -> Any:
        async with self._client(seconds, late) as client:
            response = await client.request(method, path, **arguments)
            _raise_for(response)
            return response.json() if response.content else None

    async def _page(
        self, path: str, name: str, limit: int, offset: int, chosen: Mapping[str, Any]
    ) -> tuple[list[Any], int]:
        """Up to `limit` values of a list, in as many requests as that takes, and how many there are."""
        values: list[Any] = []
        while True:
            window = {"limit": min(LARGEST_PAGE, limit - len(values)), "offset": offset + len(values)}
            page = await self._json("GET", path, SHORT_SECONDS, params={**chosen, **window})
            values += page[name]
            if not page[name] or len(values) >= min(limit, page["total"] - offset):
                return values, page["total"]

    async def _with_progress(self, path: str, progress: Progress | None, **request: Any) -> list[DocumentChange]:
        def hear(value: Mapping[str, Any]) -> None:
            if progress is not None:
                progress(change_from_json(value["change"]), value["done"], value["total"])

        return await self._told(path, hear, **request)

    async def _watched(self, path: str, watch: Watch | None, **request: Any) -> DocumentChange:
        def hear(value: Mapping[str, Any]) -> None:
            if watch is not None:
                watch(job_from_json(value["job"]))

        headers = {"Accept": NDJSON, **request.pop("headers", {})}
        return (await self._told(path, hear, headers=headers, **request))[-1]

    async def _told(self, path: str, hear: Callable[[Mapping[str, Any]], None], **request: Any) -> list[DocumentChange]:
        """Work of which every step is heard, and what became of it."""
        # A large document may take minutes between two lines, and stopping the server ends the stream.
        async with self._client(None) as client, client.stream("POST", path, **request) as response:
            if not response.is_success:
                await response.aread()
            _raise_for(response)
            try:
                async for line in response.aiter_lines():
                    value = json.loads(line)
                    if "finished" in value:
                        return [change_from_json(each) for each in value["finished"]]
                    if "error" in value:
                        raise ERRORS.get(value["code"], StorageFailed)(value["error"])
                    hear(value)
            except httpx.HTTPError as error:
                # It was killed, and nothing is lost.
                raise StorageFailed(STOPPED) from error
        raise StorageFailed(STOPPED)

    @asynccontextmanager
    async def _client(self, seconds: float | None, late: str = BUSY) -> AsyncGenerator[httpx.AsyncClient, None]:
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            # The owner is on this machine; a proxy from the environment has no place in between.
            async with httpx.AsyncClient(
                base_url=self._url, headers=self._headers | outgoing(), timeout=timeout, trust_env=False
            ) as client:
                yield client
        except httpx.ReadTimeout as error:
            raise StorageFailed(late) from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise StorageFailed(UNREACHABLE) from error


def _raise_for(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        problem = response.json()
        detail, kind = str(problem["detail"]), ERRORS.get(problem["code"], StorageFailed)
    except (ValueError, KeyError, TypeError):
        detail, kind = f"The server answered with HTTP {response.status_code}.", StorageFailed
    raise kind(detail)

"""Files that nothing here reads, read by an Unstructured API server (docs.unstructured.io, Partition Endpoint).

Runs in this process, because the one that reads files has no network. What the server answers is taken as text only.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import LorekeeperError, StorageFailed, TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import MAX_CHARACTERS, no_text
from ingest.parse.formats import DOC, FORMATS, HEIC, PICTURES, PPT, XLS
from ingest.parse.unstructured_elements import arranged

if TYPE_CHECKING:
    import httpx

PATH = "/general/v0/general"
MAX_ANSWER = 2 * MAX_CHARACTERS
"""Bytes of an answer, in which each element comes with some words about itself."""
_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 0.1
"""How often it is looked whether to stop."""
_SERVER = "The Unstructured server, which reads this kind of file,"
_KEY = f"{_SERVER} refused the key. For an administrator: set parse.unstructured_key to one that it takes."
_BUSY = f"{_SERVER} is busy. Add the file again later."
_UNREACHABLE = f"{_SERVER} cannot be reached. Add the file again later. For an administrator: parse.unstructured_url is its address."
_REFUSALS = {
    401: _KEY,
    403: _KEY,
    404: f"{_SERVER} does not know what it is asked. For an administrator: correct parse.unstructured_url.",
    413: f"{_SERVER} does not take one as large as this. Split it and add the parts.",
    429: _BUSY,
    502: _UNREACHABLE,
    503: _BUSY,
    504: _UNREACHABLE,
}


class UnstructuredServer:
    """One thread at a time asks; `close` may be called from any."""

    media_types = frozenset({DOC, XLS, PPT, HEIC, *PICTURES})
    """What is sent there, where nothing here reads it."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        self._url = url.rstrip("/").removesuffix(PATH) + PATH
        self._key = key
        self._seconds = seconds
        self._is_closed = threading.Event()

    def parse(self, data: bytes, name: str, media_type: str) -> ParsedDocument:
        """Raises `UnreadableDocument` and `TooLarge` with what to do, and `StorageFailed` after `close`."""
        document = arranged(self._within_time(lambda: self._asked(data, media_type)), name)
        if not any(block.text.strip() for block in document.blocks):
            raise no_text(media_type)
        return replace(document, media_type=media_type)

    def close(self) -> None:
        """Give up the file that is read, and take no more."""
        self._is_closed.set()

    def _within_time(self, ask: Callable[[], list[Any]]) -> list[Any]:
        """Asked in a thread that is left alone when time is over: no limit of httpx is one for the whole."""
        results: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()
        threading.Thread(target=_noted, args=(ask, results), daemon=True).start()
        end = time.monotonic() + self._seconds
        while not self._is_closed.is_set():
            try:
                result = results.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if time.monotonic() > end:
                    raise _too_slow(self._seconds) from None
                continue
            if isinstance(result, Exception):
                raise result
            return result
        raise StorageFailed("Stopped before the file was read. Add it again.")

    def _asked(self, data: bytes, media_type: str) -> list[Any]:
        """The elements that the server finds. Its answer is not followed elsewhere."""
        import httpx

        known = FORMATS[media_type]
        # Only the ending tells the server something; names may say what is nobody's business.
        files = {"files": (f"document{known.extensions[0]}", data, media_type)}
        headers = {"unstructured-api-key": self._key} if self._key else {}
        limit = httpx.Timeout(self._seconds, connect=min(_CONNECT_SECONDS, self._seconds))
        try:
            with (
                httpx.Client(timeout=limit, headers={**headers, "accept": "application/json"}) as client,
                client.stream("POST", self._url, files=files, data={"strategy": "auto"}) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise _refused(response.status_code, known.phrase)
                return _elements(_body(response))
        except httpx.ConnectTimeout as error:
            raise UnreadableDocument(_UNREACHABLE) from error
        except httpx.TimeoutException as error:
            raise _too_slow(self._seconds) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreadableDocument(_UNREACHABLE) from error


def _noted(ask: Callable[[], list[Any]], results: queue.SimpleQueue[list[Any] | Exception]) -> None:
    try:
        results.put(ask())
    except Exception as error:  # noqa: BLE001 - raised again by the one that waits
        results.put(error)


def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER:
            raise TooLarge("This file holds more text than can be taken. Split it and add the parts.")
    return bytes(body)


def _elements(body: bytes) -> list[Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _misunderstood() from error
    if not isinstance(found, list):
        raise _misunderstood()
    return found


def _refused(status: int, phrase: str) -> LorekeeperError:
    kind = TooLarge if status == 413 else UnreadableDocument  # noqa: PLR2004 - Content Too Large
    fallback = f"The Unstructured server could not read this file (status {status}); it is damaged or not {phrase}."
    return kind(_REFUSALS.get(status, fallback))


def _misunderstood() -> UnreadableDocument:
    return UnreadableDocument(
        "What answered is no Unstructured server. For an administrator: correct parse.unstructured_url."
    )


def _too_slow(seconds: float) -> TooLarge:
    return TooLarge(
        f"The Unstructured server took longer than {seconds:,g} seconds for this file, so it was given up. "
        "Split it, or save it in another format, and add the result."
    )

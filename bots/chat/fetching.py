"""Fetches files from a chat platform into the data folder, within limits of size and time."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import aiohttp

from bots.chat.addresses import is_public_url, public_session
from bots.chat.files import HTML_TYPES, FileFacts
from bots.gateway.incoming import disk_failed
from core.errors import InvalidRequest, NotFound, TooLarge

PIECE_BYTES = 256 * 1024
TRIES = 4
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
REDIRECTS = 5
FETCH_SECONDS = 900.0
CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 30.0
# What a crash left behind is as old as this before it goes, where other processes may be at work.
STALE_SECONDS = 86_400.0
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE, _BUSY = 200, 401, 403, 404, 410, 429
Moved = Callable[[int], None]
"""Called with the bytes that are here so far."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between platforms: the words for a person, and which servers are the platform's own."""

    platform: str
    is_trusted: Callable[[str], bool]
    """Of an address: whether files lie there, and what proves who we are may be sent there."""
    deleted: str
    denied: str
    unreadable: str
    elsewhere: str
    asks_to_sign_in: bool = False
    """Who may not have a file gets a web page, as if all were well."""

    @property
    def broken(self) -> str:
        return f"The connection to {self.platform} broke off several times. Send it again in a few minutes."


class Fetching:
    """`session` is asked for when it is needed: the channel opens it when it serves."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], folder: Path, max_upload_mb: int, rules: Rules
    ) -> None:
        self._session = session
        self._folder = folder.absolute()
        self._limit = max_upload_mb * 2**20
        self._rules = rules

    def tidy(self, *, alone: bool) -> None:
        """Delete what a crash left behind. Blocking. `alone`: no other process receives files into this folder."""
        oldest = time.time() - (0.0 if alone else STALE_SECONDS)
        with suppress(OSError):
            for path in self._folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime <= oldest:
                        path.unlink()

    def check(self, facts: FileFacts) -> None:
        """Before it is fetched. Raises `InvalidRequest` with a sentence for what cannot be fetched, `TooLarge`."""
        if facts.refusal:
            raise InvalidRequest(facts.refusal)
        if facts.size > self._limit:
            raise _too_large(facts.size, self._limit)
        if not self._rules.is_trusted(facts.url):
            raise InvalidRequest(self._rules.elsewhere)

    @asynccontextmanager
    async def fetched(
        self, facts: FileFacts, headers: Mapping[str, str], moved: Moved = lambda _: None
    ) -> AsyncIterator[Path]:
        """Its bytes in a file that is there until the block ends. `headers` go to the platform's own servers only.

        Raises `InvalidRequest` with a sentence for what the platform does not give, `TooLarge`, `StorageFailed`.
        """
        path = await asyncio.to_thread(self._new_file)
        try:
            await self._fetch_patiently(facts, headers, path, moved)
            yield path
        finally:
            # Not in a thread: it must happen even while everything is being cancelled.
            _delete(path)

    def _new_file(self) -> Path:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix="file-", dir=self._folder)
        except OSError as error:
            raise disk_failed(error) from error
        os.close(descriptor)
        return Path(name)

    async def _fetch_patiently(self, facts: FileFacts, headers: Mapping[str, str], path: Path, moved: Moved) -> None:
        pause, attempt = PAUSE_SECONDS, 1
        while True:
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    return await self._fetch(facts, headers, path, moved)
            except (_Passing, aiohttp.ClientError, OSError, TimeoutError) as error:
                if attempt == TRIES:
                    raise InvalidRequest(self._rules.broken) from error
                asked = error.seconds if isinstance(error, _Passing) else 0.0
            await asyncio.sleep(min(max(pause, asked), LONGEST_PAUSE_SECONDS))
            pause, attempt = pause * 3, attempt + 1

    async def _fetch(self, facts: FileFacts, headers: Mapping[str, str], path: Path, moved: Moved) -> None:
        url = facts.url
        limits = aiohttp.ClientTimeout(total=FETCH_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        for _ in range(REDIRECTS):
            is_trusted = self._rules.is_trusted(url)
            if not is_trusted and not is_public_url(url):
                raise InvalidRequest(self._rules.elsewhere)
            async with (
                self._trusted() if is_trusted else public_session() as session,
                session.get(
                    url, headers=headers if is_trusted else {}, timeout=limits, allow_redirects=False
                ) as response,
            ):
                if response.status in {301, 302, 303, 307, 308}:
                    url = urljoin(url, response.headers.get("Location", ""))
                    continue
                self._check(response, facts)
                await self._store(response, facts, path, moved)
                return
        raise InvalidRequest(self._rules.unreadable)

    @asynccontextmanager
    async def _trusted(self) -> AsyncIterator[aiohttp.ClientSession]:
        yield self._session()

    def _check(self, response: aiohttp.ClientResponse, facts: FileFacts) -> None:
        status = response.status
        if status == _BUSY or status >= 500:  # noqa: PLR2004
            raise _Passing(response.headers.get("Retry-After", ""))
        if status in {_NOT_FOUND, _GONE}:
            raise NotFound(self._rules.deleted)
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise InvalidRequest(self._rules.denied)
        if status != _OK:
            raise InvalidRequest(f"{self._rules.platform} does not hand it over (status {status}).")
        if self._rules.asks_to_sign_in and response.content_type in HTML_TYPES and not facts.is_html:
            # A token that Slack does not take gets the page to sign in at, as if all were well.
            raise InvalidRequest(self._rules.unreadable)
        if response.content_length is not None and response.content_length > self._limit:
            raise _too_large(response.content_length, self._limit)

    async def _store(self, response: aiohttp.ClientResponse, facts: FileFacts, path: Path, moved: Moved) -> None:
        size = 0
        target = await asyncio.to_thread(_open, path)
        try:
            async for piece in response.content.iter_chunked(PIECE_BYTES):
                size += len(piece)
                if size > self._limit:
                    raise _too_large(size, self._limit)
                await asyncio.to_thread(_write, target, piece)
                moved(size)
        finally:
            await asyncio.shield(asyncio.to_thread(_close, target))
        is_page = facts.is_html and response.content_type in HTML_TYPES
        if self._rules.asks_to_sign_in and is_page and facts.size not in {0, size}:
            # For a page, only its size tells it from the one to sign in at.
            raise InvalidRequest(self._rules.unreadable)


class _Passing(Exception):
    """The platform's own trouble."""

    def __init__(self, retry_after: str) -> None:
        super().__init__(f"busy, Retry-After {retry_after[:20]!r}")
        self.seconds = float(retry_after) if retry_after.isdecimal() else 0.0


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise disk_failed(error) from error


def _write(target: BinaryIO, piece: bytes) -> None:
    try:
        target.write(piece)
    except OSError as error:
        raise disk_failed(error) from error


def _close(target: BinaryIO) -> None:
    try:
        target.close()
    except OSError as error:
        raise disk_failed(error) from error


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(f"It has {size / 2**20:,.1f} MB; the limit is {limit / 2**20:,.0f} MB (server.max_upload_mb).")

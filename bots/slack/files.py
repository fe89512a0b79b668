"""Fetches files from Slack into the data folder, within limits of size and time."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from bots.chat.desk import Retry
from bots.gateway.incoming import disk_failed
from bots.slack.calls import Refused, Unknown
from bots.slack.file_facts import DENIED, UNNAMED, FileFacts, facts_of, is_public_url, is_slack_url
from bots.slack.workspaces import Workspace
from core.errors import InvalidRequest, NotFound, TooLarge

FOLDER = "incoming-slack"
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
DELETED = "It was deleted in Slack. Send it again."
UNREADABLE = (
    "Slack does not hand it over to the bot: its token, or its permission files:read, is missing. Whoever runs the bot "
    "can check both with `lorekeeper doctor`."
)
BROKEN = "The connection to Slack broke off several times. Send it again in a few minutes."
ELSEWHERE = "Its address leads out of Slack, so it is not fetched. Send the file itself."
_REFUSALS = {
    "file_deleted": DELETED,
    "file_not_found": DELETED,
    "missing_scope": UNREADABLE,
    "access_denied": DENIED,
    "not_visible": DENIED,
}
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE, _BUSY = 200, 401, 403, 404, 410, 429
Moved = Callable[[int], None]
"""Called with the bytes that are here so far."""


class Files:
    """`session` is asked for when it is needed: the channel opens it when it serves."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], data_dir: Path, api_url: str, max_upload_mb: int
    ) -> None:
        self._session = session
        self._folder = data_dir.absolute() / FOLDER
        self._api_url = api_url
        self._limit = max_upload_mb * 2**20

    def tidy(self, *, alone: bool) -> None:
        """Delete what a crash left behind. Blocking. `alone`: no other process receives files into this folder."""
        oldest = time.time() - (0.0 if alone else STALE_SECONDS)
        with suppress(OSError):
            for path in self._folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime <= oldest:
                        path.unlink()

    async def known(self, workspace: Workspace, facts: FileFacts) -> FileFacts:
        """With everything that is needed to fetch it.

        Raises `InvalidRequest` with a sentence for what cannot be fetched, `TooLarge`, `Retry`.
        """
        if facts.is_stub and not facts.refusal:
            facts = await self._asked(workspace, facts)
        if facts.refusal:
            raise InvalidRequest(facts.refusal)
        if facts.size > self._limit:
            raise _too_large(facts.size, self._limit)
        if not is_slack_url(facts.url, self._api_url):
            raise InvalidRequest(ELSEWHERE)
        return facts

    @asynccontextmanager
    async def fetched(
        self, workspace: Workspace, facts: FileFacts, moved: Moved = lambda _: None
    ) -> AsyncIterator[Path]:
        """Its bytes in a file that is there until the block ends.

        Raises `InvalidRequest` with a sentence for what Slack does not give, `TooLarge`, `StorageFailed`.
        """
        path = await asyncio.to_thread(self._new_file)
        try:
            await self._fetch_patiently(workspace, facts, path, moved)
            yield path
        finally:
            # Not in a thread: it must happen even while everything is being cancelled.
            _delete(path)

    async def _asked(self, workspace: Workspace, facts: FileFacts) -> FileFacts:
        try:
            answer = await workspace.calls.call("files.info", file=facts.id)
        except Refused as refused:
            raise InvalidRequest(_REFUSALS.get(refused.error, DENIED)) from refused
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown
        found = facts_of(answer.get("file") or {})
        name = facts.name if found.name == UNNAMED else found.name
        return replace(found, name=name, refusal=found.refusal or (DENIED if found.is_stub else ""))

    def _new_file(self) -> Path:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix="file-", dir=self._folder)
        except OSError as error:
            raise disk_failed(error) from error
        os.close(descriptor)
        return Path(name)

    async def _fetch_patiently(self, workspace: Workspace, facts: FileFacts, path: Path, moved: Moved) -> None:
        pause, attempt = PAUSE_SECONDS, 1
        while True:
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    return await self._fetch(workspace, facts, path, moved)
            except (_Passing, aiohttp.ClientError, OSError, TimeoutError) as error:
                if attempt == TRIES:
                    raise InvalidRequest(BROKEN) from error
                asked = error.seconds if isinstance(error, _Passing) else 0.0
            await asyncio.sleep(min(max(pause, asked), LONGEST_PAUSE_SECONDS))
            pause, attempt = pause * 3, attempt + 1

    async def _fetch(self, workspace: Workspace, facts: FileFacts, path: Path, moved: Moved) -> None:
        url = facts.url
        limits = aiohttp.ClientTimeout(total=FETCH_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        for _ in range(REDIRECTS):
            is_trusted = is_slack_url(url, self._api_url)
            if not is_trusted and not is_public_url(url):
                raise InvalidRequest(ELSEWHERE)
            headers = {"Authorization": f"Bearer {workspace.token}"} if is_trusted else {}
            async with (
                self._trusted() if is_trusted else public_session() as session,
                session.get(url, headers=headers, timeout=limits, allow_redirects=False) as response,
            ):
                if response.status in {301, 302, 303, 307, 308}:
                    url = urljoin(url, response.headers.get("Location", ""))
                    continue
                self._check(response, facts)
                await self._store(response, facts, path, moved)
                return
        raise InvalidRequest(UNREADABLE)

    @asynccontextmanager
    async def _trusted(self) -> AsyncIterator[aiohttp.ClientSession]:
        yield self._session()

    def _check(self, response: aiohttp.ClientResponse, facts: FileFacts) -> None:
        status = response.status
        if status == _BUSY or status >= 500:  # noqa: PLR2004
            raise _Passing(response.headers.get("Retry-After", ""))
        if status in {_NOT_FOUND, _GONE}:
            raise NotFound(DELETED)
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise InvalidRequest(DENIED)
        if status != _OK:
            raise InvalidRequest(f"Slack does not hand it over (status {status}).")
        if response.content_type in {"text/html", "application/xhtml+xml"} and not facts.is_html:
            # A token that Slack does not take gets the page to sign in at, as if all were well.
            raise InvalidRequest(UNREADABLE)
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
        if (
            facts.is_html
            and response.content_type in {"text/html", "application/xhtml+xml"}
            and facts.size not in {0, size}
        ):
            # For a page, only its size tells it from the one to sign in at.
            raise InvalidRequest(UNREADABLE)


class PublicResolver(ThreadedResolver):
    """Names that lead into a network lead nowhere."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `OSError`."""
        found = await super().resolve(host, port, family)
        public = [each for each in found if ip_address(each["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(f"{host} has no public address")
        return public


def public_session() -> aiohttp.ClientSession:
    """For servers that somebody else named."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=PublicResolver()))


class _Passing(Exception):
    """Slack's own trouble."""

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

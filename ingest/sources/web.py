"""A single file on the web."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from core.errors import InvalidRequest
from ingest.parse import readable_extensions
from ingest.sources.base import Entry, Listing, Unreachable, too_large
from ingest.sources.guard import Guard, Target, shown

REDIRECTS = 5
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
# For everything together, however slowly it drips.
FETCH_SECONDS = 300.0
_PIECE = 64 * 1024
_OK, _GONE, _MOVED = 200, frozenset({404, 410}), frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "Lorekeeper", "Accept": "*/*", "Accept-Encoding": "identity"}
_DECODERS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered. Without a body when it was not asked for."""

    status: int
    headers: httpx.Headers
    body: bytes | None = None


class WebFile:
    """One address. The guard judges it, and each that it leads on to."""

    def __init__(self, address: str, guard: Guard, max_bytes: int, seconds: float = FETCH_SECONDS) -> None:
        self._address = address
        self._guard = guard
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._bodies: dict[str, bytes] = {}

    @property
    def root(self) -> str:
        return self._address

    def check(self) -> None:
        self._guard.parse(self._address)

    def list(self) -> Listing:
        """The file alone; nothing when the server says that it is gone."""
        self._bodies.clear()
        fetched = self._fetched(only_if_unmarked=True)
        if fetched.status in _GONE:
            return Listing((), note=f"The server says that {self._shown} is not there (status {fetched.status}).")
        headers = fetched.headers
        mark = headers.get("ETag") or headers.get("Last-Modified", "")
        if fetched.body is not None:
            mark = hashlib.sha256(fetched.body).hexdigest()
            self._bodies[mark] = fetched.body
        fingerprint = f"{mark} {headers.get('Content-Length', '')}".strip()
        return Listing([Entry(self._address, self._name(headers), fingerprint, url=self._address)])

    def read(self, entry: Entry) -> bytes:
        body = self._bodies.pop(entry.fingerprint.partition(" ")[0], None)
        if body is None:
            fetched = self._fetched()
            if fetched.status in _GONE or fetched.body is None:
                raise Unreachable(f"{self._shown} is not there any more (status {fetched.status}).")
            body = fetched.body
        return body

    @property
    def _shown(self) -> str:
        return shown(httpx.URL(self._address))

    def _name(self, headers: httpx.Headers) -> str:
        """The last part of the path, with an ending that tells the format."""
        url = httpx.URL(self._address)
        name = unquote(url.path).rstrip("/").rpartition("/")[2] or url.host
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        ending = {"text/markdown": ".md"}.get(kind) or mimetypes.guess_extension(kind) or ""
        if PurePosixPath(name).suffix.lower() in readable_extensions() or ending not in readable_extensions():
            return name
        return name + ending

    def _fetched(self, *, only_if_unmarked: bool = False) -> Fetched:
        try:
            return asyncio.run(self._fetch(only_if_unmarked))
        except TimeoutError as error:
            raise Unreachable(f"{self._shown} did not arrive within {self._seconds:g} seconds.") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, zlib.error) as error:
            raise Unreachable(f"{self._shown} cannot be fetched: {_reason(error)}.") from error

    async def _fetch(self, only_if_unmarked: bool) -> Fetched:
        address, only_https = self._address, False
        async with asyncio.timeout(self._seconds), _client() as client:
            for _ in range(REDIRECTS + 1):
                target = await self._guard.admit(address, only_https=only_https)
                async with _answer(client, target) as response:
                    if response.status_code not in _MOVED:
                        return await self._taken(response, target, only_if_unmarked)
                    address = str(target.url.join(response.headers.get("Location", "")))
                    only_https = target.url.scheme == "https"
        raise InvalidRequest(f"{self._shown} leads on to other addresses more than {REDIRECTS} times.")

    async def _taken(self, response: httpx.Response, target: Target, only_if_unmarked: bool) -> Fetched:
        status, headers = response.status_code, response.headers
        if status in _GONE:
            return Fetched(status, headers)
        if status != _OK:
            raise Unreachable(f"{shown(target.url)} answers with status {status}.")
        if only_if_unmarked and (headers.get("ETag") or headers.get("Last-Modified")):
            return Fetched(status, headers)
        return Fetched(status, headers, await self._body(response))

    async def _body(self, response: httpx.Response) -> bytes:
        """Decoded, and never more of it in memory than is allowed."""
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise too_large(int(declared), self._max_bytes)
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in {*_DECODERS, "identity", ""}:
            raise Unreachable(f"{self._shown} is compressed in a way that was not asked for.")
        decoder = zlib.decompressobj(_DECODERS[coding]) if coding in _DECODERS else None
        body = bytearray()
        async for piece in response.aiter_raw(_PIECE):
            body += piece if decoder is None else decoder.decompress(piece, self._max_bytes + 1 - len(body))
            if len(body) > self._max_bytes:
                raise too_large(len(body), self._max_bytes)
        if decoder is not None and not decoder.eof:
            raise Unreachable(f"{self._shown} broke off in the middle.")
        return bytes(body)


def _client() -> httpx.AsyncClient:
    # A proxy would resolve names again, and credentials from the environment are for others.
    return httpx.AsyncClient(
        trust_env=False,
        headers=_HEADERS,
        timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
        verify=httpx.create_ssl_context(),
        limits=httpx.Limits(max_keepalive_connections=0),
    )


@asynccontextmanager
async def _answer(client: httpx.AsyncClient, target: Target) -> AsyncGenerator[httpx.Response, None]:
    """From the first of the addresses that takes the connection; the certificate is checked against the name."""
    for number, address in enumerate(target.addresses, 1):
        request = client.build_request(
            "GET",
            target.at(address),
            headers={"Host": target.host_header},
            extensions={"sni_hostname": target.url.raw_host.decode("ascii").strip("[]")},
        )
        # Cookies of one host are not for the next, and none are kept.
        client.cookies.clear()
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(target.addresses):
                raise
            continue
        try:
            yield response
        finally:
            await response.aclose()
        return


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__

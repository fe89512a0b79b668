"""A vLLM server: what it has, and adapters that are put into it and taken out of it while it runs."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from core.addresses import without_password
from core.console import plain

LIST_SECONDS = 3.0
# On a busy machine, or from a slow disk.
LOAD_SECONDS = 120.0
LONGEST_SENTENCE = 300
# What vLLM says of what is there already, and of what it does not find.
ALREADY_THERE, NO_FILES = "has already been loaded", "No adapter found"
WHICH_SERVER = "Correct generation.base_url or adapters.servers."
NO_KEEP_ALIVE = httpx.Limits(max_keepalive_connections=0)


class ServerFailed(Exception):
    """`sentence` is for the operator, `remedy` says what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Model:
    """What a server lists."""

    name: str
    root: str = ""
    """On the hub, or a folder; empty where the server is no vLLM."""
    parent: str = ""
    """Of an adapter: its base model's name."""


class ModelServer:
    """One replica. All methods raise `ServerFailed`."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        self._shown = without_password(self.url)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def models(self) -> tuple[Model, ...]:
        """The base model, and the adapters that are loaded."""
        response = await self._ask("GET", "models", LIST_SECONDS)
        try:
            if response.status_code != httpx.codes.OK:
                raise self._failed(response)
            return tuple(map(_model, response.json()["data"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerFailed(f"{self._shown} answers, but not like a model's server.", WHICH_SERVER) from error

    async def load(self, name: str, path: str) -> None:
        """Serve the adapter in this folder, which is one that the server sees. Nothing happens when it is there already."""
        response = await self._ask("POST", "load_lora_adapter", LOAD_SECONDS, {"lora_name": name, "lora_path": path})
        said = said_by(response)
        if response.status_code == httpx.codes.OK or ALREADY_THERE in said:
            return
        if NO_FILES in said:
            remedy = "Let the server read adapters.folder, and set adapters.folder_on_server to where it sees it."
            raise ServerFailed(f"{self._shown} finds no adapter in {path}.", remedy)
        if response.status_code in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}:
            remedy = "Start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
            raise ServerFailed(f"{self._shown} loads no adapters at run time.", remedy)
        raise self._failed(response)

    async def unload(self, name: str) -> None:
        """Serve it no longer. Nothing happens when it is not there."""
        response = await self._ask("POST", "unload_lora_adapter", LIST_SECONDS, {"lora_name": name})
        if response.status_code not in {httpx.codes.OK, httpx.codes.NOT_FOUND}:
            raise self._failed(response)

    async def _ask(self, method: str, path: str, seconds: float, body: Any = None) -> httpx.Response:
        try:
            verify = await asyncio.to_thread(_certificates)
            client = httpx.AsyncClient(timeout=seconds, verify=verify, follow_redirects=False, limits=NO_KEEP_ALIVE)
            # httpx's own limit is for each read, not for all.
            async with asyncio.timeout(seconds), client:
                return await client.request(method, f"{self.url}/{path}", headers=self._headers, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise ServerFailed(f"{self._shown} does not answer.", "Start the model's server.") from error

    def _failed(self, response: httpx.Response) -> ServerFailed:
        status = response.status_code
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            return ServerFailed(f"{self._shown} refuses the key.", "Set generation.api_key to the server's key.")
        if status == httpx.codes.NOT_FOUND:
            return ServerFailed(f"{self._shown} answers, but not like a model's server.", WHICH_SERVER)
        said = said_by(response) or "no reason given"
        return ServerFailed(
            f"{self._shown} refuses it (HTTP {status}): {said}", "Look at the log of the model's server."
        )


def _model(row: Any) -> Model:
    return Model(str(row["id"]), str(row.get("root") or ""), str(row.get("parent") or ""))


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Reading them takes tens of milliseconds, and servers are asked every few seconds."""
    return httpx.create_ssl_context()


def said_by(response: httpx.Response) -> str:
    """A server's own words about an error, in one line that can be shown."""
    try:
        row = response.json()
        text = row.get("message") or row["error"]["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        text = response.text
    return " ".join(plain(str(text)).split())[:LONGEST_SENTENCE]

"""The gateway as a channel: binds its address, tells other commands where it is, serves until cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import structlog
import uvicorn
from starlette.types import ASGIApp

from bots.gateway.app import create_app
from bots.gateway.connection import connection_class, most_connections
from bots.gateway.incoming import incoming
from bots.gateway.parts import record_of_application
from bots.listening import listen
from core.addresses import is_private
from core.build import Application
from core.types import DocumentStatus

# For answers in work; with what has to end after them, half a minute is enough.
GRACE_SECONDS = 20
IDLE_SECONDS = 30
log = structlog.get_logger(__name__)


class Gateway:
    """Implements `core.ports.Channel`."""

    def __init__(self, application: Application, listener: socket.socket, doors: Mapping[str, ASGIApp]) -> None:
        self._application = application
        self._doors = doors
        self._listener = listener

    @property
    def doors(self) -> Mapping[str, ASGIApp]:
        return {}

    @property
    def url(self) -> str:
        """Where it listens, with the port that was really bound."""
        host, port = self._listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def serve(self) -> None:
        claim = self._application.claim
        with incoming(self._application.settings.data_dir, is_owned=claim is not None):
            await self._serve(claim.announce(self.url) if claim is not None else "")

    async def _serve(self, token: str) -> None:
        app = create_app(self._application, token, self._doors)
        server = _Server(
            uvicorn.Config(
                app.asgi,
                ws="none",
                http=connection_class(most_connections()),
                forwarded_allow_ips=self._application.settings.server.trusted_proxies,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        try:
            await self._greet()
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            app.stop()
            await serving
            raise

    async def _greet(self) -> None:
        """For the person who started it: that it runs, and what to do next."""
        _, ready = await self._application.documents.page(limit=1, status=DocumentStatus.READY)
        shown = self.url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")
        log.info("ready", url=shown, documents=ready)
        is_closed = await asyncio.to_thread(_is_closed, self._application)
        if is_closed:
            log.warning(
                "nobody can use the HTTP API and the web chat before there is a key", make="lorekeeper keys create NAME"
            )
        if sys.stdout.isatty() or self._application.settings.log.format == "console":
            sys.stdout.write(_greeting(shown, ready, is_closed=is_closed))
            sys.stdout.flush()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # `lorekeeper run` handles signals for all its channels.
        yield


def open_channel(application: Application, doors: Mapping[str, ASGIApp] | None = None) -> Gateway:
    """Bind the address. Raises `InvalidSettings` when that is not possible.

    Where others can reach it, nobody gets in before there is a key.

    `doors`: what other channels want served, by path.
    """
    server = application.settings.server
    listener = listen(server.host, server.port, "server.host", "server.port")
    return Gateway(application, listener, doors or {})


def _is_closed(application: Application) -> bool:
    """Whether others could come in, so that nobody may before there is a key."""
    server = application.settings.server
    if is_private(server.host, server.public_url):
        return False
    keys = record_of_application(application).keys.all()
    return not any(key.is_valid(datetime.now(UTC)) for key in keys)


def _greeting(url: str, documents: int, *, is_closed: bool) -> str:
    holds = "1 document" if documents == 1 else f"{documents} documents"
    first = "\n  Others can reach it: make a key first   lorekeeper keys create NAME\n" if is_closed else ""
    return f"""
Lorekeeper is ready: {url}  ({holds})
{first}
  Ask in the browser        {url}
  Ask in a terminal         lorekeeper ask "How do I add documents?"
  Add your own documents    lorekeeper documents add FOLDER
  See what is wrong         lorekeeper doctor

In another terminal, first: source .venv/bin/activate
Stop with Ctrl-C.
"""

"""The gateway as a channel: binds its address, tells other commands where it is, serves until cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import errno
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
from core.addresses import is_private
from core.build import Application
from core.errors import InvalidSettings
from core.types import DocumentStatus

GRACE_SECONDS = 10
IDLE_SECONDS = 30
BACKLOG = 128
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
        if sys.stdout.isatty() or self._application.settings.log.format == "console":
            sys.stdout.write(_greeting(shown, ready))
            sys.stdout.flush()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # `lorekeeper run` handles signals for all its channels.
        yield


def open_channel(application: Application, doors: Mapping[str, ASGIApp] | None = None) -> Gateway:
    """Bind the address. Raises `InvalidSettings` when that is not possible.

    `doors`: what other channels want served, by path.
    """
    server = application.settings.server
    _check_keys(application)
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        listener = socket.create_server((server.host.strip("[]"), server.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidSettings(_explain(server.host, server.port, error)) from error
    # asyncio does it only for sockets that name their protocol; without, each reply on a kept connection waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Gateway(application, listener, doors or {})


def _check_keys(application: Application) -> None:
    """Raises `InvalidSettings` when others could come in and nothing would stop them."""
    server = application.settings.server
    keys = record_of_application(application).keys.all()
    if not is_private(server.host, server.public_url) and not any(key.is_valid(datetime.now(UTC)) for key in keys):
        where = f"server.public_url is {server.public_url}" if server.public_url else f"server.host is {server.host}"
        raise InvalidSettings(
            f"{where}, which others can reach, but there is no key yet. Make one first: `lorekeeper keys create NAME`. "
            "Or serve only this machine: set server.host to 127.0.0.1, and no server.public_url."
        )


def _explain(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Stop it, or choose another port: "
            f"set server.port, for example LOREKEEPER_SERVER__PORT={port + 1}."
        )
    return f"Cannot listen on {host}:{port}: {error.strerror or error}. Correct server.host and server.port."


def _greeting(url: str, documents: int) -> str:
    holds = "1 document" if documents == 1 else f"{documents} documents"
    return f"""
Lorekeeper is ready: {url}  ({holds})

  Ask in the browser        {url}
  Ask in a terminal         lorekeeper ask "How do I add documents?"
  Add your own documents    lorekeeper documents add FOLDER
  See what is wrong         lorekeeper doctor

In another terminal, first: source .venv/bin/activate
Stop with Ctrl-C.
"""

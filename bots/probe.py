"""The probe: a port of its own where a process says whether it lives, what it can do and what it counted.

Containers without the gateway are watched through it. It asks for no key, so it tells no details and belongs into a
network that only operators reach.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bots.gateway.connection import connection_class
from bots.listening import listen
from core.build import Application
from core.health import Check, State

MOST_CONNECTIONS = 64
STOPPING = Check("process", State.FAILED, "it is being stopped", "")


class Probe:
    """Answers from `open` to its end, also while the process is being stopped."""

    def __init__(self, application: Application) -> None:
        """Binds its address. Raises `InvalidSettings` when that is not possible."""
        server = application.settings.server
        self._application = application
        self._listener = listen(server.probe_host, server.probe_port, "server.probe_host", "server.probe_port")
        self._is_stopping = False
        application.metrics.start()

    def stopping(self) -> None:
        """From now on the process is not ready, so that nobody sends it more work."""
        self._is_stopping = True

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serves until the block ends."""
        routes = [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        ]
        server = _Server(
            uvicorn.Config(
                Starlette(routes=routes),
                ws="none",
                http=connection_class(MOST_CONNECTIONS),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[self._listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        checks = [STOPPING] if self._is_stopping else await self._application.checks()
        state = max((check.state for check in checks), key=list(State).index, default=State.OK)
        status = HTTPStatus.SERVICE_UNAVAILABLE if state is State.FAILED else HTTPStatus.OK
        shown = [{"name": check.name, "state": check.state.value} for check in checks]
        return JSONResponse({"status": state.value, "checks": shown}, status)

    async def _metrics(self, request: Request) -> Response:
        content, media_type = await self._application.metrics.scrape(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": media_type})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # `lorekeeper run` handles signals for all its parts.
        yield

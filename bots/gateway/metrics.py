"""`GET /metrics` for Prometheus, and the counting of requests."""

from __future__ import annotations

import time
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bots.gateway.access import needs
from bots.gateway.parts import application_of
from core.access import Permission
from core.log import request_id
from core.metrics import METHODS, OTHER, Metrics
from core.tracing import span

EXAMPLE = """# HELP lorekeeper_answers_total Questions that ended, by how they ended and by who wrote the answer.
# TYPE lorekeeper_answers_total counter
lorekeeper_answers_total{generator="extractive",outcome="answered"} 12.0
"""
TEXT = {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}}
# Asked every few seconds, by machines.
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
router = APIRouter()


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=[Depends(needs(Permission.METRICS))],
    response_class=Response,
    responses={HTTPStatus.OK.value: TEXT},
)
async def metrics(request: Request) -> Response:
    """In Prometheus' text format, or as OpenMetrics where the `Accept` header asks for it."""
    application = application_of(request)
    content, media_type = await application.metrics.scrape(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})


class Measured:
    """Counts requests and their time, and traces them. Pure ASGI, so that bodies and answers stream through."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in UNTRACED:
            await self._count(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        about = {"lorekeeper.request": request_id(), "http.request.method": method}
        with span(method, about, caller=Headers(scope=scope)) as traced:
            status = await self._count(scope, receive, send)
            traced.rename(f"{method} {_route(scope)}")
            traced.note({"http.route": _route(scope), "http.response.status_code": status})

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Returns the status of the reply."""
        # What ends without an answer was broken off by an error, which the server in front answers with this.
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        begun = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._metrics.requested(scope["method"], _route(scope), status, time.perf_counter() - begun)
        return status


def _route(scope: Scope) -> str:
    """`/v1/documents/{document_id}`: the router leaves in the scope which of its routes it chose."""
    path = getattr(scope.get("route"), "path", "")
    return path if isinstance(path, str) and path else OTHER

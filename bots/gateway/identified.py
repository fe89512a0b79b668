"""Each HTTP request has an id: the caller's own, or a new one. The reply names it, and so does all that is logged."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.log import HEADER, request


class Identified:
    """Pure ASGI, around everything, so that also replies to errors that nobody expected name it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        with request(headers.get(HEADER, "")) as chosen:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)[HEADER] = chosen
                await send(message)

            await self._app(scope, receive, sending)

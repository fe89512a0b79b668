"""The server: one address for the Web API, sockets, files and response_url."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

# Each adds its methods to the Web API.
from tests.fakes.slack import api, chat, history, lookups, streaming, uploads, views
from tests.fakes.slack.clock import Clock
from tests.fakes.slack.interactions import Interactions
from tests.fakes.slack.refusals import Refused, Throttled

_PARTS = (chat, history, lookups, streaming, uploads, views)
_MAX_UPLOAD = 256 * 1024 * 1024


class FakeSlack(Interactions):
    """A running Slack on loopback, see `fake_slack`."""

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(base_url=...)`."""
        return f"{self.base}/api/"

    def routes(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_UPLOAD)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_post("/response/{id}", self._respond)
        app.router.add_post("/upload/v1/{file}", self._upload)
        app.router.add_get("/files-pri/{place}/{rest:.*}", self._download)
        return app

    async def _api(self, request: web.Request) -> web.Response:
        return await api.answer(self, request)

    async def _upload(self, request: web.Request) -> web.Response:
        return await uploads.receive(self, request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return await uploads.download(self, request)

    async def _respond(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
            await chat.respond(self, request.match_info["id"], body)
        except Refused as refused:
            self.violate("response_url", refused.error, refused.detail)
            return web.json_response(refused.body(), status=404)
        except (ValueError, Throttled):
            self.violate("response_url", "invalid_payload")
            return web.Response(status=400, text="invalid_payload")
        return web.json_response({"ok": True})


@asynccontextmanager
async def fake_slack(clock: Clock | None = None, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[FakeSlack]:
    """A Slack with a furnished workspace (see `People`), until the block ends.

    :param clock: what rate limits, streams, triggers and timestamps go by.
    :param host: the address of this machine that it is reached by.
    :param port: 0 takes a free one.
    """
    slack = FakeSlack(clock)
    slack.furnish()
    runner = web.AppRunner(slack.routes(), shutdown_timeout=0.1, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        # A burst of new connections must not wait for a repeated SYN, a second later.
        site = web.TCPSite(runner, host, port, backlog=4096)
        await site.start()
        slack.base = f"http://{host}:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as slack.session:
            yield slack
            await slack.close()
    finally:
        await runner.cleanup()

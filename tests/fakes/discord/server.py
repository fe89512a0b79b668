"""The server: one address for REST, the gateway and files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

# Each adds its routes.
from tests.fakes.discord import api, callbacks, channels, commands, files, lookups, messages, webhooks
from tests.fakes.discord.clock import Clock
from tests.fakes.discord.interactions import Interactions

_PARTS = (callbacks, channels, commands, lookups, messages, webhooks)
_MAX_UPLOAD = 256 * 1024 * 1024


class FakeDiscord(Interactions):
    """A running Discord on loopback, see `fake_discord`."""

    @property
    def api_url(self) -> str:
        """For `discord.http.Route.BASE`."""
        return f"{self.base}{api.PREFIX}"

    def routes(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_UPLOAD)
        app.router.add_route("*", api.PREFIX + "/{rest:.*}", self._api)
        app.router.add_get("/gateway/{rest:.*}", self._gateway)
        app.router.add_get(r"/cdn/{kind}/{place}/{id:\d+}/{name}", self._download)
        return app

    async def _api(self, request: web.Request) -> web.Response:
        return await api.answer(self, request)

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        return await self.gateway.handle(request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return await files.download(self, request)


@asynccontextmanager
async def fake_discord(
    clock: Clock | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[FakeDiscord]:
    """A Discord with a furnished guild (see `Guilds`), until the block ends.

    :param clock: what rate limits, tokens, sessions and snowflakes go by.
    :param host: the address of this machine that it is reached by.
    :param port: 0 takes a free one.
    """
    fake = FakeDiscord(clock)
    runner = web.AppRunner(fake.routes(), shutdown_timeout=0.1, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        # A burst of new connections must not wait for a repeated SYN, a second later.
        site = web.TCPSite(runner, host, port, backlog=4096)
        await site.start()
        fake.base = f"http://{host}:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as fake.session:
            yield fake
            await fake.close()
    finally:
        await runner.cleanup()

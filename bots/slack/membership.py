"""Which workspaces are served: the one of the bot token, or all that installed the bot by OAuth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from slack_sdk.web.async_client import AsyncWebClient
from starlette.types import ASGIApp

from bots.slack.calls import Calls, asked
from bots.slack.installing import Client, Exchange, InstallPage, RedirectPage
from bots.slack.manifest import INSTALL_PATH, REDIRECT_PATH
from bots.slack.tokens import Tokens
from bots.slack.workspaces import Workspace, Workspaces, introduce
from core.settings_channels import Slack
from core.store.installations import Installation, Installations


class Membership:
    """`workspaces` stays the same object while they come and go."""

    def __init__(self, settings: Slack, public_url: str, installations: Installations) -> None:
        self._settings = settings
        self._public_url = public_url
        self._installations = installations
        self._by_oauth = bool(settings.client_id)
        self._exchange: Exchange | None = None
        self._tokens: Tokens | None = None
        self.workspaces = Workspaces(is_fixed=not self._by_oauth)

    @property
    def doors(self) -> Mapping[str, ASGIApp]:
        """The pages for installing."""
        if not self._by_oauth:
            return {}
        redirect = RedirectPage(
            self._public_url, self._settings.workspaces, self._installations, lambda: self._exchange, self._installed
        )
        return {INSTALL_PATH: InstallPage(self._settings.client_id, self._public_url), REDIRECT_PATH: redirect}

    @asynccontextmanager
    async def open(self, client: AsyncWebClient) -> AsyncIterator[None]:
        """Knows the workspaces until the block ends.

        Raises `bots.chat.board.Refused`, `Unknown` or `bots.chat.desk.Retry` for the bot token, `StorageFailed`.
        """

        async def known(token: str) -> Workspace:
            return await introduce(client, token)

        if not self._by_oauth:
            token = self._settings.bot_token.get_secret_value()
            await asked(Calls(client, token), "auth.test", "SLACK_BOT_TOKEN")
            self.workspaces.put(await known(token))
            yield
            return
        app = Client(self._settings.client_id, self._settings.client_secret.get_secret_value())
        # Each with limits of its own: who opens the page often must not keep tokens from being renewed.
        exchange, renewing = Exchange(client, app), Exchange(client, app)
        self._tokens = Tokens(self._installations, self.workspaces, renewing, self._settings.workspaces, known)
        await self._tokens.refresh()
        self._exchange = exchange
        running = asyncio.create_task(self._tokens.run())
        try:
            yield
        finally:
            self._exchange = None
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self._tokens.close()

    async def left(self, team: str) -> None:
        """A workspace has removed the bot. Raises `StorageFailed`."""
        if self._tokens is not None:
            await self._tokens.forget(team)

    async def _installed(self, installation: Installation) -> None:
        if self._tokens is not None:
            await self._tokens.welcome(installation)

"""Keeps the workspaces in step with the installations: new ones, removed ones, and tokens that run out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.slack.installing import Exchange, is_due
from bots.slack.workspaces import Workspace, Workspaces
from core.errors import StorageFailed
from core.store.installations import Installation, Installations

LOOK_SECONDS = 60.0
RENEWAL_SECONDS = 60.0
log = structlog.get_logger(__name__)


class Tokens:
    """Of one process. Other processes install and renew, too: the record tells."""

    def __init__(
        self,
        installations: Installations,
        workspaces: Workspaces,
        exchange: Exchange,
        allowed: Collection[str],
        introduce: Callable[[str], Awaitable[Workspace]],
    ) -> None:
        self._installations = installations
        self._workspaces = workspaces
        self._exchange = exchange
        self._allowed = frozenset(allowed)
        self._renewals: set[asyncio.Task[Installation]] = set()
        self._introduce = introduce

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.refresh()
            except Exception:  # the next time may go well, and without this no token is renewed any more
                log.exception("the installations were not looked at")

    async def refresh(self) -> None:
        """Once. A workspace whose token does not work is left out, and tried again the next time. Raises `StorageFailed`."""
        stored = await asyncio.to_thread(self._installations.all)
        installed = [each for each in stored if each.team in self._allowed]
        self._workspaces.expect(each.team for each in installed)
        for gone in {workspace.team for workspace in self._workspaces.all()} - {each.team for each in installed}:
            self._workspaces.drop(gone)
        for installation in installed:
            try:
                await self.welcome(await self._renewed(installation))
            except (Refused, Unknown, Retry, StorageFailed) as error:
                log.warning("a workspace is not reached", team=installation.team, cause=str(error))

    async def welcome(self, installation: Installation) -> None:
        """From now on, the workspace is served with this token. Raises `Refused`, `Unknown`, `Retry`."""
        known = self._workspaces.find(installation.team)
        token = installation.details["token"]
        if known is None or known.token != token:
            self._workspaces.put(await self._introduce(token))

    async def forget(self, team: str) -> None:
        """The workspace has removed the bot. Raises `StorageFailed`."""
        await asyncio.to_thread(self._installations.remove, team)
        self._workspaces.drop(team)
        log.info("slack is uninstalled", team=team)

    async def _renewed(self, installation: Installation) -> Installation:
        if not is_due(installation, time.time()):
            return installation
        current = await asyncio.to_thread(self._installations.to_renew, installation.team, RENEWAL_SECONDS)
        if current is None or not is_due(current, time.time()):
            return current or installation
        renewal = asyncio.create_task(self._renew(current))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)
        # Who stops here must not stop between the exchange and the record: the old token is void then.
        return await asyncio.shield(renewal)

    async def _renew(self, installation: Installation) -> Installation:
        renewed = await self._exchange.refresh(installation)
        await asyncio.to_thread(self._installations.put, renewed)
        log.info("a token was renewed", team=renewed.team)
        return renewed

    async def close(self) -> None:
        """Wait for what is being renewed."""
        await asyncio.gather(*self._renewals, return_exceptions=True)

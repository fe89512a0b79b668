"""Files of Slack: what has to be asked about them, and the rules for fetching them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.fetching import Fetching, Moved, Rules
from bots.chat.files import UNNAMED, FileFacts
from bots.slack.file_facts import DENIED, facts_of, is_slack_url
from bots.slack.workspaces import Workspace
from core.errors import InvalidRequest

FOLDER = "incoming-slack"
DELETED = "It was deleted in Slack. Send it again."
UNREADABLE = (
    "Slack does not hand it over to the bot: its token, or its permission files:read, is missing. Whoever runs the bot "
    "can check both with `lorekeeper doctor`."
)
ELSEWHERE = "Its address leads out of Slack, so it is not fetched. Send the file itself."
_REFUSALS = {
    "file_deleted": DELETED,
    "file_not_found": DELETED,
    "missing_scope": UNREADABLE,
    "access_denied": DENIED,
    "not_visible": DENIED,
}


def slack_rules(api_url: str) -> Rules:
    return Rules(
        platform="Slack",
        is_trusted=partial(is_slack_url, api_url=api_url),
        deleted=DELETED,
        denied=DENIED,
        unreadable=UNREADABLE,
        elsewhere=ELSEWHERE,
        asks_to_sign_in=True,
    )


class Files:
    """`session` is asked for when it is needed: the channel opens it when it serves."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], data_dir: Path, api_url: str, max_upload_mb: int
    ) -> None:
        self._fetching = Fetching(session, data_dir / FOLDER, max_upload_mb, slack_rules(api_url))

    def tidy(self, *, alone: bool) -> None:
        """As `bots.chat.fetching.Fetching.tidy`."""
        self._fetching.tidy(alone=alone)

    async def known(self, workspace: Workspace, facts: FileFacts) -> FileFacts:
        """With everything that is needed to fetch it.

        Raises `InvalidRequest` with a sentence for what cannot be fetched, `TooLarge`, `Retry`.
        """
        if facts.is_stub and not facts.refusal:
            facts = await self._asked(workspace, facts)
        self._fetching.check(facts)
        return facts

    def fetched(
        self, workspace: Workspace, facts: FileFacts, moved: Moved = lambda _: None
    ) -> AbstractAsyncContextManager[Path]:
        """As `bots.chat.fetching.Fetching.fetched`."""
        return self._fetching.fetched(facts, {"Authorization": f"Bearer {workspace.token}"}, moved)

    async def _asked(self, workspace: Workspace, facts: FileFacts) -> FileFacts:
        try:
            answer = await workspace.calls.call("files.info", file=facts.id)
        except Refused as refused:
            raise InvalidRequest(_REFUSALS.get(refused.error, DENIED)) from refused
        except Unknown as unknown:
            raise Retry(str(unknown)) from unknown
        found = facts_of(answer.get("file") or {})
        name = facts.name if found.name == UNNAMED else found.name
        return replace(found, name=name, refusal=found.refusal or (DENIED if found.is_stub else ""))

"""What was said while the bot was down, read from the conversations that it is in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from bots.chat.incoming import Incoming
from bots.slack.calls import Refused
from bots.slack.events import written
from bots.slack.workspaces import Workspace

Json = Mapping[str, Any]
KINDS = ("public_channel", "private_channel", "im")
PAGE = 200
OLDER_SECONDS = 24 * 3600.0
# Of one conversation, the newest first.
MOST_PAGES = 5
_TS = re.compile(r"\d+\.\d+")


async def missed(workspace: Workspace, since: datetime, threads: Collection[str] = ()) -> AsyncIterator[Incoming]:
    """Messages for the bot, younger than `since`, oldest first in each conversation; known ones too.

    `threads`: names of threads that the bot is in, where the last message may be younger than the first.
    Raises `bots.slack.calls.Refused`, `Unknown`, `Retry`.
    """
    names = [name.split(":", 2) for name in threads]
    async for conversation in _conversations(workspace):
        roots = {root for _, place, root in names if place == conversation and _TS.fullmatch(root)}
        found = [each async for each in _messages(workspace, conversation, since, roots)]
        for incoming in sorted(found, key=lambda each: float(each.place["ts"])):
            yield incoming


async def _conversations(workspace: Workspace) -> AsyncIterator[str]:
    # One kind after the other: each needs a scope of its own, which the workspace may not have granted.
    for kind in KINDS:
        try:
            async for page in _pages(workspace, "users.conversations", types=kind, exclude_archived="true"):
                for channel in page.get("channels", ()):
                    yield str(channel["id"])
        except Refused as refused:
            if refused.error != "missing_scope":
                raise


async def _messages(
    workspace: Workspace, conversation: str, since: datetime, roots: set[str]
) -> AsyncIterator[Incoming]:
    oldest = f"{since.timestamp():.6f}"
    for root in roots:
        # Younger ones come with the history.
        if float(root) <= since.timestamp():
            for reply in await _replies(workspace, conversation, root, oldest):
                yield reply
    # Somebody may have asked in a thread that is older than that: its first message tells when the last reply came.
    earlier = f"{since.timestamp() - OLDER_SECONDS:.6f}"
    pages = 0
    async for page in _pages(workspace, "conversations.history", channel=conversation, oldest=earlier):
        pages += 1
        if pages > MOST_PAGES:
            break
        for message in page.get("messages", ()):
            for incoming in _understood(workspace, conversation, [message], oldest):
                yield incoming
            if float(message.get("latest_reply") or 0) > float(oldest):
                for incoming in await _replies(workspace, conversation, str(message["ts"]), oldest):
                    yield incoming


async def _replies(workspace: Workspace, conversation: str, root: str, oldest: str) -> list[Incoming]:
    found: list[Json] = []
    try:
        async for page in _pages(workspace, "conversations.replies", channel=conversation, ts=root, oldest=oldest):
            found += [each for each in page.get("messages", ()) if each.get("ts") != root]
    except Refused as refused:
        if refused.error != "thread_not_found":
            raise
    return _understood(workspace, conversation, found, oldest)


def _understood(workspace: Workspace, conversation: str, messages: Sequence[Json], oldest: str) -> list[Incoming]:
    young = [each for each in messages if float(each.get("ts") or 0) > float(oldest)]
    meant = (written(each, {"channel": conversation}, workspace.team, workspace.bot_user) for each in young)
    return [incoming for incoming in meant if incoming is not None]


async def _pages(workspace: Workspace, method: str, **arguments: Any) -> AsyncIterator[Json]:
    cursor = None
    while True:
        page = await workspace.calls.call(method, limit=PAGE, cursor=cursor, **arguments)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return

"""What was said while the bot was down, read from the conversations that it is in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from bots.chat.incoming import Incoming
from bots.slack.calls import Refused
from bots.slack.events import written
from bots.slack.workspaces import Workspace

Json = Mapping[str, Any]
KINDS = ("public_channel", "private_channel", "im")
PAGE = 200


async def missed(workspace: Workspace, since: datetime) -> AsyncIterator[Incoming]:
    """Messages for the bot, younger than `since`, oldest first in each conversation; known ones too.

    Raises `bots.slack.calls.Refused`, `Unknown`, `Retry`.
    """
    async for conversation in _conversations(workspace):
        found = [each async for each in _messages(workspace, conversation, since)]
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


async def _messages(workspace: Workspace, conversation: str, since: datetime) -> AsyncIterator[Incoming]:
    oldest = f"{since.timestamp():.6f}"
    async for page in _pages(workspace, "conversations.history", channel=conversation, oldest=oldest):
        for message in page.get("messages", ()):
            for each in await _with_replies(workspace, conversation, message, oldest):
                incoming = written(each, {"channel": conversation}, workspace.team, workspace.bot_user)
                if incoming is not None and float(each["ts"]) > since.timestamp():
                    yield incoming


async def _with_replies(workspace: Workspace, conversation: str, message: Json, oldest: str) -> list[Json]:
    latest = message.get("latest_reply")
    if not latest or float(latest) <= float(oldest):
        return [message]
    found = [message]
    async for page in _pages(workspace, "conversations.replies", channel=conversation, ts=message["ts"], oldest=oldest):
        found += [each for each in page.get("messages", ()) if each.get("ts") != message.get("ts")]
    return found


async def _pages(workspace: Workspace, method: str, **arguments: Any) -> AsyncIterator[Json]:
    cursor = None
    while True:
        page = await workspace.calls.call(method, limit=PAGE, cursor=cursor, **arguments)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return

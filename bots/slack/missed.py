"""What happened while the bot was not there, read from the conversations that it is in."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.files import FILES, file_queue
from bots.chat.incoming import Incoming
from bots.slack.events import CHANNEL, written
from bots.slack.workspaces import Workspace
from core.build import Record
from core.errors import LorekeeperError, StorageFailed
from core.settings_channels import Slack
from core.store.inbox import Entry

Json = Mapping[str, Any]
KINDS = ("public_channel", "private_channel", "im", "mpim")
PAGE = 200
OLDER_SECONDS = 24 * 3600.0
# Of one conversation, the newest first.
MOST_PAGES = 5
# After a shorter absence Slack itself sends again what happened.
ABSENT_SECONDS = 60.0
# Nobody waits longer for an answer because somebody else may have deleted a question.
LOOKING_SECONDS = 30.0
TRIES, PAUSE_SECONDS = 4, 30.0
_TS = re.compile(r"\d+\.\d+")
log = structlog.get_logger(__name__)


class Missed:
    """For all workspaces."""

    def __init__(
        self,
        settings: Slack,
        record: Record,
        find: Callable[[str], Workspace | None],
        take: Callable[[Incoming], Awaitable[None]],
    ) -> None:
        """`take` raises `StorageFailed`."""
        self._find = find
        self._young = timedelta(minutes=settings.missed_minutes)
        self._record = record
        self._take = take
        self._running: set[str] = set()

    async def catch_up(self, team: str) -> None:
        """Take what was said while nobody listened; tried again while Slack or the database is away."""
        if team in self._running:
            return
        self._running.add(team)
        young = datetime.now(UTC) - self._young
        try:
            for left in reversed(range(TRIES)):
                # Found anew: its token can be renewed meanwhile.
                workspace = self._find(team)
                if workspace is None:
                    return
                try:
                    since = max(young, await asyncio.to_thread(self._record.inbox.begins))
                    threads = await asyncio.to_thread(self._record.threads.recent, CHANNEL)
                    async for incoming in missed(workspace, since, threads):
                        await self._take(incoming)
                except (Refused, Unknown, Retry, StorageFailed) as error:
                    log.warning("what was said meanwhile could not be read", team=team, cause=str(error))
                    await asyncio.sleep(PAUSE_SECONDS if left else 0)
                else:
                    return
        finally:
            self._running.discard(team)

    async def drop_deleted(self, workspaces: Iterable[Workspace], withdraw: Callable[[str], Awaitable[None]]) -> None:
        """Withdraw what was left without an answer and deleted meanwhile, within some seconds."""
        before = datetime.now(UTC) - timedelta(seconds=ABSENT_SECONDS)
        try:
            async with asyncio.timeout(LOOKING_SECONDS):
                left = [
                    each
                    for queue in (CHANNEL, file_queue(CHANNEL))
                    for each in await asyncio.to_thread(self._record.inbox.left_over, queue, before)
                ]
                for workspace in workspaces:
                    for key in await deleted(workspace, left):
                        await withdraw(key)
        except (TimeoutError, LorekeeperError, Refused, Unknown, Retry) as error:
            log.warning("whether questions were deleted meanwhile is not known", cause=str(error) or "too slow")


async def deleted(workspace: Workspace, entries: Collection[Entry]) -> list[str]:
    """The keys of those of the workspace's entries whose messages are not there any more.

    Raises `bots.chat.board.Refused`, `Unknown`, `Retry`.
    """
    by_thread: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entry in entries:
        place = entry.payload.get("place", {})
        if place.get("team") == workspace.team and "ts" in place:
            channel = entry.payload["message"]["conversation"]
            by_thread[channel, "" if place["ts"] == place["root"] else place["root"]][entry.key] = place["ts"]
    gone: list[str] = []
    for (conversation, root), sent in by_thread.items():
        there = await _there(workspace, conversation, root, min(sent.values()), max(sent.values()))
        gone += [key.removesuffix(f":{FILES}") for key, ts in sent.items() if ts not in there]
    return gone


async def _there(workspace: Workspace, conversation: str, root: str, first: str, last: str) -> set[str]:
    """The times of the messages from the `first` to the `last`, of a channel or, with `root`, of a thread."""
    method = "conversations.replies" if root else "conversations.history"
    span = {"channel": conversation, "oldest": first, "latest": last, "inclusive": "true"}
    try:
        pages = _pages(workspace, method, **span, **({"ts": root} if root else {}))
        return {str(each["ts"]) async for page in pages for each in page.get("messages", ()) if _is_whole(each)}
    except Refused as refused:
        if refused.error == "thread_not_found":
            return set()
        raise


def _is_whole(message: Json) -> bool:
    return message.get("subtype") != "tombstone"


async def missed(workspace: Workspace, since: datetime, threads: Collection[str] = ()) -> AsyncIterator[Incoming]:
    """Messages for the bot, younger than `since`, oldest first in each conversation; known ones too.

    `threads`: names of threads that the bot is in, where the last message may be younger than the first.
    Raises `bots.chat.board.Refused`, `Unknown`, `Retry`.
    """
    names = [name.split(":", 2) for name in threads]
    async for conversation in _conversations(workspace):
        roots = {root for _, place, root in names if place == conversation and _TS.fullmatch(root)}
        try:
            found = [each async for each in _messages(workspace, conversation, since, roots)]
        except Refused as refused:
            # One that cannot be read must not hide what was said in the others.
            log.warning("a conversation could not be read", conversation=conversation, cause=str(refused))
            continue
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

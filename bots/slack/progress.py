"""One message that is kept up to date while files are received, and one that tells the end: each exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from bots.chat import progress as words
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.chat.progress import FileProgress
from bots.slack.blocks import Rendered, sentence
from bots.slack.calls import Refused, Unknown
from bots.slack.kit import SECTION_TEXT, section
from bots.slack.posting import EVENT_TYPE
from bots.slack.text import escape, mrkdwn_plain
from bots.slack.workspaces import Workspace
from core.store.inbox import Entry

Json = dict[str, Any]
Note = Callable[[Entry, Json], Awaitable[None]]
# chat.update is Tier 3, 50 a minute for all that is changed in a workspace.
UPDATE_SECONDS = 1.5
LONGEST_TEXT = 3000
_MOST_SECTIONS = 20
_LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
log = structlog.get_logger(__name__)


def progress_message(files: Sequence[FileProgress], namespace: str) -> Rendered:
    """The list of the files, with how far each is. Pure."""
    head = words.headline(files, namespace)
    lines = [f"{file.mark} *{mrkdwn_plain(file.name)}* {mrkdwn_plain(file.words)}" for file in files]
    sections = [mrkdwn_plain(head)]
    for line in lines:
        if len(sections) > 1 and len(sections[-1]) + len(line) < SECTION_TEXT:
            sections[-1] += f"\n{line}"
        elif len(sections) < _MOST_SECTIONS:
            sections.append(line[:SECTION_TEXT])
    text = "\n".join([escape(head), *(escape(f"{file.name} {file.words}") for file in files)])
    return Rendered(text[:LONGEST_TEXT], tuple(section(part) for part in sections))


class ProgressMessage:
    """For one entry with files. `open` goes first; `close` ends it, whatever happened."""

    def __init__(self, workspace: Workspace, incoming: Incoming, entry: Entry, note: Note) -> None:
        self._workspace = workspace
        self._calls = workspace.calls
        self._incoming = incoming
        self._entry = entry
        self._write = note
        reply = entry.reply
        self._ts: list[str] = [str(ts) for ts in reply.get("ts", ())]
        # A dialog's files are told of in the direct message, whose id Slack says when something is posted to the person.
        self._channel = str(reply.get("channel") or incoming.message.conversation)
        self._root = incoming.place.get("root")
        # It is noted before anything is posted: who finds the note and no message has to look for one.
        self._is_posting = bool(reply.get("posting"))
        # What an edited message asked for before its edit counts no more.
        self._kept: Json = dict(reply.get("kept", {})) if reply.get("revision", 0) == entry.revision else {}
        self._shown: Rendered | None = None
        self._next: Rendered | None = None
        self._fresh = asyncio.Event()
        self._over = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @property
    def kept(self) -> Mapping[str, Any]:
        """What was kept by an earlier try."""
        return self._kept

    async def keep(self, name: str, value: Any) -> None:
        """Remember something for the case that this process dies."""
        self._kept[name] = value
        await self._note()

    async def open(self) -> None:
        """Look what an earlier try left behind. Raises `Retry`."""
        if self._is_posting:
            await self._recover()
            self._is_posting = False

    async def begin(self, message: Rendered) -> None:
        """Show it now. Raises `Retry`."""
        await self._put(0, message)
        self._pump = asyncio.create_task(self._keep_current())

    def show(self, message: Rendered) -> None:
        """Show it as soon as there is room, unless something newer takes its place. Never waits."""
        self._next = message
        self._fresh.set()

    async def finish(self, *messages: Rendered) -> None:
        """The final form of the message, and those that follow it. Raises `Retry`."""
        await self._end_pump()
        for index, message in enumerate(messages):
            await self._put(index, message)
        for ts in self._ts[len(messages) :]:
            with suppress(Refused):
                await self._calls.call("chat.delete", channel=self._channel, ts=ts)
        if len(self._ts) > len(messages):
            self._ts = self._ts[: len(messages)]
            await self._note()

    async def say(self, text: str) -> None:
        """A sentence instead of everything. Raises `Retry`."""
        await self.finish(sentence(text))

    async def remove(self) -> None:
        await self._end_pump()
        for ts in self._ts:
            with suppress(Refused):
                await self._calls.call("chat.delete", channel=self._channel, ts=ts)

    async def close(self) -> None:
        await self._end_pump()

    async def _keep_current(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if self._over.is_set():
                return
            message, ts = self._next, self._ts[0] if self._ts else ""
            if message is None or message == self._shown or not ts:
                continue
            # The final form puts right whatever fails here.
            with suppress(Refused, Unknown, Retry):
                changed = await self._calls.offer("chat.update", **self._changes(ts, message))
                self._shown = message if changed is not None else self._shown
            with suppress(TimeoutError):
                async with asyncio.timeout(UPDATE_SECONDS):
                    await self._over.wait()
            self._fresh.set()

    async def _end_pump(self) -> None:
        # A change that is on its way must arrive before the next one is sent, or it could come after it.
        self._over.set()
        self._fresh.set()
        if self._pump is not None:
            await asyncio.wait([self._pump])

    async def _put(self, index: int, message: Rendered) -> None:
        if index < len(self._ts) and await self._replaced(self._ts[index], message):
            return
        try:
            posted = await self._calls.call(
                "chat.postMessage",
                before=self._announce,
                channel=self._channel,
                thread_ts=self._root,
                text=message.text,
                blocks=list(message.blocks),
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"key": self._entry.key, "part": index}},
            )
        except Unknown as unknown:
            # The next try looks whether it is there.
            raise Retry(str(unknown)) from unknown
        except Refused as refused:
            log.warning("Slack takes no message about files", entry=self._entry.key, error=refused.error)
            self._is_posting = False
            return
        self._channel = str(posted.get("channel") or self._channel)
        self._ts[index:] = [str(posted["ts"])]
        self._is_posting = False
        await self._note()

    async def _replaced(self, ts: str, message: Rendered) -> bool:
        try:
            await self._calls.call("chat.update", **self._changes(ts, message))
        except Refused as refused:
            if refused.error in _LOST:
                return False
            raise Retry(str(refused)) from refused
        return True

    def _changes(self, ts: str, message: Rendered) -> Json:
        return {"channel": self._channel, "ts": ts, "text": message.text, "blocks": list(message.blocks)}

    async def _announce(self) -> None:
        self._is_posting = True
        await self._note()

    async def _note(self) -> None:
        note: Json = {"ts": list(self._ts), "kept": dict(self._kept), "revision": self._entry.revision}
        if self._channel != self._incoming.message.conversation:
            note["channel"] = self._channel
        if self._is_posting:
            note["posting"] = True
        await self._write(self._entry, note)

    # After a crash

    async def _recover(self) -> None:
        """Find what an earlier try posted before it could say so."""
        try:
            found = await self._messages()
        except Refused as refused:
            log.warning("a conversation cannot be read again", entry=self._entry.key, error=refused.error)
            return
        mine = sorted(str(each["ts"]) for each in found if self._is_mine(each))
        if mine:
            self._ts = mine
            await self._note()

    async def _messages(self) -> list[Json]:
        begin = f"{self._entry.received_at.timestamp() - 60:.6f}"
        if self._root is not None:
            oldest = self._incoming.place.get("ts", begin)
            found = await self._calls.call(
                "conversations.replies",
                channel=self._channel,
                ts=self._root,
                oldest=oldest,
                limit=50,
                include_all_metadata=True,
            )
        else:
            channel = await self._direct_channel()
            if not channel:
                return []
            self._channel = channel
            found = await self._calls.call(
                "conversations.history", channel=channel, oldest=begin, limit=50, include_all_metadata=True
            )
        return list(found.get("messages", ()))

    async def _direct_channel(self) -> str:
        """Of the person; empty when there is none."""
        if self._channel != self._incoming.message.author:
            return self._channel
        cursor = None
        while True:
            page = await self._calls.call("users.conversations", types="im", limit=200, cursor=cursor)
            for each in page.get("channels", ()):
                if each.get("user") == self._incoming.message.author:
                    return str(each["id"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return ""

    def _is_mine(self, message: Json) -> bool:
        metadata = message.get("metadata") or {}
        is_ours = message.get("bot_id") == self._workspace.bot_id and metadata.get("event_type") == EVENT_TYPE
        return bool(is_ours and (metadata.get("event_payload") or {}).get("key") == self._entry.key)

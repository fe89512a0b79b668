"""What the gateway tells, written down before anything else is done: who is answered, and in which conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import discord
import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Desk, Retry
from bots.chat.files import FILES, entries, files_key
from bots.chat.incoming import Incoming
from bots.discord.client import Client
from bots.discord.events import CHANNEL, FORUMS, key_of, sent_at, written
from bots.discord.missed import ABSENT_SECONDS
from bots.discord.servers import People
from core.build import Record
from core.errors import LorekeeperError
from core.settings_channels import Discord

Json = dict[str, Any]
# Discord sends no event again, whatever became of it here.
AGAIN_SECONDS = (1.0, 5.0, 20.0, 60.0, 240.0)
log = structlog.get_logger(__name__)


class Hearing:
    """For one channel in one process."""

    def __init__(
        self,
        settings: Discord,
        record: Record,
        bound: Mapping[str, str],
        client: Callable[[], Client],
        people: People,
        desks: tuple[Desk, Desk],
        interacted: Callable[[Json], Awaitable[None]],
        taken: Callable[[str], None],
    ) -> None:
        """`bound`: by the settings, a place to a namespace. `desks`: of questions, and of files. `taken` is told each
        channel where somebody asks the bot something new.
        """
        self._taken_up = taken
        self._settings = settings
        self._record = record
        self._bound = bound
        self._client = client
        self._people = people
        self._desk, self._file_desk = desks
        self._interacted = interacted

    async def hear(self, name: str, data: Json) -> None:
        """An event of the gateway. What goes wrong is in the log, tried again for minutes, and read after the next start."""
        for pause in (*AGAIN_SECONDS, None):
            if await self._taken(name, data) or pause is None:
                return
            await asyncio.sleep(pause)

    async def _taken(self, name: str, data: Json) -> bool:
        """False where it may go well later. To take it twice does what taking it once does."""
        try:
            match name:
                case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                    await self._said(data, str(data.get("guild_id") or ""), is_edit=name == "MESSAGE_UPDATE")
                case "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK":
                    await self._deleted(data)
                case "INTERACTION_CREATE":
                    await self._interacted(data)
        except (
            LorekeeperError,
            Refused,
            Unknown,
            Retry,
            discord.DiscordException,
            OSError,
            aiohttp.ClientError,
        ) as error:
            cause = error.message if isinstance(error, LorekeeperError) else type(error).__name__
            log.error("an event was not taken", event_name=name, cause=cause)  # noqa: TRY400 - it may hold words of people
            return isinstance(error, Refused | discord.Forbidden | discord.NotFound) or name == "INTERACTION_CREATE"
        except Exception:  # one event must not stop the others
            log.exception("an event was not taken", event_name=name)
            return name == "INTERACTION_CREATE"
        return True

    async def _said(self, message: Json, guild: str, *, is_edit: bool = False) -> None:
        if is_edit and not message.get("edited_timestamp"):
            # Discord unfolded a link, or made a thread of it.
            return
        if guild and not self._client().is_served(guild):
            return
        place = await self._client().place(str(message["channel_id"]), guild)
        me = self._client().me(guild, message)
        incoming = written(message, place, me, is_known=is_edit)
        if incoming is None:
            await self._hint(message, guild)
            return
        if not await self.is_welcome(guild, incoming.message.author):
            return
        incoming = await self._placed(incoming, place.parent_kind in FORUMS)
        is_old = self._is_too_old(str(message["id"]))
        for entry in entries(incoming):
            desk = self._file_desk if FILES in entry.payload["place"] else self._desk
            if is_edit or incoming.version:
                # An old message that becomes a question now is as old as it is.
                await desk.revise(replace(entry, opens=False) if is_old else entry)
            if not is_edit and not is_old:
                # Known ones are not taken twice.
                is_new = await desk.accept(entry)
                if is_new and incoming.message.addressed:
                    self._taken_up(place.channel)

    async def is_welcome(self, guild: str, user: str) -> bool:
        """Whether somebody is answered in a server, or directly. Raises `Retry`."""
        if guild or not self._settings.servers:
            return not guild or self._client().is_served(guild)
        return await self._people.is_member(user)

    async def take(self, message: Json, guild: str) -> None:
        """What was said while nobody listened, perhaps known already."""
        if "channel_id" in message:
            await self._said(message, guild)

    async def _placed(self, incoming: Incoming, is_forum: bool) -> Incoming:
        """With what only the record knows: which conversation a reply belongs to, and whether a forum is answered."""
        message = incoming.message
        if (name := incoming.place.get("replies_to")) and not incoming.place.get("in_thread"):
            thread = await asyncio.to_thread(self._record.inbox.thread_of, CHANNEL, f":{name}")
            if thread is not None:
                place = {key: value for key, value in incoming.place.items() if key != "makes_thread"}
                message = replace(message, thread=thread.split(":", 2)[2])
                return replace(incoming, message=message, goes_on=False, place=place)
        if is_forum and "post" in incoming.place and not message.addressed:
            where = f"{CHANNEL}:{message.conversation}"
            bound = await asyncio.to_thread(self._record.bindings.get, where)
            # Posts that were there before are nobody's questions to the bot.
            is_new = bound is not None and bound.bound_at.timestamp() <= sent_at(incoming.place["message"])
            if is_new or (bound is None and where in self._bound):
                return replace(incoming, message=replace(message, addressed=True), is_direct=True)
        return incoming

    async def _hint(self, message: Json, guild: str) -> None:
        """Where the bot is in the thread and may not read what is not said to it, it says so once."""
        author = message.get("author") or {}
        is_unreadable = not any(
            message.get(part) for part in ("content", "attachments", "embeds", "sticker_items", "poll")
        )
        if (
            self._client().has_content
            or not is_unreadable
            or author.get("bot")
            or message.get("type", 0) not in {0, 19}
        ):
            return
        place = await self._client().place(str(message["channel_id"]), guild)
        incoming = written({**message, "content": "?"}, place, self._client().me(guild)) if place.is_thread else None
        if incoming is None:
            return
        key = f"{CHANNEL}:{place.channel}:hint"
        where = {**incoming.place, "hint": "1"}
        hint = replace(incoming, message=replace(incoming.message, id=key), place=where)
        await self._desk.accept(hint.entry())

    async def _deleted(self, data: Json) -> None:
        guild = str(data.get("guild_id") or "")
        if guild and not self._client().is_served(guild):
            return
        for each in data.get("ids") or [data["id"]]:
            may_come = not self._is_too_old(str(each))
            await self.withdraw(key_of(str(data["channel_id"]), str(each)), may_come=may_come)

    async def withdraw(self, key: str, *, may_come: bool = False) -> None:
        await self._file_desk.withdraw(files_key(key), may_come=may_come)
        await self._desk.withdraw(key, may_come=may_come)

    def _is_too_old(self, message: str) -> bool:
        # What has just been said may take a moment to arrive.
        return datetime.now(UTC).timestamp() - sent_at(message) > max(
            self._settings.missed_minutes * 60, ABSENT_SECONDS
        )

"""What happened while the bot was not there, read from the channels where something was said meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.files import FILES, file_queue
from bots.discord.board import MESSAGE, MESSAGES
from bots.discord.calls import UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, Calls, is_code
from bots.discord.client import Client
from bots.discord.events import CHANNEL, DIRECT, first_id_since
from core.build import Record
from core.errors import LorekeeperError, StorageFailed
from core.store.inbox import Entry

Json = dict[str, Any]
PAGE = 100
# Of one channel, the oldest first.
MOST_PAGES = 50
# So many channels are read at the same time: answers that are written meanwhile take most of the room.
AT_ONCE = 20
PAUSES_SECONDS = (5.0, 30.0, 120.0)
# After a shorter absence, Discord itself sends again what happened.
ABSENT_SECONDS = 60.0
# Nobody waits longer for an answer because somebody else may have deleted a question.
LOOKING_SECONDS = 30.0
MOST_LEFT = 500
log = structlog.get_logger(__name__)


class Missed:
    """`take` gets each message with the id of its server, known ones too; it raises `StorageFailed`."""

    def __init__(self, minutes: float, record: Record, take: Callable[[Json, str], Awaitable[None]]) -> None:
        self._young = timedelta(minutes=minutes)
        self._record = record
        self._take = take

    async def catch_up(self, client: Client, calls: Calls, shard: int) -> None:
        """Take what was said while nobody listened."""
        since = first_id_since((await self._since()).timestamp())
        places = client.recent(since, shard)
        if shard == 0:
            places += [(place, "") for place in await self._direct(client)]
        turns = asyncio.Semaphore(AT_ONCE)
        for pause in PAUSES_SECONDS:
            are_read = await asyncio.gather(*(self._read_in_turn(turns, calls, *place, since) for place in places))
            places = [place for place, is_read in zip(places, are_read, strict=True) if not is_read]
            if not places:
                return
            await asyncio.sleep(pause)
        log.warning("what was said meanwhile could not be read", channels=len(places))

    async def _since(self) -> datetime:
        young = datetime.now(UTC) - self._young
        for pause in PAUSES_SECONDS:
            try:
                return max(young, await asyncio.to_thread(self._record.inbox.begins))
            except StorageFailed as error:
                log.warning("what was said meanwhile is looked for later", cause=error.message)
                await asyncio.sleep(pause)
        # Rather nothing than what was answered already.
        return datetime.now(UTC)

    async def _read_in_turn(self, turns: asyncio.Semaphore, calls: Calls, channel: str, guild: str, since: int) -> bool:
        async with turns:
            return await self._read(calls, channel, guild, since)

    async def _read(self, calls: Calls, channel: str, guild: str, since: int) -> bool:
        """False where it may go well later. One that cannot be read must not hide what was said in the others."""
        try:
            if not guild and not await _is_direct(calls, channel):
                return True
            async for message in _messages(calls, channel, since):
                await self._take(message, guild)
        except Refused as refused:
            log.warning("a channel could not be read", channel=channel, cause=str(refused))
        except (Unknown, Retry, StorageFailed) as error:
            log.warning("a channel could not be read, and is tried again", channel=channel, cause=str(error))
            return False
        except Exception:  # as above
            log.exception("a channel could not be read", channel=channel)
        return True

    async def _direct(self, client: Client) -> list[str]:
        """Direct messages are not told of: those in which something happened last."""
        try:
            names = await asyncio.to_thread(self._record.threads.recent, CHANNEL)
        except StorageFailed as error:
            log.warning("direct messages cannot be looked up", cause=error.message)
            return []
        places = {name.split(":", 2)[1] for name in names}
        return [place for place in places if place.isdecimal() and client.get_channel(int(place)) is None]

    async def drop_deleted(self, calls: Calls, withdraw: Callable[[str], Awaitable[None]]) -> None:
        """Withdraw what was left without an answer and deleted meanwhile, within some seconds."""
        before = datetime.now(UTC) - timedelta(seconds=ABSENT_SECONDS)
        try:
            async with asyncio.timeout(LOOKING_SECONDS):
                for queue in (CHANNEL, file_queue(CHANNEL)):
                    left = await asyncio.to_thread(self._record.inbox.left_over, queue, before)
                    for entry in left[:MOST_LEFT]:
                        if await _is_deleted(calls, entry):
                            await withdraw(entry.key.removesuffix(f":{FILES}"))
        except (TimeoutError, LorekeeperError, Refused, Unknown, Retry) as error:
            log.warning("whether questions were deleted meanwhile is not known", cause=str(error) or "too slow")


async def _messages(calls: Calls, channel: str, since: int) -> AsyncIterator[Json]:
    """Those with larger ids, the oldest first. Raises `Refused`, `Unknown`, `Retry`."""
    for _ in range(MOST_PAGES):
        page = await calls.call("GET", MESSAGES, params={"after": str(since), "limit": PAGE}, channel_id=channel)
        found = sorted(page, key=lambda each: int(each["id"]))
        for message in found:
            yield message
        if len(found) < PAGE:
            return
        since = int(found[-1]["id"])
    log.warning("more was said meanwhile than is read", channel=channel)


async def _is_direct(calls: Calls, channel: str) -> bool:
    """Channels of servers that another shard has not heard of yet are not known either."""
    found = await calls.call("GET", "/channels/{channel_id}", channel_id=channel)
    return bool(found["type"] == DIRECT)


async def _is_deleted(calls: Calls, entry: Entry) -> bool:
    place = entry.payload.get("place", {})
    if "message" not in place or "channel" not in place:
        return False
    try:
        await calls.call("GET", MESSAGE, channel_id=place["channel"], message_id=place["message"])
    except Refused as refused:
        return is_code(refused, UNKNOWN_MESSAGE, UNKNOWN_CHANNEL)
    return False

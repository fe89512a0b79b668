"""What all parts of the fake stand on: its memory, its clock, its records, and the way events go out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from nacl.signing import SigningKey

from tests.fakes.discord import intents, shapes
from tests.fakes.discord.clock import Clock
from tests.fakes.discord.delivery import HttpEndpoint
from tests.fakes.discord.faults import Faults
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.limits import RateLimits
from tests.fakes.discord.message_shapes import blanked, event_json
from tests.fakes.discord.permissions import sees
from tests.fakes.discord.pings import Ping, pings_in
from tests.fakes.discord.refusals import Call, Violation
from tests.fakes.discord.sessions import Session
from tests.fakes.discord.state import Application, Channel, Guild, Interaction, Json, Message, Modal, User, World

LOOK_EVERY_S = 0.002
TYPING_S = 10.0
# https://docs.discord.com/developers/reference#uploading-files
UPLOAD_LIMIT = 10 * 1024 * 1024


@dataclass(eq=False)
class GatewayEvent:
    """One event, and the sessions that got it."""

    name: str
    data: Json
    guild: int | None
    message: Message | None = None
    sent: float = 0.0
    """`time.monotonic()`"""
    sessions: list[str] = field(default_factory=list)


class Stage:
    """The state that tests read; `People` and `Interactions` act on it."""

    application: Application

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.world = World()
        self.faults = Faults()
        self.limits = RateLimits(self.clock)
        self.gateway = Gateway(self)
        self.key = SigningKey.generate()
        """Signs interactions by HTTP; the application knows its public half, `application.verify_key`."""
        self.shards = 1
        """What /gateway/bot recommends."""
        self.http: HttpEndpoint | None = None
        """Set: interactions are posted there. None: they come over the gateway."""
        self.size_limit = UPLOAD_LIMIT
        self.calls: list[Call] = []
        self.violations: list[Violation] = []
        self.pings: list[Ping] = []
        """What would notify people: every mention that went through."""
        self.events: list[GatewayEvent] = []
        self.base = ""
        self.session: aiohttp.ClientSession | None = None
        self.revoked = False
        self._pulse = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    # Records and waiting

    def violate(self, route: str, error: str, detail: str = "", *, refused: bool = True) -> None:
        self.violations.append(Violation(route, error, detail, refused))

    def note_pings(self, route: str, sent: Json, replied_to: int | None = None) -> None:
        self.pings += [Ping(route, what) for what in pings_in(sent, replied_to=replied_to)]

    def pulse(self) -> None:
        """Wake whoever waits in `until`."""
        self._pulse.set()

    async def until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Wait for something that the application does.

        :returns: what the condition gave, when that is true.
        :raises TimeoutError: with the violations so far, since those are the usual cause.
        """
        ends = time.monotonic() + timeout_s
        while not (value := condition()):
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(self._so_far(timeout_s))
            self._pulse.clear()
            # Not more often than this: looking takes time from whoever is looked at, and shares its loop.
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(TimeoutError):
                # Also looks again by itself: a condition may be about more than the fake.
                await asyncio.wait_for(self._pulse.wait(), min(left, 0.05))
        return value

    def _so_far(self, waited_s: float) -> str:
        calls = [(call.route, call.status, call.code) for call in self.calls[-5:]]
        events = [event.name for event in self.events[-5:]]
        return (
            f"waited {waited_s} s; violations {self.violations}; last calls {calls}; last events {events}; "
            f"gateway: {self.gateway.opened} connections, {len(self.gateway.live)} live sessions"
        )

    def called(self, route: str) -> list[Call]:
        """The requests of a route (`POST /channels/{channel_id}/messages`) that went well."""
        return [call for call in self.calls if call.route == route and 200 <= call.status < 300]

    @property
    def throttled(self) -> list[Call]:
        return [call for call in self.calls if call.status == 429]

    @property
    def refused(self) -> list[Call]:
        """What Discord counts: 10,000 of these in ten minutes, and the address is banned for a while."""
        return [call for call in self.calls if call.status in (401, 403, 429)]

    def spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Lookups

    @property
    def bot(self) -> User:
        return self.application.user

    def messages(
        self, channel: Channel | None = None, *, by_bot: bool | None = None, viewer: User | None = None
    ) -> list[Message]:
        """In the order of posting, without the deleted. `viewer`: only what that person can see."""
        known = self.world.messages.values() if channel is None else self.world.posted.get(channel.id, [])
        found = [
            one
            for one in known
            if not one.deleted
            and (by_bot is None or (one.author is self.bot) == by_bot)
            and (viewer is None or one.ephemeral_to in (None, viewer))
            and (viewer is None or sees(viewer, one.channel))
        ]
        return sorted(found, key=lambda one: one.id)

    def thread_of(self, message: Message) -> Channel | None:
        return message.thread

    def replies(self, message: Message) -> list[Message]:
        """What the bot said in the thread made from a message, and in reply to it."""
        thread = self.messages(message.thread, by_bot=True) if message.thread is not None else []
        direct = [one for one in self.messages(message.channel, by_bot=True) if one.replied is message]
        return direct + [one for one in thread if one.type in (0, 19, 20)]

    def threads(self, channel: Channel) -> list[Channel]:
        """Threads or posts, the oldest first."""
        return [one for one in self.world.channels.values() if one.parent is channel and not one.deleted]

    def interactions(self, user: User | None = None) -> list[Interaction]:
        return [one for one in self.world.interactions.values() if user in (None, one.user)]

    def modal(self, user: User) -> Modal | None:
        """The dialog that is open before a person."""
        shown = [modal for modal in self.world.modals if modal.user is user and modal.open]
        return shown[-1] if shown else None

    def is_typing(self, channel: Channel) -> bool:
        """The bot is shown as typing: for ten seconds, or until it posts."""
        last = max((one.at for one in self.world.typing if one.channel is channel), default=0.0)
        since = any(one.created > last for one in self.messages(channel, by_bot=True))
        return bool(last) and not since and self.clock.now() < last + TYPING_S

    # The gateway's owner

    def token_is(self, token: str) -> bool:
        return token == self.application.token and not self.revoked

    def granted_intents(self) -> int:
        return self.application.intents

    def guilds_of(self, user: User) -> list[Guild]:
        return [guild for guild in self.world.guilds.values() if user.id in guild.members]

    def ready(self, session: Session) -> tuple[Json, list[Json]]:
        guilds = [guild for guild in self.guilds_of(self.bot) if session.covers(guild.id)]
        body: Json = {
            "v": 10,
            "user": shapes.user_json(self.bot) | {"verified": True, "mfa_enabled": True, "flags": 0, "email": None},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "private_channels": [],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": f"{self.gateway_url}resume/",
            "shard": [session.shard, session.shards],
            "application": {"id": str(self.application.id), "flags": self.application.flags},
        }
        whole = [self.guild_create(guild) for guild in guilds] if session.intents & intents.GUILDS else []
        return body, whole

    @property
    def gateway_url(self) -> str:
        """For `DiscordWebSocket.DEFAULT_GATEWAY`, as a `yarl.URL`."""
        return self.base.replace("http", "ws", 1) + "/gateway/"

    def guild_create(self, guild: Guild) -> Json:
        """Of the members only the bot, as without the intent for them."""
        places = [one for one in self.world.channels.values() if one.guild is guild and not one.deleted]
        return shapes.guild_json(guild) | {
            "joined_at": shapes.moment(guild.members[self.bot.id].joined),
            "large": False,
            "unavailable": False,
            "member_count": len(guild.members),
            "voice_states": [],
            "members": [shapes.member_json(guild.members[self.bot.id])],
            "channels": [shapes.channel_json(one) for one in places if not one.is_thread],
            "threads": [
                shapes.channel_json(one, self.bot)
                for one in places
                if one.is_thread and not one.archived and sees(self.bot, one)
            ],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def members_chunk(self, session: Session, asked: Json) -> Json:
        guild = self.world.guilds[int(asked["guild_id"])]
        chosen = {int(one) for one in asked.get("user_ids") or ()}
        if not chosen and not asked.get("query") and not session.intents & intents.GUILD_MEMBERS:
            self.violate("gateway", "members", "all members are asked for without the intent for them")
        found = [
            member
            for member in guild.members.values()
            if (member.user.id in chosen if chosen else member.user.name.startswith(asked.get("query") or ""))
        ]
        body = {"guild_id": str(guild.id), "chunk_index": 0, "chunk_count": 1, "nonce": asked.get("nonce")}
        return body | {"members": [shapes.member_json(member) for member in found], "not_found": []}

    # Going out

    def emit(
        self,
        name: str,
        data: Json,
        guild: Guild | None,
        *,
        channel: Channel | None = None,
        message: Message | None = None,
    ) -> GatewayEvent | None:
        """Send an event to all sessions that it belongs to, unless the bot does not see the channel."""
        if channel is not None and not sees(self.bot, channel):
            return None
        event = GatewayEvent(name, data, guild.id if guild else None, message)
        self.events.append(event)
        if not self.faults.take_drop():
            self._send(event)
            if self.faults.take_duplicate():
                self._send(event)
        self.pulse()
        return event

    def redeliver(self, events: Iterable[GatewayEvent]) -> None:
        """Send events again, as they were."""
        for event in events:
            self._send(event)

    def _send(self, event: GatewayEvent) -> None:
        if self.faults.delay_s:
            self.spawn(self._send_later(event, self.faults.delay_s))
        else:
            self._send_now(event)

    async def _send_later(self, event: GatewayEvent, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._send_now(event)

    def _send_now(self, event: GatewayEvent) -> None:
        event.sent = event.sent or time.monotonic()
        wanted = intents.needed(event.name, direct=event.guild is None)
        for session in self.gateway.sessions_for(event.guild):
            if wanted and not session.intents & wanted:
                continue
            data = event.data
            if event.message is not None and not session.intents & intents.MESSAGE_CONTENT:
                data = blanked(data, event.message, self.bot)
            event.sessions.append(session.id)
            session.dispatch(event.name, data)

    def announce(self, message: Message, name: str = "MESSAGE_CREATE") -> None:
        """What was said, or changed, comes to the bot, its own messages too; ephemeral ones do not."""
        if message.ephemeral_to is None:
            data = event_json(message, self.base)
            self.emit(name, data, message.channel.guild, channel=message.channel, message=message)

    def remember(self, message: Message) -> Message:
        channel = message.channel
        self.world.messages[message.id] = message
        self.world.posted.setdefault(channel.id, []).append(message)
        if message.ephemeral_to is None:
            channel.last_message = message.id
            channel.said += message.id != channel.id and message.type != 21
            channel.active_at = self.clock.now()
        self.pulse()
        return message

    async def close(self) -> None:
        """Let go of connections and of requests that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.gateway.refusing = True
        await self.gateway.close(1001)

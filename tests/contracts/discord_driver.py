"""Discord as the contract suite sees it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

from bots.discord.channel import DiscordChannel, open_channel
from bots.discord.manifest import ASK, MENU
from core.types import Reason, Thumb
from tests.contracts.driver import ANN, BEN, BOT, Asked, Can, Seen
from tests.contracts.stage import Stage, staged
from tests.fakes.discord import Channel, FakeDiscord, GatewayEvent, Interaction, Message, User, fake_discord
from tests.fakes.openai_server import FakeOpenAI

# Nobody can stop an answer in the making.
CAN = frozenset(Can) - {Can.STOP}
WAIT = 30.0
# https://docs.discord.com/developers/interactions/receiving-and-responding: then Discord gives up on the bot.
GIVES_UP = 3.0
# The windows of Discord's limits are over so many times sooner.
SPEED = 40.0
CHANGE_SECONDS = 0.05
# What a message is as people see it, and no word about a thread.
SHOWN = frozenset({0, 19, 20, 23})
# The longest text that any option of a command takes.
LONGEST_OPTION = 6000


@dataclass(slots=True)
class _Handle:
    """One of the two: what was written, or a command."""

    message: Message | None = None
    interaction: Interaction | None = None
    before_edit: int = 0
    """So many of the message's events came before the last edit."""


class DiscordDriver:
    """Implements `tests.contracts.driver.ChannelDriver`."""

    name = "discord"
    can = CAN

    def __init__(self, fake: FakeDiscord, stage: Stage) -> None:
        self.stage = stage
        self._fake = fake
        self._users = {ANN: fake.ann, BEN: fake.ben, BOT: fake.bot}
        self._channel: DiscordChannel | None = None
        self._numbers = itertools.count(1)

    async def ask(
        self,
        text: str,
        *,
        person: str = ANN,
        private: bool = False,
        direct: bool = False,
        namespace: str = "default",
        file: tuple[str, bytes] | None = None,
    ) -> Asked:
        user = self._users[person]
        place = self._fake.dm(user) if direct else await self._place(namespace)
        if private:
            return Asked(text, person, namespace, _Handle(interaction=await self._command(user, place, text)))
        files = [self._fake.file(*file)] if file else []
        written = text if direct else self._tagging(text, BOT)
        message = await self._fake.say(user, place, written, files=files)
        return Asked(text, person, namespace, _Handle(message))

    async def talk(self, text: str, *, person: str = ANN, hours_ago: float = 0.0) -> Asked:
        place = await self._place("default")
        message = await self._fake.say(self._users[person], place, text, ago_s=hours_ago * 3600)
        return Asked(text, person, "default", _Handle(message))

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        said, user = _message(after), self._users[person]
        place = said.channel
        if place.kind == Channel.TEXT:
            place = said.thread or await self._fake.start_thread(user, said, "More about it")
        message = await self._fake.say(user, place, self._tagging(text, to))
        return Asked(text, person, after.namespace, _Handle(message))

    async def forward(self, text: str) -> Asked:
        said = await self._fake.say(self._fake.ben, await self._place("default"), text)
        message = await self._fake.say(self._fake.ann, self._fake.dm(self._fake.ann), forward=said)
        return Asked(text, ANN, "default", _Handle(message))

    async def point_at(self, said: Asked, *, person: str) -> str:
        return await self._told(await self._fake.menu(self._users[person], _message(said), MENU))

    async def begun(self, asked: Asked) -> None:
        await self._fake.until(lambda: self._messages(asked), WAIT)

    async def seen(self, asked: Asked) -> Seen:
        await self._settled()
        messages = self._messages(asked)
        is_private = bool(messages) and all(each.ephemeral_to for each in messages)
        return Seen(tuple(each.shown for each in messages), is_private, tuple(each.content for each in messages))

    async def edit(self, asked: Asked, text: str) -> None:
        is_direct = _message(asked).channel.kind == Channel.DM
        await self._edit(asked, text if is_direct else self._tagging(text, BOT))

    async def edit_to_talk(self, asked: Asked, text: str, to: str) -> None:
        await self._edit(asked, self._tagging(text, to))

    async def _edit(self, asked: Asked, text: str) -> None:
        asked.handle.before_edit = len(self._events(asked))
        await self._fake.edit(_message(asked), text)

    async def delete(self, asked: Asked) -> None:
        await self._fake.delete(_message(asked))

    async def repeat(self, asked: Asked, *, only_first: bool = False) -> None:
        await self._fake.until(self._has_heard, WAIT)
        handle: _Handle = asked.handle
        events = self._events(asked)
        # The newest first: which comes before which, nobody may rely on.
        self._fake.redeliver(reversed(events[: handle.before_edit] if only_first else events))

    async def redeliver(self) -> None:
        """Discord does not know what the bot took; but now and then it has it begin anew."""
        await self._fake.until(self._has_heard, WAIT)
        self.stage.application.reports.pop(self.name, None)
        # The library waits five seconds before that.
        with patch("discord.Client.before_identify_hook", AsyncMock()):
            await self._fake.gateway.invalidate()
            await self._begun_anew()

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None, None]:
        # Discord names no direct messages to bots: only those are known in which the bot was written to before.
        direct = self._fake.dm(self._fake.ann)
        if not self._fake.messages(direct):
            await self._fake.say(self._fake.ann, direct, "hello")
        await self._settled()
        await self.leave()
        yield
        await self.come()
        await self._begun_anew()

    def break_platform(self) -> None:
        self._fake.faults.fail("POST /channels/{channel_id}/messages", status=503)

    async def stop(self, asked: Asked) -> None:
        raise NotImplementedError

    async def rate(self, asked: Asked, thumb: Thumb, reason: Reason | None = None, comment: str = "") -> None:
        user, message = self._users[asked.person], self._messages(asked)[-1]
        pressed = await self._fake.press(user, message, label=f"{'Good' if thumb is Thumb.UP else 'Bad'} answer")
        if thumb is Thumb.UP:
            return
        modal = await self._fake.until(lambda: pressed.modal, WAIT)
        if not (reason or comment):
            self._fake.dismiss(modal)
            return
        entered = {"reason": [reason.value] if reason else [], "comment": comment}
        submitted = await self._fake.submit(modal, entered)
        await self._fake.until(lambda: submitted.acked, WAIT)

    async def told(self, asked: Asked) -> str:
        return await self._told(self._fake.interactions(self._users[asked.person])[-1])

    async def passage(self, asked: Asked) -> str:
        message = self._messages(asked)[-1]
        return await self._told(await self._fake.press(self._users[asked.person], message, label="Passage 1"))

    def pings(self) -> list[str]:
        return [str(ping) for ping in self._fake.pings]

    def complaints(self) -> list[str]:
        return [str(violation) for violation in self._fake.violations]

    async def _told(self, interaction: Interaction) -> str:
        """Nothing where Discord gave up on the bot: then it says so in its own words, and no more comes."""
        given_up = time.monotonic() + GIVES_UP

        def shown() -> list[str]:
            return [each.shown for each in interaction.messages if each.ephemeral_to and not each.loading]

        def is_over() -> bool:
            return bool(shown()) or (interaction.acked is None and time.monotonic() > given_up)

        await self._fake.until(is_over, WAIT)
        return (shown() or [""])[-1]

    # Coming and going

    async def come(self) -> None:
        self.stage.application.reports.pop(self.name, None)
        self._channel = open_channel(self.stage.application)
        self._task = asyncio.create_task(self._channel.serve())
        await self._begun_anew()

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _begun_anew(self) -> None:
        """Until it is connected, and has looked up what was said meanwhile."""
        reports = self.stage.application.reports
        await self._fake.until(lambda: self._task.done() or (self.name in reports and not self._background()), WAIT)
        if self._task.done():
            await self._task

    # What is where

    async def _place(self, namespace: str) -> Channel:
        """A channel of its own, since each has its own limits."""
        place = self._fake.add_channel(f"place-{next(self._numbers)}")
        if namespace != "default":
            bindings = self.stage.record.bindings
            await asyncio.to_thread(bindings.bind, f"discord:{place.id}", namespace, str(self._fake.olga.id))
        return place

    async def _command(self, user: User, place: Channel, text: str) -> Interaction:
        registered = self._fake.command(ASK, user, place)
        question = next(each for each in registered["options"] if each["name"] == "question")
        # As from an app that has not heard yet how long a question may be.
        with patch.dict(question, max_length=LONGEST_OPTION):
            return await self._fake.slash(user, place, ASK, question=text, private=True)

    def _messages(self, asked: Asked) -> list[Message]:
        handle: _Handle = asked.handle
        if handle.interaction is not None:
            return handle.interaction.messages
        message = _message(asked)
        here = message.thread or message.channel
        later = [each for each in self._fake.messages(here) if each.id > message.id and each.type in SHOWN]
        said = [each for each in later if not each.ephemeral_to]
        if message.thread is None and here.kind == Channel.TEXT:
            return [each for each in said if each.author is self._fake.bot and each.replied is message]
        return list(itertools.takewhile(lambda each: each.author is self._fake.bot, said))

    def _events(self, asked: Asked) -> list[GatewayEvent]:
        """All that Discord ever told about it."""
        handle: _Handle = asked.handle
        told = handle.message or handle.interaction
        assert told is not None
        return [each for each in self._fake.events if each.data.get("id") == str(told.id)]

    def _tagging(self, text: str, to: str) -> str:
        return f"{self._users[to].mention} {text}" if to else text

    def _background(self) -> bool:
        assert self._channel is not None
        return any(not task.done() for task in self._channel._background)

    def _has_heard(self) -> bool:
        """It has taken all that it was sent, as far as it takes it."""
        assert self._channel is not None
        client = self._channel.client
        taken = {shard._parent.ws.session_id: shard._parent.ws.sequence for shard in client.shards.values()}
        live = self._fake.gateway.live
        return bool(live) and all(taken.get(each.id) == each.seq for each in live) and not client._hearing

    async def _settled(self) -> None:
        assert self._channel is not None
        desks, inbox = (self._channel._desk, self._channel._file_desk), self.stage.record.inbox

        def is_quiet() -> bool:
            is_idle = self._has_heard() and not self._background() and not any(desk.busy for desk in desks)
            return is_idle and not inbox.count_waiting()

        await self._fake.until(is_quiet, WAIT)


def _message(asked: Asked) -> Message:
    message: Message | None = asked.handle.message
    assert message is not None
    return message


@asynccontextmanager
async def open_driver(folder: Path, model: FakeOpenAI, chosen: dict[str, Any]) -> AsyncGenerator[DiscordDriver, None]:
    async with fake_discord() as fake:
        fake.limits.speed = SPEED
        given = {"token": fake.token, "api_url": fake.api_url, "gateway_url": fake.gateway_url}
        async with staged(folder, model, chosen | {"discord": given | chosen.get("discord", {})}) as stage:
            driver = DiscordDriver(fake, stage)
            with (
                patch("bots.discord.posting.CHANGE_SECONDS", CHANGE_SECONDS),
                patch("bots.discord.client.GUILD_READY_SECONDS", 0.05),
            ):
                await driver.come()
                try:
                    yield driver
                finally:
                    await driver.leave()

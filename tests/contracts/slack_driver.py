"""Slack as the contract suite sees it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bots.chat import wording
from bots.slack.channel import SlackChannel, open_channel
from core.types import Reason, Thumb
from tests.contracts.driver import ANN, BEN, BOT, Asked, Can, Seen
from tests.contracts.stage import Stage, staged
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import Delivery, FakeSlack, Message, fake_slack

CAN = frozenset(Can)
USERS = {ANN: "U1", BEN: "U2", BOT: "UBOT"}
WAIT = 30.0
# https://docs.slack.dev/interactivity/handling-user-interaction#acknowledgment_response
GIVES_UP = 3.0
# One answer's part of a minute's calls is larger where it is alone.
APPEND_SECONDS = 0.02


@dataclass(slots=True)
class _Handle:
    """`message` is None for a command."""

    channel: str
    message: Message | None
    is_private: bool = False
    deliveries: list[Delivery] = field(default_factory=list)
    before_edit: int = 0
    """So many of the deliveries came before the last edit."""


class SlackDriver:
    """Implements `tests.contracts.driver.ChannelDriver`."""

    name = "slack"
    can = CAN

    def __init__(self, slack: FakeSlack, stage: Stage) -> None:
        self.stage = stage
        self._slack = slack
        self._channel: SlackChannel | None = None
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
        channel = self._slack.dm(USERS[person]) if direct else await self._place(namespace)
        handle = _Handle(channel, None, is_private=private)
        if private:
            with self._noting(handle):
                await self._slack.command("/ask", text, user=USERS[person], channel=channel)
            return Asked(text, person, namespace, handle)
        written = text if direct else f"<@BOT> {text}"
        files = [self._slack.file(*file, user=USERS[person])] if file else []
        with self._noting(handle):
            handle.message = await self._slack.say(USERS[person], channel, written, files=files)
        return Asked(text, person, namespace, handle)

    async def talk(self, text: str, *, person: str = ANN, hours_ago: float = 0.0) -> Asked:
        handle = _Handle(await self._place("default"), None)
        then = time.time() - hours_ago * 3600
        with self._noting(handle), patch.object(type(self._slack.clock), "now", lambda _: then):
            handle.message = await self._slack.say(USERS[person], handle.channel, text)
        return Asked(text, person, "default", handle)

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        handle = _Handle(after.handle.channel, None)
        with self._noting(handle):
            written = self._tagging(text, to)
            handle.message = await self._slack.say(USERS[person], handle.channel, written, thread=after.handle.message)
        return Asked(text, person, after.namespace, handle)

    async def forward(self, text: str) -> Asked:
        channel = self._slack.dm(USERS[ANN])
        # Without text of its own; what is forwarded is an attachment.
        message = await self._quietly(lambda: self._slack.say(USERS[ANN], channel, ""))
        event = {
            "type": "message",
            "user": USERS[ANN],
            "channel": channel,
            "channel_type": "im",
            "ts": message.ts,
            "event_ts": message.ts,
            "team": message.team,
            "text": "",
            "attachments": [{"is_msg_unfurl": True, "is_share": True, "author_id": USERS[BEN], "text": text}],
        }
        await self._slack.emit(message.team, event)
        return Asked(text, ANN, "default", _Handle(channel, message))

    async def point_at(self, said: Asked, *, person: str) -> str:
        before = len(self._alone(said, USERS[person]))
        delivery = await self._slack.shortcut("answer_this", said.handle.message, user=USERS[person])
        return await self._told(delivery, lambda: self._alone(said, USERS[person])[before:])

    async def begun(self, asked: Asked) -> None:
        await self._slack.until(lambda: self._messages(asked), WAIT)

    async def seen(self, asked: Asked) -> Seen:
        await self._settled()
        messages = self._messages(asked)
        shown = tuple(each.shown for each in messages)
        is_private = bool(messages) and all(each.ephemeral_to for each in messages)
        return Seen(shown, is_private, tuple(_markdown(each) for each in messages))

    async def edit(self, asked: Asked, text: str) -> None:
        await self._edit(asked, text if asked.handle.channel.startswith("D") else f"<@BOT> {text}")

    async def edit_to_talk(self, asked: Asked, text: str, to: str) -> None:
        await self._edit(asked, self._tagging(text, to))

    async def _edit(self, asked: Asked, text: str) -> None:
        handle: _Handle = asked.handle
        handle.before_edit = len(handle.deliveries)
        with self._noting(handle):
            await self._slack.edit(_message(asked), text)

    async def delete(self, asked: Asked) -> None:
        with self._noting(asked.handle):
            await self._slack.delete(_message(asked))

    async def repeat(self, asked: Asked, *, only_first: bool = False) -> None:
        handle: _Handle = asked.handle
        await self._slack.all_acked(WAIT)
        again = handle.deliveries[: handle.before_edit] if only_first else list(handle.deliveries)
        for delivery in again:
            # As if the acknowledgement had not arrived; it is waited for anew.
            delivery.acked = None
        await self._slack.redeliver(again)

    async def redeliver(self) -> None:
        await self._slack.redeliver()

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None, None]:
        await self._settled()
        await self.leave()
        self._slack.lose_while_down = True
        yield
        self._slack.lose_while_down = False
        await self.come()
        # What it looks up when it comes back is not yet in its inbox.
        await self._slack.until(lambda: self._is_listening and not self._background(), WAIT)

    def break_platform(self) -> None:
        for method in ("chat.startStream", "chat.postMessage"):
            self._slack.faults.fail(method, status=503)

    async def stop(self, asked: Asked) -> None:
        await self._slack.stop(_message(asked), user=USERS[asked.person])

    async def rate(self, asked: Asked, thumb: Thumb, reason: Reason | None = None, comment: str = "") -> None:
        user = USERS[asked.person]
        message = self._messages(asked)[-1]
        button = "positive_button" if thumb is Thumb.UP else "negative_button"
        value = str(message.element("feedback")[1][button]["value"])
        known = {id(each) for each in self._slack.views(user)}
        await self._slack.press(message, "feedback", user=user, value=value)
        if thumb is Thumb.UP or not (reason or comment):
            return
        (view,) = await self._slack.until(
            lambda: [each for each in self._slack.views(user) if id(each) not in known], WAIT
        )
        values = {"reason": reason.value if reason else None, "comment": comment or None}
        await self._slack.submit(view, {name: value for name, value in values.items() if value})
        await self._slack.until(lambda: not view.open, WAIT)

    async def told(self, asked: Asked) -> str:
        pressed = [each for each in self._slack.deliveries if each.kind != "events_api"]
        return await self._told(pressed[-1], lambda: self._alone(asked, USERS[asked.person]))

    async def passage(self, asked: Asked) -> str:
        user = USERS[asked.person]
        await self._slack.press(self._messages(asked)[-1], "passage", user=user)
        views = await self._slack.until(lambda: self._slack.views(user), WAIT)
        return str(views[-1].shown)

    def pings(self) -> list[str]:
        return [str(ping) for ping in self._slack.pings]

    def complaints(self) -> list[str]:
        return [str(violation) for violation in self._slack.violations]

    async def _told(self, delivery: Delivery, shown: Callable[[], list[str]]) -> str:
        """Nothing where Slack gave up on the bot: then it says so in its own words, and no more comes."""
        given_up = time.monotonic() + GIVES_UP

        def is_over() -> bool:
            return bool(shown()) or (delivery.acked is None and time.monotonic() > given_up)

        await self._slack.until(is_over, WAIT)
        return (shown() or [""])[-1]

    # Coming and going

    async def come(self) -> None:
        self._channel = open_channel(self.stage.application)
        live = len(self._slack.sockets.live)
        self._task = asyncio.create_task(self._channel.serve())
        await self._slack.until(lambda: self._task.done() or len(self._slack.sockets.live) > live, WAIT)
        if self._task.done():
            await self._task

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    # What is where

    async def _place(self, namespace: str) -> str:
        """A channel of its own, since each has its own limits."""
        channel = f"C{next(self._numbers) + 100}"
        self._slack.add_channel(channel, channel.lower(), people=("U1", "U2", "UADMIN"))
        if namespace != "default":
            await asyncio.to_thread(self.stage.record.bindings.bind, f"slack:{channel}", namespace, "UADMIN")
        return channel

    def _messages(self, asked: Asked) -> list[Message]:
        handle: _Handle = asked.handle
        if handle.message is None:
            mine = [each for each in self._slack.messages(handle.channel, by_bot=True) if each.ephemeral_to]
            return [each for each in mine if each.text != wording.LOOKING]
        later = [
            each.ts
            for each in self._slack.messages(handle.channel, by_bot=False)
            if float(each.ts) > float(handle.message.ts) and each.root == handle.message.root
        ]
        until = min(map(float, later), default=float("inf"))
        replies = [each for each in self._slack.replies(handle.message) if each.ephemeral_to is None]
        return [each for each in replies if float(handle.message.ts) < float(each.ts) < until]

    def _alone(self, asked: Asked, user: str) -> list[str]:
        """What one person was told."""
        messages = self._slack.messages(asked.handle.channel, by_bot=True)
        return [each.shown for each in messages if each.ephemeral_to == user and each.text != wording.LOOKING]

    def _tagging(self, text: str, to: str) -> str:
        return f"<@{USERS[to]}> {text}" if to else text

    @property
    def _is_listening(self) -> bool:
        return self._channel is not None and self._channel._is_listening

    def _background(self) -> set[asyncio.Task[None]]:
        assert self._channel is not None
        return {task for task in self._channel._background if not task.done()}

    async def _settled(self) -> None:
        await self._slack.all_acked(WAIT)
        assert self._channel is not None
        desks, inbox = (self._channel._desk, self._channel._file_desk), self.stage.record.inbox
        await self._slack.until(lambda: not any(desk.busy for desk in desks) and not inbox.count_waiting(), WAIT)

    async def _quietly(self, saying: Callable[[], Any]) -> Message:
        """Said, but the bot does not hear of it."""
        wanted, self._slack.subscriptions = self._slack.subscriptions, set()
        try:
            message: Message = await saying()
        finally:
            self._slack.subscriptions = wanted
        return message

    def _noting(self, handle: _Handle) -> _Noting:
        return _Noting(self._slack, handle)


class _Noting:
    """Keeps what is delivered inside, so that it can be delivered again."""

    def __init__(self, slack: FakeSlack, handle: _Handle) -> None:
        self._slack, self._handle = slack, handle

    def __enter__(self) -> None:
        self._before = len(self._slack.deliveries)

    def __exit__(self, *_: object) -> None:
        self._handle.deliveries += self._slack.deliveries[self._before :]


def _message(asked: Asked) -> Message:
    message: Message | None = asked.handle.message
    assert message is not None
    return message


def _markdown(message: Message) -> str:
    blocks = [str(each.get("text", "")) for each in message.blocks if each.get("type") == "markdown"]
    return "\n".join([message.markdown, *blocks]) if message.markdown else "\n".join(blocks)


@asynccontextmanager
async def open_driver(folder: Path, model: FakeOpenAI, chosen: dict[str, Any]) -> AsyncGenerator[SlackDriver, None]:
    async with fake_slack() as slack:
        tokens = {"bot_token": slack.bot.token, "app_token": slack.app_token, "api_url": slack.api_url}
        async with staged(folder, model, chosen | {"slack": tokens | chosen.get("slack", {})}) as stage:
            driver = SlackDriver(slack, stage)
            with patch("bots.slack.live.APPEND_SECONDS", APPEND_SECONDS):
                await driver.come()
                try:
                    yield driver
                finally:
                    await driver.leave()

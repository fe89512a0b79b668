"""Answers that only one person sees: to a command, through the address that Slack gives for half an hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog

from bots.chat import wording
from bots.chat.desk import Retry
from bots.chat.incoming import Incoming
from bots.chat.posted import Note
from bots.slack.blocks import Rendered, answer_messages, sentence
from core.store.inbox import Entry
from core.types import Answer

# https://docs.slack.dev/interactivity/handling-user-interaction#message_responses: five times at most.
MOST_POSTS = 4
POST_SECONDS = 10.0
log = structlog.get_logger(__name__)


class PrivateSurface:
    """Implements `bots.chat.answering.Surface`. Nothing is streamed: each post to the address is a new message."""

    def __init__(self, session: aiohttp.ClientSession, incoming: Incoming, entry: Entry, note: Note) -> None:
        self._session = session
        self._url = incoming.place["response_url"]
        self._entry = entry
        self._note = note

    async def begin(self) -> None:
        """The acknowledgement has said that the search is on."""

    def token(self, text: str, *, restart: bool) -> None:
        pass

    async def finish(self, answer: Answer) -> None:
        messages = answer_messages(answer, private=True)
        # The sources are on the last.
        await self._post([*messages[: MOST_POSTS - 1], messages[-1]] if len(messages) > MOST_POSTS else messages)

    async def say(self, text: str) -> None:
        await self._post([sentence(text)])

    async def stopped(self) -> None:
        await self.say(wording.STOPPED)

    async def remove(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def _post(self, messages: Sequence[Rendered]) -> None:
        # What was begun counts as posted: there is no way to look. An answer is asked for again under another address.
        posted = self._entry.reply.get("posted", 0) if self._entry.reply.get("url") == self._url else 0
        for number, message in enumerate(messages[posted:], start=posted + 1):
            await self._note(self._entry, {"posted": number, "url": self._url})
            try:
                await respond(self._session, self._url, message)
            except Busy:
                await self._note(self._entry, {"posted": number - 1, "url": self._url})
                raise


class Busy(Retry):
    """Slack took nothing, and asks for patience."""


async def respond(
    session: aiohttp.ClientSession, url: str, message: Rendered, *, to_all: bool = False, replace: bool = False
) -> None:
    """Post to a response_url. Raises `Retry` when Slack could not be reached, `Busy` when it took nothing."""
    body: dict[str, Any] = {
        "response_type": "in_channel" if to_all else "ephemeral",
        "replace_original": replace,
        "text": message.text,
        "blocks": list(message.blocks),
    }
    limit = aiohttp.ClientTimeout(total=POST_SECONDS)
    try:
        async with session.post(url, json=body, timeout=limit, allow_redirects=False) as response:
            status, wait = response.status, response.headers.get("Retry-After", "")
            reply = (await response.content.read(200)).decode("utf-8", "replace")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Retry(f"response_url: {type(error).__name__}") from error
    if status == 429:  # noqa: PLR2004
        raise Busy("response_url: too often", float(wait) if wait.isdecimal() else 1.0)
    if status >= 500:  # noqa: PLR2004
        raise Retry(f"response_url: status {status}")
    if status >= 400:  # noqa: PLR2004
        # Used up or too old: there is no other way to this person's eyes.
        log.warning("a private answer could not be shown", status=status, reply=reply)

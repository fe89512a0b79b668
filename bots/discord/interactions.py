"""What people do besides writing messages: commands, the message menu, buttons, dialogs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Desk, Retry
from bots.chat.files import FILES
from bots.chat.grammar import Restore, RetryJob, Show, parse
from bots.chat.incoming import Incoming
from bots.chat.kept import Kept
from bots.chat.library import Library
from bots.discord import commands
from bots.discord.board import body_of
from bots.discord.calls import Calls
from bots.discord.events import CHANNEL, Me, Place, written
from bots.discord.invocation import (
    AUTOCOMPLETE,
    CHOICES,
    COMMAND,
    COMPONENT,
    DEFERRED_UPDATE,
    DIALOG,
    MODAL,
    Invoked,
)
from bots.discord.lore import Lore
from bots.discord.manifest import ASK, MANAGE, MENU
from bots.discord.render import (
    Rendered,
    answer_messages,
    feedback_modal,
    feedback_of,
    parse_custom_id,
    passage_message,
    passage_of,
    sentence,
)
from bots.discord.responses import Response, apologise, nothing, privately, soon, tell
from bots.discord.servers import People
from core.build import Record
from core.errors import NotFound
from core.log import reference
from core.ports import Documents
from core.types import Feedback, Message, Thumb

Json = dict[str, Any]
HOW_TO_ASK = "Write your question after the command, for example: /ask question: How many days of leave do I have?"
NOT_SERVED = "I do not answer here. Whoever runs me decides for which servers I do."
ACK_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Interactions:
    """Each is answered within Discord's three seconds, and everybody who presses something hears of it."""

    def __init__(
        self,
        calls: Callable[[], Calls],
        desks: Callable[[], tuple[Desk, Desk]],
        record: Record,
        documents: Documents,
        library: Library,
        people: People,
        me: Callable[[str, Json], Me],
        place: Callable[[str, str], Awaitable[Place]],
        is_welcome: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        """`desks`: of questions, and of files. `me`: by the server and a message; `place`: by the channel and the
        server. `is_welcome`: of a person in a server, or in none."""
        self._is_welcome = is_welcome
        self._place = place
        self._calls = calls
        self._desks = desks
        self._record = record
        self._kept = Kept(record, documents)
        self._lore = Lore(calls, lambda: desks()[1], library, people, self._expect)
        self._sharing: set[str] = set()
        self._me = me
        self._acks: dict[str, asyncio.Event] = {}

    async def respond(self, invoked: Invoked) -> Response:
        """What to tell Discord at once. Raises nothing."""
        try:
            if await self._is_welcome(invoked.guild, invoked.user):
                return await self._respond(invoked)
            refusal = NOT_SERVED
        except NotFound as error:
            refusal = error.message
        except Exception:  # the person is told, and the log has the cause
            ref = reference()
            log.exception("an interaction failed", reference=ref)
            refusal = wording.button_failed(ref)
        # To who is still writing a command nothing can be said.
        is_typing = invoked.kind == AUTOCOMPLETE
        return Response({"type": CHOICES, "data": {"choices": []}}) if is_typing else privately(refusal)

    async def finish(self, invoked: Invoked, response: Response, *, was_taken: bool) -> None:
        """After the response. `was_taken`: Discord took it; another process may have been faster. Raises nothing."""
        if (event := self._acks.pop(invoked.token, None)) is not None:
            event.set()
        if response.then is None or not (was_taken or response.is_lasting):
            return
        try:
            await response.then()
        except NotFound as error:
            await apologise(self._calls(), invoked, response, error.message)
        except Exception as error:
            ref = reference()
            is_discord = isinstance(error, Refused | Unknown | Retry)
            # What the library says may hold the token of the interaction, and words of people.
            cause = str(error).replace(invoked.token, "…") if is_discord else ""
            log.error("an interaction failed", reference=ref, cause=cause, exc_info=None if is_discord else error)  # noqa: TRY400
            await apologise(self._calls(), invoked, response, wording.button_failed(ref))

    async def acked(self, token: str) -> None:
        """Wait until Discord has been told something about it."""
        event = self._acks.get(token)
        if event is not None:
            try:
                await asyncio.wait_for(event.wait(), ACK_SECONDS)
            except TimeoutError:
                log.warning("an interaction was not acknowledged in time")

    def _expect(self, invoked: Invoked) -> None:
        """Discord will be told something about it."""
        self._acks[invoked.token] = asyncio.Event()

    async def _respond(self, invoked: Invoked) -> Response:
        name = str(invoked.data.get("name") or "")
        listeners = {
            (AUTOCOMPLETE, MANAGE): self._lore.suggest,
            (COMMAND, ASK): self._ask,
            (COMMAND, MENU): self._answer_this,
            (COMMAND, MANAGE): self._lore.manage,
            (COMPONENT, ""): self._pressed,
            (MODAL, ""): self._reason,
        }
        listener = listeners.get((invoked.kind, name))
        return await listener(invoked) if listener else privately("I do not know that command.")

    # Questions

    async def _ask(self, invoked: Invoked) -> Response:
        given = commands.values(invoked.data)
        text = str(given.get(commands.QUESTION) or "").strip()
        if not text:
            return privately(HOW_TO_ASK)
        is_private = bool(given.get(commands.PRIVATE))
        key = f"{CHANNEL}:interaction:{invoked.id}"
        incoming = Incoming(
            # A thread of its own: what was asked in private is no part of anybody's conversation.
            Message(key, CHANNEL, invoked.conversation, invoked.user, text, thread=key, addressed=True),
            is_direct=True,
            place={**invoked.place, **({"private": "1"} if is_private else {})},
        )
        self._expect(invoked)
        await self._desks()[0].accept(incoming.entry())
        return replace(soon(nothing, private=is_private), is_lasting=True)

    async def _answer_this(self, invoked: Invoked) -> Response:
        resolved = (invoked.data.get("resolved") or {}).get("messages") or {}
        message = resolved.get(str(invoked.data.get("target_id"))) or {}
        me, place = self._me(invoked.guild, message), await self._place(invoked.channel, invoked.guild)
        incoming = written(message, place, me, is_known=True) if message else None
        if incoming is None or not incoming.message.text:
            return privately(wording.NOTHING_TO_ANSWER)
        pointed = replace(
            incoming,
            message=replace(incoming.message, addressed=True, author=invoked.user),
            is_direct=True,
            tags_others=False,
            place={name: value for name, value in incoming.place.items() if name != FILES},
        )
        said = await self._pointed_to(pointed)
        return privately(said)

    async def _pointed_to(self, incoming: Incoming) -> str:
        """What to say to who pointed. A message that the bot stayed out of is known, and has no answer."""
        desk, entry = self._desks()[0], incoming.entry()
        if await desk.accept(entry):
            return wording.ANSWERING_THERE
        known = await asyncio.to_thread(self._record.inbox.get, entry.key)
        if known is not None and known.reply.get("names"):
            return wording.ALREADY_ANSWERED
        await desk.revise(entry, again=True)
        return wording.ANSWERING_THERE

    # Buttons

    async def _pressed(self, invoked: Invoked) -> Response:  # noqa: PLR0911 - one for each button
        name, value = parse_custom_id(str(invoked.data.get("custom_id") or "")) or ("", "")
        match name:
            case "passage":
                return soon(lambda: self._passage(invoked, value))
            case "up":
                await self._kept.rate(Feedback(value, Thumb.UP, _rater(invoked)))
                return privately(wording.THANK_YOU_FOR_FEEDBACK)
            case "down":
                await self._kept.rate(Feedback(value, Thumb.DOWN, _rater(invoked)))
                return Response({"type": DIALOG, "data": feedback_modal(value)})
            case "retry":
                return await self._retry(invoked, value)
            case "share":
                return Response({"type": DEFERRED_UPDATE}, lambda: self._share(invoked, value))
            case "run":
                command = parse(value)
                then = partial(self._lore.run, invoked, command)
                # What is done about one thing is told below the list that it was chosen from.
                is_one = isinstance(command, Show | Restore | RetryJob)
                return soon(then) if is_one else Response({"type": DEFERRED_UPDATE}, then)
            case "confirm":
                return Response({"type": DEFERRED_UPDATE}, lambda: self._lore.confirmed(invoked, value))
        return privately(wording.GONE)

    async def _passage(self, invoked: Invoked, value: str) -> None:
        meant = passage_of(value)
        if meant is None:
            raise NotFound(wording.GONE)
        number, answer_id = meant
        await self._tell(invoked, passage_message(*await self._kept.source(answer_id, number)))

    async def _retry(self, invoked: Invoked, value: str) -> Response:
        entry = await asyncio.to_thread(self._record.inbox.get, value)
        if entry is None or not entry.payload:
            return privately(wording.GONE)
        place = entry.payload["place"]
        if "token" not in place:
            return Response({"type": DEFERRED_UPDATE}, lambda: self._desks()[0].revise(entry, again=True))
        # The token that Discord gave with the question may be used up: a new message takes the answer.
        is_private = bool(place.get("private"))
        renewed = {**entry.payload, "place": {**place, **invoked.place}}
        self._expect(invoked)
        again = replace(entry, payload=renewed)
        return soon(lambda: self._desks()[0].revise(again, again=True), private=is_private)

    async def _share(self, invoked: Invoked, value: str) -> None:
        """To the channel, by the bot itself: what follows a private message would be private too."""
        if value in self._sharing:
            return
        self._sharing.add(value)
        try:
            exchange = await self._kept.exchange(value)
            messages = answer_messages(exchange.answer, private=False)
            # Without the button, so that it is shared once.
            await self._tell(invoked, messages[-1])
            try:
                await self._post(invoked.channel, [sentence(wording.shared(exchange.question)), *messages])
            except (Refused, Unknown, Retry):
                await self._tell(invoked, answer_messages(exchange.answer, private=True)[-1])
                raise
        finally:
            self._sharing.discard(value)

    async def _post(self, channel: str, messages: Sequence[Rendered]) -> None:
        for message in messages:
            # What "Try again" would change is the private original.
            shown = replace(message, components=message.components[:-1]) if message.components else message
            await self._calls().call("POST", "/channels/{channel_id}/messages", json=body_of(shown), channel_id=channel)

    async def _reason(self, invoked: Invoked) -> Response:
        name, answer_id = parse_custom_id(str(invoked.data.get("custom_id") or "")) or ("", "")
        if name != "reason":
            return privately(wording.GONE)
        reason, comment = feedback_of(dict(invoked.data))
        await self._kept.rate(Feedback(answer_id, Thumb.DOWN, _rater(invoked), reason, comment))
        return privately(wording.THANK_YOU_FOR_FEEDBACK)

    # What they share

    async def _tell(self, invoked: Invoked, message: Rendered) -> None:
        await tell(self._calls(), invoked, message)


def _rater(invoked: Invoked) -> str:
    return f"{CHANNEL}:{invoked.user}"

"""What people do besides writing messages: commands, the message menu, buttons, dialogs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Desk, Retry
from bots.chat.files import FILES
from bots.chat.grammar import Show, parse
from bots.chat.incoming import Incoming
from bots.chat.library import Library
from bots.discord import commands
from bots.discord.board import body_of
from bots.discord.calls import Calls
from bots.discord.events import CHANNEL, Me, Place, written
from bots.discord.invocation import (
    AUTOCOMPLETE,
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
from bots.discord.responses import Response, apologise, privately, soon, tell
from bots.discord.servers import People
from core.build import Record
from core.errors import NotFound
from core.log import reference
from core.ports import Documents
from core.types import Answer, Citation, Exchange, Feedback, Message, Passage, Thumb

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
        me: Callable[[str], Me],
        is_welcome: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        """`desks`: of questions, and of files. `me`: by the server. `is_welcome`: of a person in a server, or in none."""
        self._is_welcome = is_welcome
        self._calls = calls
        self._desks = desks
        self._record = record
        self._documents = documents
        self._lore = Lore(calls, lambda: desks()[1], library, people)
        self._me = me
        self._acks: dict[str, asyncio.Event] = {}

    async def respond(self, invoked: Invoked) -> Response:
        """What to tell Discord at once. Raises nothing."""
        try:
            if not await self._is_welcome(invoked.guild, invoked.user):
                return privately(NOT_SERVED)
            return await self._respond(invoked)
        except NotFound as error:
            return privately(error.message)
        except Exception:  # the person is told, and the log has the cause
            ref = reference()
            log.exception("an interaction failed", reference=ref)
            return privately(wording.button_failed(ref))

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
        self._acks[invoked.token] = asyncio.Event()
        await self._desks()[0].accept(incoming.entry())
        return replace(soon(_nothing, private=is_private), is_lasting=True)

    async def _answer_this(self, invoked: Invoked) -> Response:
        resolved = (invoked.data.get("resolved") or {}).get("messages") or {}
        message = resolved.get(str(invoked.data.get("target_id"))) or {}
        me = self._me(invoked.guild)
        place = Place(invoked.channel, invoked.channel_kind, invoked.guild, invoked.parent)
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
                await self._rate(Feedback(value, Thumb.UP, _rater(invoked)))
                return privately(wording.THANK_YOU_FOR_FEEDBACK)
            case "down":
                await self._rate(Feedback(value, Thumb.DOWN, _rater(invoked)))
                return Response({"type": DIALOG, "data": feedback_modal(value)})
            case "retry":
                return await self._retry(invoked, value)
            case "share":
                return Response({"type": DEFERRED_UPDATE}, lambda: self._share(invoked, value))
            case "run":
                command = parse(value)
                then = partial(self._lore.run, invoked, command)
                # A document is shown below the list that it was chosen from.
                return soon(then) if isinstance(command, Show) else Response({"type": DEFERRED_UPDATE}, then)
            case "confirm":
                return Response({"type": DEFERRED_UPDATE}, lambda: self._lore.remove(invoked, value))
        return privately(wording.GONE)

    async def _passage(self, invoked: Invoked, value: str) -> None:
        meant = passage_of(value)
        if meant is None:
            raise NotFound(wording.GONE)
        number, answer_id = meant
        exchange = await self._exchange(answer_id)
        cited = _citation(exchange.answer, number)
        passages = await self._passages(cited.document_id, exchange.answer.namespace)
        place = next((index for index, each in enumerate(passages) if each.chunk_id == cited.chunk_id), None)
        await self._tell(invoked, passage_message(cited, passages, place))

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
        self._acks[invoked.token] = asyncio.Event()
        again = replace(entry, payload=renewed)
        return soon(lambda: self._desks()[0].revise(again, again=True), private=is_private)

    async def _share(self, invoked: Invoked, value: str) -> None:
        """To the channel, by the bot itself: what follows a private message would be private too."""
        exchange = await self._exchange(value)
        asked = sentence(wording.shared(exchange.question))
        for message in (asked, *answer_messages(exchange.answer, private=False)):
            shown = replace(message, components=message.components[:-1]) if message.components else message
            await self._calls().call(
                "POST", "/channels/{channel_id}/messages", json=body_of(shown), channel_id=invoked.channel
            )

    async def _reason(self, invoked: Invoked) -> Response:
        name, answer_id = parse_custom_id(str(invoked.data.get("custom_id") or "")) or ("", "")
        if name != "reason":
            return privately(wording.GONE)
        reason, comment = feedback_of(dict(invoked.data))
        await self._rate(Feedback(answer_id, Thumb.DOWN, _rater(invoked), reason, comment))
        return privately(wording.THANK_YOU_FOR_FEEDBACK)

    # What they share

    async def _tell(self, invoked: Invoked, message: Rendered) -> None:
        await tell(self._calls(), invoked, message)

    async def _passages(self, document_id: str, namespace: str) -> list[Passage]:
        """Empty for a document that was removed, has moved, or that not everybody may read any more."""
        try:
            document = await self._documents.get(document_id, frozenset({namespace}))
            return [] if document.readers else await self._documents.passages(document_id)
        except NotFound:
            return []

    async def _rate(self, given: Feedback) -> None:
        await asyncio.to_thread(self._record.feedback.rate, given)

    async def _exchange(self, answer_id: str) -> Exchange:
        found = await asyncio.to_thread(self._record.conversations.find, answer_id)
        if found is None:
            raise NotFound(wording.GONE)
        return found


def _citation(answer: Answer, number: int) -> Citation:
    for cited in answer.citations or answer.nearest:
        if cited.number == number:
            return cited
    raise NotFound(wording.GONE)


def _rater(invoked: Invoked) -> str:
    return f"{CHANNEL}:{invoked.user}"


async def _nothing() -> None:
    pass

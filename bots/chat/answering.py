"""From an entry of the inbox to its answer on the platform: the same for every chat platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from bots.chat import wording
from bots.chat.desk import Interrupted
from bots.chat.gate import Decision, after, decide
from bots.chat.incoming import Incoming, incoming_of
from core.log import reference
from core.ports import Asker
from core.router import Router
from core.store.conversations import Conversations
from core.store.inbox import Entry
from core.store.places import Bindings, Threads
from core.types import Answer, Finished, Message, Question, Token

# Who asks again later than this in a direct message speaks of something else.
GOES_ON = timedelta(minutes=15)
log = structlog.get_logger(__name__)


class Surface(Protocol):
    """Where one answer appears. Its methods wait out the platform's limits, and raise `bots.chat.desk.Retry`."""

    async def begin(self) -> None:
        """The question is taken up: show that something is happening."""
        ...

    def token(self, text: str, *, restart: bool) -> None:
        """The next piece. With `restart`, what came before is void. Never waits."""
        ...

    async def finish(self, answer: Answer) -> None:
        """The final form, in place of everything shown before."""
        ...

    async def say(self, text: str) -> None:
        """A sentence instead of an answer."""
        ...

    async def stopped(self) -> None:
        """The person wants no more: what is shown stays; where nothing is, say so."""
        ...

    async def remove(self) -> None:
        """Take back what was shown."""
        ...

    async def close(self) -> None:
        """Let go of what is in work; called at every end."""
        ...


@dataclass(frozen=True, slots=True)
class Answering:
    """Implements the three ways of `bots.chat.desk.Work`."""

    asker: Asker
    threads: Threads
    bindings: Bindings
    conversations: Conversations
    surface: Callable[[Incoming, Entry], Surface]
    router: Router = field(default_factory=Router)
    """With the bindings of the settings; those of admins' commands go first."""
    seconds: float = 120.0
    """The longest that one question may take."""

    async def answer(self, entry: Entry) -> None:
        incoming = incoming_of(entry)
        state = await asyncio.to_thread(self.threads.get, incoming.thread)
        decision = decide(incoming, state)
        if decision is not Decision.IGNORE:
            await self._respond(incoming, entry, decision)
        elif entry.reply:
            # It was a question before it was edited: its answer goes.
            await self._take_back(incoming, entry)
        changed = after(incoming, state, decision)
        if changed is not None and changed != state:
            await asyncio.to_thread(self.threads.set, incoming.thread, changed)

    async def interrupted(self, entry: Entry, reason: Interrupted) -> None:
        if reason is Interrupted.WITHDRAWN:
            await self._take_back(incoming_of(entry), entry)
            return
        surface = self.surface(incoming_of(entry), entry)
        try:
            await surface.stopped()
        finally:
            await surface.close()

    async def give_up(self, entry: Entry) -> None:
        ref = reference()
        log.error("a message was given up after several tries", entry=entry.key, reference=ref)
        surface = self.surface(incoming_of(entry), entry)
        try:
            await surface.say(wording.gave_up(ref))
        finally:
            await surface.close()

    async def _take_back(self, incoming: Incoming, entry: Entry) -> None:
        surface = self.surface(incoming, entry)
        try:
            await surface.remove()
        finally:
            await surface.close()

    async def _respond(self, incoming: Incoming, entry: Entry, decision: Decision) -> None:
        surface = self.surface(incoming, entry)
        try:
            if decision is Decision.ANSWER:
                await self._ask(incoming, surface)
            else:
                await surface.say(wording.courtesy(decision))
        finally:
            await surface.close()

    async def _ask(self, incoming: Incoming, surface: Surface) -> None:
        message = await self._bound(replace(incoming.message, addressed=True))
        # Every follow-up belongs to the thread that its first question opened.
        question = self.router.route(replace(message, thread=message.thread or message.id))
        if question is None:
            return
        await surface.begin()
        if incoming.goes_on:
            question = await self._going_on(question, message)
        try:
            async with asyncio.timeout(self.seconds):
                answer = await self._watch(question, surface)
        except TimeoutError:
            await surface.say(wording.too_slow(self.seconds))
            return
        await surface.finish(answer)

    async def _going_on(self, question: Question, message: Message) -> Question:
        """With what was said in this direct conversation just before, in whatever thread."""
        place = f"{message.channel}:{message.conversation}:"
        since = datetime.now(UTC) - GOES_ON
        find = partial(self.conversations.lately, question.scope, place, since, before=question.id)
        return replace(question, history=await asyncio.to_thread(find))

    async def _watch(self, question: Question, surface: Surface) -> Answer:
        async with aclosing(self.asker.stream(question)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
                if isinstance(event, Token):
                    surface.token(event.text, restart=event.restart)
        raise AssertionError("a stream ends with Finished")

    async def _bound(self, message: Message) -> Message:
        """With the namespace that an admin bound the place to."""
        if message.namespace:
            return message
        place = f"{message.channel}:{message.conversation}"
        bound = await asyncio.to_thread(self.bindings.namespaces, [place])
        return replace(message, namespace=bound.get(place))

"""`/lore`: documents managed by command. Everything that it says is seen by the person who wrote the command, only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from bots.chat.desk import Desk
from bots.chat.files import FILES, FileFacts, file_entry, packed
from bots.chat.grammar import Add, Command, Help, Replace, Verb
from bots.chat.incoming import Incoming
from bots.chat.library import Library
from bots.chat.records import file_name
from bots.chat.results import Request, Result, Row, refusal
from bots.discord import commands
from bots.discord.board import body_of
from bots.discord.calls import Calls
from bots.discord.events import CHANNEL, files_of
from bots.discord.invocation import CHOICES, MESSAGE, Invoked
from bots.discord.private import EPHEMERAL
from bots.discord.render import Rendered, result_message
from bots.discord.responses import Response, nothing, soon, tell
from bots.discord.servers import People
from core.errors import InvalidRequest, LorekeeperError, NotFound
from core.types import Message

Json = dict[str, Any]
# Of an autocompletion: what comes later, nobody sees.
SUGGEST_SECONDS = 2.0
MOST_SUGGESTED = 200
log = structlog.get_logger(__name__)


class Lore:
    """The listeners. Who may what is asked when it is done."""

    def __init__(
        self,
        calls: Callable[[], Calls],
        file_desk: Callable[[], Desk],
        library: Library,
        people: People,
        expect: Callable[[Invoked], None],
    ) -> None:
        """`expect` is told an interaction to which Discord will hear a response."""
        self._expect = expect
        self._calls = calls
        self._file_desk = file_desk
        self._library = library
        self._people = people

    async def manage(self, invoked: Invoked) -> Response:
        command, files = commands.invoked(invoked.data), commands.attachments(invoked.data)
        if isinstance(command, Add) or (isinstance(command, Replace) and files):
            if not invoked.guild:
                # Who is an admin has to be asked first, of every server.
                return soon(lambda: self._add_soon(invoked, command, files_of(files)))
            refused = await self._add(invoked, command, files_of(files))
            if refused is not None:
                return Response({"type": MESSAGE, "data": {**body_of(refused), "flags": EPHEMERAL}})
            return replace(soon(nothing), is_lasting=True)
        return soon(lambda: self.run(invoked, command))

    async def run(self, invoked: Invoked, command: Command) -> None:
        if isinstance(command, Help):
            result = Result(commands.instructions())
        else:
            result = await self._library.run(await self._request(invoked), command)
        await self._tell(invoked, result_message(result))

    async def _add_soon(self, invoked: Invoked, command: Add | Replace, files: list[FileFacts]) -> None:
        refused = await self._add(invoked, command, files)
        if refused is not None:
            await self._tell(invoked, refused)

    async def _add(self, invoked: Invoked, command: Add | Replace, files: list[FileFacts]) -> Rendered | None:
        """Writes down what is to be done; else says why not."""
        request = await self._request(invoked)
        if not request.rights.is_admin:
            return result_message(refusal(request.rights))
        try:
            if isinstance(command, Add):
                namespace = await self._library.destination(request, command)
            else:
                # The new version has the name of the old one, and so takes its place.
                old = await self._library.replacement(request, command.document)
                namespace = old.namespace
                files = [replace(facts, name=file_name(old)) for facts in files]
        except (InvalidRequest, NotFound) as error:
            return result_message(Result("That did not work:", (Row(error.message),)))
        key = f"{CHANNEL}:interaction:{invoked.id}"
        incoming = Incoming(
            Message(key, CHANNEL, invoked.channel, invoked.user, "", thread=key, addressed=True, namespace=namespace),
            is_direct=True,
            # That who sent them is an admin was found out here, where Discord says it.
            place={**invoked.place, FILES: packed(files), "private": "1", "is_admin": "1"},
        )
        self._expect(invoked)
        await self._file_desk().accept(file_entry(incoming))
        return None

    async def _request(self, invoked: Invoked) -> Request:
        rights = await self._people.rights(invoked)
        return Request(f"{CHANNEL}:{invoked.conversation}", f"{CHANNEL}:{invoked.user}", rights)

    async def suggest(self, invoked: Invoked) -> Response:
        typed = commands.typed(invoked.data)
        found: list[Json] = []
        try:
            async with asyncio.timeout(SUGGEST_SECONDS):
                if typed is not None:
                    request = await self._request(invoked)
                    found = commands.choices(await self._offered(request, typed), typed.text)
        except (TimeoutError, LorekeeperError) as error:
            log.warning("nothing can be suggested", cause=str(error) or "too slow")
        return Response({"type": CHOICES, "data": {"choices": found}})

    async def _offered(self, request: Request, typed: commands.Typed) -> list[tuple[str, str]]:
        if typed.option == commands.NAMESPACE:
            return [(each, each) for each in await self._library.visible(request)]
        if typed.option == commands.JOB:
            jobs = await self._library.jobs_for(request, typed.verb, typed.text, MOST_SUGGESTED)
            return [(f"{each.name} ({each.namespace})", each.id) for each in jobs]
        documents = await self._library.matching(request, typed.text, MOST_SUGGESTED)
        there = [(f"{each.title} ({each.namespace})", each.id) for each in documents]
        if typed.verb not in {Verb.HISTORY, Verb.RESTORE, Verb.PURGE}:
            return there
        removed = await self._library.removed(request, typed.text, MOST_SUGGESTED)
        return [*there, *((f"{each.title} ({each.namespace}, removed)", each.document_id) for each in removed)]

    async def confirmed(self, invoked: Invoked, value: str) -> None:
        result = await self._library.confirmed(await self._request(invoked), value)
        await self._tell(invoked, result_message(result))

    async def _tell(self, invoked: Invoked, message: Rendered) -> None:
        await tell(self._calls(), invoked, message)

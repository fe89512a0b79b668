"""`/lore`: documents managed by command. Everything that it says is seen by the person who wrote the command, only."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp

from bots.chat import wording
from bots.chat.board import Refused
from bots.chat.board import Unknown as Unanswered
from bots.chat.desk import Retry
from bots.chat.grammar import Add, Help, Unfinished, Unknown, parse
from bots.chat.library import Library
from bots.chat.results import Action, Request, Result, Rights, Row, instructions, refusal
from bots.slack.admins import Admins
from bots.slack.blocks import Rendered, sentence
from bots.slack.events import CHANNEL
from bots.slack.kit import MESSAGE_BLOCKS, Json, actions, button, clipped, section
from bots.slack.manifest import MANAGE
from bots.slack.private import respond
from bots.slack.text import mrkdwn_plain, question_of
from bots.slack.workspaces import Workspace, Workspaces
from core.errors import InvalidRequest
from core.log import reference

PRESSED = re.compile(r"^lore:")
CONFIRMED = "It is being done…"
_IN_PLACE = frozenset({"lore:next", "lore:previous", "lore:keep", "lore:remove"})
"""Buttons whose answer takes the place of the message that they are on; others are answered below it."""
Ack = Callable[..., Awaitable[Any]]
OpenUpload = Callable[[Workspace, Json, str], Awaitable[None]]
"""Shows a person where to put a file, given the command's body and the namespace that the file goes into."""

_TITLE, _DETAIL, _DETAILS = 250, 300, 8
log = structlog.get_logger(__name__)


class Lore:
    """The listeners. Each acknowledges at once; the answer follows."""

    def __init__(
        self,
        workspaces: Callable[[], Workspaces],
        library: Library,
        admins: Admins,
        session: aiohttp.ClientSession,
        open_upload: OpenUpload | None = None,
    ) -> None:
        self._workspaces = workspaces
        self._library = library
        self._admins = admins
        self._session = session
        self._open_upload = open_upload

    def install(self, app: AsyncApp) -> None:
        app.command(MANAGE)(self.command)
        app.action(PRESSED)(self.pressed)

    async def command(self, ack: Ack, body: Json) -> None:
        """`/lore …`"""
        await ack()
        await self._answer(body, self._run(body, question_of(str(body.get("text") or ""), "")))

    async def pressed(self, ack: Ack, body: Json) -> None:
        """A button below an answer: it says another command, in its place."""
        await ack()
        action = body["actions"][0]
        value = str(action.get("value") or "")
        if action["action_id"] == "lore:confirm":
            # It may take a while, and nobody should press it twice.
            await self._show(body, Result(CONFIRMED), replace=True)
            await self._answer(body, self._confirmed(body, value), replace=True)
        else:
            await self._answer(body, self._run(body, value), replace=action["action_id"] in _IN_PLACE)

    async def _run(self, body: Json, text: str) -> Result | None:
        command = parse(text)
        if isinstance(command, Help | Unknown | Unfinished):
            return instructions(command)
        request = await self._request(body)
        if isinstance(command, Add) and self._open_upload is not None:
            return await self._add(body, request, command, self._open_upload)
        return await self._library.run(request, command)

    async def _add(self, body: Json, request: Request, command: Add, open_upload: OpenUpload) -> Result | None:
        if not request.rights.is_admin:
            return refusal(request.rights)
        workspace = self._workspace(body)
        if workspace is None:
            return refusal(Rights())
        try:
            namespace = await self._library.destination(request, command)
        except InvalidRequest as error:
            return Result("That did not work:", (Row(error.message),))
        await open_upload(workspace, body, namespace)
        return None

    async def _confirmed(self, body: Json, what: str) -> Result:
        return await self._library.confirmed(await self._request(body), what)

    async def _request(self, body: Json) -> Request:
        user = _id(body, "user")
        workspace = self._workspace(body)
        rights = await self._admins.rights(workspace, user) if workspace else Rights()
        return Request(f"{CHANNEL}:{_id(body, 'channel')}", f"{CHANNEL}:{user}", rights)

    def _workspace(self, body: Json) -> Workspace | None:
        return self._workspaces().find(_id(body, "team"))

    async def _answer(self, body: Json, work: Awaitable[Result | None], *, replace: bool = False) -> None:
        """Whatever goes wrong is told to the person, too."""
        try:
            result = await work
        except Exception as error:  # noqa: BLE001 - logged there
            result = _failed(error)
        if result is not None:
            await self._show(body, result, replace=replace)

    async def _show(self, body: Json, result: Result, *, replace: bool) -> None:
        url = str(body.get("response_url") or "")
        if not url:
            return
        try:
            await respond(self._session, url, rendered(result), replace=replace)
        except Retry as error:
            log.warning("a person could not be told", cause=str(error))


def _failed(error: Exception) -> Result:
    """The cause is for the log."""
    ref = reference()
    is_slack = isinstance(error, Refused | Unanswered | Retry)
    log.error(
        "a command failed", reference=ref, cause=str(error) if is_slack else "", exc_info=None if is_slack else error
    )
    return Result(wording.button_failed(ref))


def rendered(result: Result) -> Rendered:
    """One message. Pure."""
    said = sentence(result.text)
    rows = [_row(each) for each in result.rows]
    ends = [actions(*map(_button, result.actions))] if result.actions else []
    most = MESSAGE_BLOCKS - len(said.blocks) - len(ends)
    return Rendered(said.text, (*said.blocks, *rows[:most], *ends))


def _row(row: Row) -> Json:
    block = section(lines(row.title, row.details))
    return {**block, "accessory": _button(row.action)} if row.action else block


def lines(title: str, details: Sequence[str]) -> str:
    """A title in bold and what there is to say of it, in mrkdwn that shows the words of strangers as they are."""
    bold = mrkdwn_plain(clipped(title, _TITLE)) or "Untitled document"
    more = [mrkdwn_plain(clipped(each, _DETAIL)) for each in details[:_DETAILS]]
    return clipped("\n".join([f"*{bold}*", *(each for each in more if each)]), 3000)


def _button(action: Action) -> Json:
    made = button(action.label, f"lore:{action.name}", action.command)
    return {**made, "style": "danger"} if action.is_final else made


def _id(body: Json, name: str) -> str:
    """Of the user, channel or team: a command's body has ids, a press's objects."""
    given = body.get(name)
    return str(body.get(f"{name}_id") or (given.get("id") if isinstance(given, dict) else "") or "")

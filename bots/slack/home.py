"""The Home tab: namespaces, documents and, for admins, the last questions without an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Retry
from bots.chat.library import Library
from bots.chat.records import about, count
from bots.chat.results import Board, Request, Shelf, shelf_details
from bots.slack.admins import Admins
from bots.slack.events import CHANNEL
from bots.slack.kit import HEADER_TEXT, SECTION_TEXT, Json, actions, button, clipped, context, plain, section
from bots.slack.lore import lines
from bots.slack.text import escape, mrkdwn_plain
from bots.slack.workspaces import Workspace, Workspaces
from core.log import reference
from core.types import Exchange

# https://docs.slack.dev/reference/views/home-tab-views
VIEW_BLOCKS = 100
DOCUMENTS = 25
"""On one page of the tab."""
PRESSED = re.compile(r"^home:")
PATIENCE_SECONDS = 20.0
WELCOME = (
    "Ask me in *Messages*, mention me in a channel, or write `/ask` and your question. "
    "`/lore help` says how to see and manage documents."
)
Ack = Callable[..., Awaitable[Any]]
_QUESTION = 300
log = structlog.get_logger(__name__)


class Home:
    """Shows everybody what they may see, each time that they open the tab."""

    def __init__(self, workspaces: Callable[[], Workspaces], library: Library, admins: Admins) -> None:
        self._workspaces = workspaces
        self._library = library
        self._admins = admins

    def install(self, app: AsyncApp) -> None:
        app.action(PRESSED)(self.pressed)

    async def pressed(self, ack: Ack, body: Json) -> None:
        """Another page."""
        await ack()
        workspace = self._workspaces().find(str((body.get("team") or {}).get("id") or ""))
        if workspace is None:
            return
        told = json.loads((body.get("view") or {}).get("private_metadata") or "{}")
        await self.show(workspace, str(body["user"]["id"]), str(told.get("c") or ""), int(body["actions"][0]["value"]))

    async def show(self, workspace: Workspace, user: str, channel: str, offset: int = 0) -> None:
        """Publish it. Whatever goes wrong is in the log, and where it can be, in the tab.

        :param channel: the direct message with the person.
        :param offset: of the first document.
        """
        rights = await self._admins.rights(workspace, user)
        request = Request(f"{CHANNEL}:{channel}", f"{CHANNEL}:{user}", rights)
        try:
            view = home_view(await self._library.board(request, offset, DOCUMENTS), channel)
        except Exception as error:
            ref = reference()
            log.error("the home tab could not be filled", reference=ref, exc_info=error)  # noqa: TRY400
            view = _view([section(escape(wording.button_failed(ref)))], channel)
        try:
            await workspace.calls.call("views.publish", patience=PATIENCE_SECONDS, user_id=user, view=view)
        except (Refused, Unknown, Retry) as error:
            log.warning("the home tab could not be shown", cause=str(error))


def home_view(board: Board, channel: str) -> Json:
    """The whole tab. Pure. `channel` is the direct message of who sees it."""
    return _view(
        [
            section(WELCOME),
            *([context(f"You are shown what everybody sees. {board.rights.doubt}")] if board.rights.doubt else []),
            _header("Namespaces"),
            *_shelves(board.shelves),
            *_documents(board),
            *(_questions(board.unanswered) if board.rights.is_admin else ()),
        ],
        channel,
    )


def _view(blocks: Sequence[Json], channel: str) -> Json:
    return {"type": "home", "private_metadata": json.dumps({"c": channel}), "blocks": list(blocks[:VIEW_BLOCKS])}


def _shelves(shelves: Sequence[Shelf]) -> Iterator[Json]:
    texts = [f"*{mrkdwn_plain(each.namespace)}* · {mrkdwn_plain(' '.join(shelf_details(each)))}" for each in shelves]
    block = ""
    for text in texts:
        if block and len(block) + len(text) >= SECTION_TEXT:
            yield section(block)
            block = ""
        block = f"{block}\n{text}" if block else text
    if block:
        yield section(block)


def _documents(board: Board) -> Iterator[Json]:
    last = board.offset + len(board.documents)
    yield _header(f"Documents {board.offset + 1} to {last} of {board.total}" if board.documents else "Documents")
    if not board.documents:
        yield section("There are no documents so far. Admins add them with `/lore add`.")
    for each in board.documents:
        yield section(lines(each.title, about(each)))
    back, forth = max(0, board.offset - DOCUMENTS), board.offset + DOCUMENTS
    yield actions(
        *([button("Previous", "home:previous", str(back))] if board.offset else []),
        *([button("Next", "home:next", str(forth))] if forth < board.total else []),
        button("Refresh", "home:refresh", str(board.offset)),
    )


def _questions(unanswered: Sequence[Exchange]) -> Iterator[Json]:
    yield _header("Last questions without an answer")
    if not unanswered:
        yield section("There are none.")
    for each in unanswered:
        asked = mrkdwn_plain(clipped(each.question, _QUESTION))
        yield section(f"{asked}\n{mrkdwn_plain(each.answer.namespace)} · {each.asked_at:%Y-%m-%d %H:%M} UTC")
    if unanswered:
        yield context(f"{count(len(unanswered), 'question')} that the documents did not answer; only admins see this.")


def _header(text: str) -> Json:
    return {"type": "header", "text": plain(text, HEADER_TEXT)}

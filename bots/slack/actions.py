"""What people press and type besides messages: buttons, dialogs, the command, the shortcut, the agent view."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp

from bots.chat import wording
from bots.chat.board import Refused, Unknown
from bots.chat.desk import Desk, Retry
from bots.chat.incoming import Incoming
from bots.chat.kept import Kept
from bots.slack.blocks import Rendered, answer_messages, sentence
from bots.slack.events import CHANNEL, key_of
from bots.slack.manifest import COMMAND, SHORTCUT
from bots.slack.private import respond
from bots.slack.text import question_of
from bots.slack.views import feedback_view, passage_view
from bots.slack.workspaces import Workspace, Workspaces
from core.build import Record
from core.errors import LorekeeperError, NotFound
from core.log import reference
from core.ports import Documents
from core.store.inbox import Entry
from core.types import Feedback, Message, Reason, Thumb

Json = dict[str, Any]
Ack = Callable[..., Awaitable[Any]]
log = structlog.get_logger(__name__)


class Actions:
    """The listeners. Each acknowledges within Slack's three seconds, and answers everybody who presses something."""

    def __init__(
        self,
        workspaces: Callable[[], Workspaces],
        desk: Desk,
        record: Record,
        documents: Documents,
        session: aiohttp.ClientSession,
    ) -> None:
        self._workspaces = workspaces
        self._desk = desk
        self._record = record
        self._kept = Kept(record, documents)
        self._session = session

    def install(self, app: AsyncApp) -> None:
        app.command(COMMAND)(self.ask)
        app.shortcut(SHORTCUT)(self.answer_this)
        app.action("passage")(self.passage)
        app.action("feedback")(self.feedback)
        app.action("retry")(self.retry)
        app.action("share")(self.share)
        app.view("feedback_reason")(self.reason)

    async def ask(self, ack: Ack, body: Json) -> None:
        """`/ask question`: an answer that only the asker sees."""
        text = question_of(str(body.get("text") or ""), "")
        if not text:
            await ack(text=wording.HOW_TO_ASK)
            return
        channel, user = str(body["channel_id"]), str(body["user_id"])
        key = f"{CHANNEL}:command:{body['trigger_id']}"
        incoming = Incoming(
            # A thread of its own: what was asked in private is no part of anybody's conversation.
            Message(key, CHANNEL, channel, user, text, thread=key, addressed=True),
            is_direct=True,
            place={"team": str(body.get("team_id") or ""), "response_url": str(body["response_url"])},
        )
        try:
            await self._desk.accept(incoming.entry())
        except Exception as error:  # noqa: BLE001 - nobody delivers a command again, so the person is told
            await ack(text=_not_taken(error))
            return
        await ack(text=wording.LOOKING)

    async def answer_this(self, ack: Ack, body: Json) -> None:
        """The shortcut on a message: answers it in its thread."""
        message, channel = body.get("message") or {}, str(body["channel"]["id"])
        text = question_of(str(message.get("text") or ""), "")
        if not text or message.get("bot_id"):
            await ack()
            await self._tell(body, sentence(wording.NOTHING_TO_ANSWER))
            return
        ts, team = str(message["ts"]), str((body.get("team") or {}).get("id") or "")
        root = str(message.get("thread_ts") or ts)
        incoming = Incoming(
            Message(key_of(channel, ts), CHANNEL, channel, str(body["user"]["id"]), text, thread=root, addressed=True),
            is_direct=True,
            place={
                "team": team,
                "user_team": str((body.get("user") or {}).get("team_id") or team),
                "ts": ts,
                "root": root,
                "response_url": str(body.get("response_url") or ""),
            },
        )
        try:
            said = await self._pointed_to(incoming.entry())
        except Exception as error:  # noqa: BLE001 - as above
            said = _not_taken(error)
        await ack()
        await self._tell(body, sentence(said))

    async def _pointed_to(self, entry: Entry) -> str:
        """What to say to who pointed. A message that the bot stayed out of is known, and has no answer."""
        if await self._desk.accept(entry):
            return wording.ANSWERING_THERE
        known = await asyncio.to_thread(self._record.inbox.get, entry.key)
        if known is not None and known.reply:
            return wording.ALREADY_ANSWERED
        await self._desk.revise(entry, again=True)
        return wording.ANSWERING_THERE

    async def passage(self, ack: Ack, body: Json) -> None:
        """Shows a source of an answer in a dialog."""
        await ack()
        async with _Told(self, body):
            pressed = json.loads(body["actions"][0]["value"])
            view = passage_view(*await self._kept.source(pressed["a"], int(pressed["n"])))
            await self._workspace(body).calls.call("views.open", patience=2.5, trigger_id=body["trigger_id"], view=view)

    async def feedback(self, ack: Ack, body: Json) -> None:
        """A thumb; after one down, a dialog asks why."""
        await ack()
        async with _Told(self, body):
            thumb, _, answer_id = str(body["actions"][0]["value"]).partition(":")
            await self._kept.rate(Feedback(answer_id, Thumb(thumb), _rater(body)))
            if thumb == Thumb.UP:
                await self._tell(body, sentence(wording.THANK_YOU_FOR_FEEDBACK))
                return
            view = feedback_view(answer_id)
            await self._workspace(body).calls.call("views.open", patience=2.5, trigger_id=body["trigger_id"], view=view)

    async def reason(self, ack: Ack, body: Json) -> None:
        """The dialog after a thumb down."""
        view = body["view"]
        answer_id = json.loads(view["private_metadata"])["a"]
        given = {name: element for block in view["state"]["values"].values() for name, element in block.items()}
        chosen = (given.get("reason") or {}).get("selected_option") or {}
        reason = Reason(chosen["value"]) if chosen.get("value") else None
        comment = str((given.get("comment") or {}).get("value") or "")
        try:
            await self._kept.rate(Feedback(answer_id, Thumb.DOWN, _rater(body), reason, comment))
        except NotFound as error:
            await ack(response_action="errors", errors={"comment": error.message})
        except LorekeeperError as error:
            await ack(response_action="errors", errors={"comment": _not_taken(error)})
        else:
            await ack()

    async def retry(self, ack: Ack, body: Json) -> None:
        """Answers once more, in place."""
        await ack()
        async with _Told(self, body):
            entry = await asyncio.to_thread(self._record.inbox.get, str(body["actions"][0]["value"]))
            if entry is None or not entry.payload:
                raise NotFound(wording.GONE)
            if _is_private(body):
                # The address that Slack gave with the question may be used up.
                place = {**entry.payload["place"], "response_url": str(body["response_url"])}
                entry = replace(entry, payload={**entry.payload, "place": place})
            await self._desk.revise(entry, again=True)

    async def share(self, ack: Ack, body: Json) -> None:
        """Shows a private answer to the channel."""
        await ack()
        async with _Told(self, body):
            exchange = await self._kept.exchange(str(body["actions"][0]["value"]))
            asked = sentence(wording.shared(exchange.question))
            for message in (asked, *answer_messages(exchange.answer, private=False)):
                await respond(self._session, body["response_url"], _without_actions(message), to_all=True)

    def _workspace(self, body: Json) -> Workspace:
        found = self._workspaces().find(str((body.get("team") or {}).get("id") or body.get("team_id") or ""))
        if found is None:
            raise NotFound("This workspace is not known any more.")
        return found

    async def _tell(self, body: Json, message: Rendered) -> None:
        """To the person who pressed something, and nobody else."""
        url = str(body.get("response_url") or "")
        if not url:
            return
        try:
            await respond(self._session, url, message)
        except Retry as error:
            log.warning("a person could not be told", cause=str(error))


class _Told:
    """Whatever goes wrong inside is told to the person who pressed something."""

    def __init__(self, actions: Actions, body: Json) -> None:
        self._actions = actions
        self._body = body

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(error, NotFound):
            text = error.message
        else:
            ref = reference()
            is_slack = isinstance(error, Refused | Unknown | Retry)
            log.error(
                "a button failed",
                reference=ref,
                cause=str(error) if is_slack else "",
                exc_info=None if is_slack else error,
            )
            text = wording.button_failed(ref)
        await self._actions._tell(self._body, sentence(text))  # noqa: SLF001 - a part of it
        return True


def _without_actions(message: Rendered) -> Rendered:
    """Of a copy: what "Try again" would change is the private original."""
    return replace(message, blocks=tuple(block for block in message.blocks if block["type"] != "actions"))


def _not_taken(error: Exception) -> str:
    ref = reference()
    log.error("what somebody asked for was not taken", reference=ref, exc_info=error)
    return wording.button_failed(ref)


def _rater(body: Json) -> str:
    return f"{CHANNEL}:{body['user']['id']}"


def _is_private(body: Json) -> bool:
    return bool((body.get("container") or {}).get("is_ephemeral"))

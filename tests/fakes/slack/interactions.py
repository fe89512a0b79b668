"""What people do with the application's own things: buttons, dialogs, commands, shortcuts, the Home tab, the agent view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.slack import events as shapes
from tests.fakes.slack.chat import check_contents, new_message
from tests.fakes.slack.delivery import Delivery
from tests.fakes.slack.people import People
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.state import Json, Message, View, find_element
from tests.fakes.slack.views import check_view, pushed, replaced


class Interactions(People):
    async def command(self, command: str, text: str = "", *, user: str = "U1", channel: str = "C1") -> Delivery:
        """A slash command. What the acknowledgement says is shown to the user only, or to all for `in_channel`."""
        person, place = self.world.users[user], self.world.channels[channel]
        payload: Json = {
            "token": "verification-token",
            "team_id": place.team,
            "team_domain": self.installation(place.team).domain,
            "channel_id": channel,
            "channel_name": "directmessage" if place.kind == "D" else place.name,
            "user_id": user,
            "user_name": person.name,
            "command": command,
            "text": text,
            "api_app_id": shapes.APP,
            "is_enterprise_install": "false",
            "response_url": self.response_url(channel, user),
            "trigger_id": self.new_trigger(user, place.team),
        }

        def answered(body: Any) -> None:
            if isinstance(body, dict) and (body.get("text") or body.get("blocks")):
                self._shown(body, channel, user)

        return await self.deliver("slash_commands", payload, place.team, answered)

    def _shown(self, body: Json, channel: str, user: str) -> None:
        try:
            check_contents(body)
        except Refused as refused:
            self.violate("acknowledgement", refused.error, refused.detail)
            return
        self.note_pings("acknowledgement", body)
        place = self.world.channels[channel]
        message = new_message(self, self.installation(place.team), place, body)
        message.ephemeral_to = None if body.get("response_type") == "in_channel" else user
        self.remember(message)

    async def shortcut(self, callback_id: str, message: Message, *, user: str = "U1") -> Delivery:
        """From the menu of a message."""
        payload = self._interaction("message_action", user, message.team) | {
            "callback_id": callback_id,
            "message_ts": message.ts,
            "channel": self._channel(message.channel),
            "message": shapes.with_addresses(shapes.message_json(message), self.base),
            "response_url": self.response_url(message.channel, user, thread=message.thread_ts),
        }
        return await self.deliver("interactive", payload, message.team)

    async def press(self, message: Message, action_id: str, *, user: str = "U1", value: str | None = None) -> Delivery:
        """Press what has `action_id`: a button, one of two feedback buttons (`value`), an option of a menu (`value`).

        :raises LookupError: nothing visible has that id.
        """
        if message.deleted or message.ephemeral_to not in (None, user):
            raise LookupError("the message is not there for this person")
        block, element = message.element(action_id)
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.ephemeral_to is not None,
        }
        payload = self._interaction("block_actions", user, message.team) | {
            "container": container | ({"thread_ts": message.thread_ts} if message.thread_ts else {}),
            "channel": self._channel(message.channel),
            "state": {"values": {}},
            "response_url": self.response_url(message.channel, user, message, message.thread_ts),
            "actions": [self._action(block, element, value)],
        }
        # An ephemeral message is not kept at Slack, so it is not sent along.
        if message.ephemeral_to is None:
            payload["message"] = shapes.with_addresses(shapes.message_json(message), self.base)
        return await self.deliver("interactive", payload, message.team)

    async def press_in(self, view: View, action_id: str, *, value: str | None = None) -> Delivery:
        """Press a button in a dialog or on the Home tab."""
        block, element = find_element(view.payload["blocks"], action_id)
        payload = self._interaction("block_actions", view.user, view.team) | {
            "container": {"type": "view", "view_id": view.id},
            "view": shapes.view_json(view, self.installation(view.team)),
            "actions": [self._action(block, element, value)],
        }
        return await self.deliver("interactive", payload, view.team)

    async def submit(self, view: View, values: Mapping[str, Any] | None = None) -> Delivery:
        """Send a dialog. `values`: action_id to text, to the value of an option, or to the files of a `file_input`.

        The acknowledgement closes it, or holds errors, an update, a push.
        """
        if not view.open:
            raise LookupError("the dialog is closed")
        body = shapes.view_json(view, self.installation(view.team))
        body["state"] = {"values": shapes.with_addresses(_state(view.payload["blocks"], dict(values or {})), self.base)}
        payload = self._interaction("view_submission", view.user, view.team) | {"view": body, "response_urls": []}
        return await self.deliver("interactive", payload, view.team, lambda answer: self._submitted(view, answer))

    def _submitted(self, view: View, answer: Any) -> None:
        action = answer.get("response_action") if isinstance(answer, dict) else None
        try:
            if action == "errors":
                view.errors = dict(answer["errors"])
            elif action == "update":
                check_view(answer["view"], "modal")
                replaced(self, view, answer["view"])
            elif action == "push":
                check_view(answer["view"], "modal")
                pushed(self, view.user, view.team, answer["view"])
            elif action == "clear":
                for other in self.views(view.user):
                    other.open = False
            else:
                view.open = False
        except Refused as refused:
            self.violate("acknowledgement", refused.error, refused.detail)

    async def dismiss(self, view: View) -> Delivery | None:
        """Close a dialog; the application hears of it if it asked to."""
        view.open = False
        if not view.payload.get("notify_on_close"):
            return None
        payload = self._interaction("view_closed", view.user, view.team) | {
            "view": shapes.view_json(view, self.installation(view.team)),
            "is_cleared": False,
        }
        return await self.deliver("interactive", payload, view.team)

    async def open_home(self, user: str = "U1") -> None:
        await self._opened(user, "home")

    async def open_agent(self, user: str = "U1") -> str:
        """The agent view's messages tab.

        :returns: the direct message's id.
        """
        await self._opened(user, "messages")
        return self.dm(user)

    async def _opened(self, user: str, tab: str) -> None:
        team = self.world.users[user].team
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "channel": self.dm(user),
            "tab": tab,
            "event_ts": self.world.new_ts(self.clock.now()),
        }
        home = self.world.homes.get(user)
        if tab == "home" and home is not None:
            event["view"] = shapes.view_json(home, self.installation(team))
        await self.emit(team, event)

    async def start_assistant(self, user: str = "U1", *, from_channel: str = "C1") -> str:
        """The older assistant view is opened.

        :returns: the thread's ts.
        """
        team = self.world.users[user].team
        thread = self.world.new_ts(self.clock.now())
        opened = {
            "user_id": user,
            "context": {"channel_id": from_channel, "team_id": team, "enterprise_id": None},
            "channel_id": self.dm(user),
            "thread_ts": thread,
        }
        await self.emit(team, {"type": "assistant_thread_started", "assistant_thread": opened, "event_ts": thread})
        return thread

    async def look_at(self, user: str, channel: str) -> None:
        """`app_context_changed`: with the agent view open, the user goes to a channel."""
        team = self.world.users[user].team
        entity = {"type": "slack#/types/channel_id", "value": channel, "team_id": team}
        event = {
            "type": "app_context_changed",
            "user": user,
            "channel": self.dm(user),
            "context": {"entities": [entity]},
            "event_ts": self.world.new_ts(self.clock.now()),
        }
        await self.emit(team, event)

    async def stop(self, message: Message, *, user: str = "U1") -> None:
        """The native Stop button on the answer to `message`: Slack ends the thread's running streams.

        The session's state stays: taking it out of `processing` is the application's business.
        """
        running = [one for one in self.replies(message) if one.stream and one.stream.state == "streaming"]
        for reply in running:
            if reply.stream is not None:
                reply.stream.state = "stopped_by_user"
        event = {
            "type": "agent_session_stopped",
            "user": user,
            "channel": message.channel,
            "thread_ts": message.root,
            "streaming_message_ts": [reply.ts for reply in running],
            "event_ts": self.world.new_ts(self.clock.now()),
        }
        await self.emit(message.team, event)

    def expire(self, message: Message) -> None:
        """Its stream was idle for too long."""
        if message.stream is not None:
            message.stream.state = "expired"

    def _interaction(self, kind: str, user: str, team: str) -> Json:
        person = self.world.users[user]
        return {
            "type": kind,
            "token": "verification-token",
            "api_app_id": shapes.APP,
            "team": {"id": team, "domain": self.installation(team).domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user, "username": person.name, "name": person.name, "team_id": person.team},
            "trigger_id": self.new_trigger(user, team),
            "action_ts": self.world.new_ts(self.clock.now()),
        }

    def _channel(self, channel: str) -> Json:
        place = self.world.channels[channel]
        return {"id": channel, "name": {"D": "directmessage", "G": "privategroup"}.get(place.kind, place.name)}

    def _action(self, block: Json, element: Json, value: str | None) -> Json:
        action: Json = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block.get("block_id", "generated"),
            "action_ts": self.world.new_ts(self.clock.now()),
        }
        kind = element["type"]
        if kind == "feedback_buttons":
            values = [element[name]["value"] for name in ("positive_button", "negative_button")]
            if value not in values:
                raise LookupError(f"feedback is one of {values}")
            return action | {"value": value}
        if kind in ("static_select", "overflow", "radio_buttons"):
            return action | {"selected_option": _option(element, str(value))}
        if kind in ("button", "icon_button"):
            return action | {name: element[name] for name in ("value", "text", "url") if name in element}
        return action | {"value": value}


def _option(element: Json, value: str) -> Json:
    for option in element.get("options", ()):
        if option["value"] == value:
            return dict(option)
    raise LookupError(f"no option {value!r}")


def _state(blocks: list[Json], values: Json) -> Json:
    state: Json = {}
    for index, block in enumerate(blocks):
        element = block.get("element") if block.get("type") == "input" else None
        if element is None:
            continue
        action_id = element.get("action_id", f"action-{index}")
        value = values.pop(action_id, element.get("initial_value"))
        if value is None and not block.get("optional") and "initial_option" not in element:
            raise LookupError(f"{action_id} must be filled in before the dialog can be sent")
        state.setdefault(block.get("block_id", f"block-{index}"), {})[action_id] = _entered(element, value)
    if values:
        raise LookupError(f"the dialog has no {sorted(values)}")
    return state


def _entered(element: Json, value: Any) -> Json:
    kind = element["type"]
    if kind in ("static_select", "radio_buttons"):
        chosen = element.get("initial_option") if value is None else _option(element, str(value))
        return {"type": kind, "selected_option": chosen}
    if kind == "checkboxes":
        return {"type": kind, "selected_options": [_option(element, one) for one in value or ()]}
    if kind == "file_input":
        if len(value or ()) > int(element.get("max_files", 10)):
            raise LookupError("the dialog takes no more files")
        return {"type": kind, "files": [shapes.file_stub(file) for file in value or ()]}
    if kind.endswith("_select"):
        return {"type": kind, f"selected_{kind.removeprefix('multi_').split('_')[0].removesuffix('s')}": value}
    return {"type": kind, "value": value}

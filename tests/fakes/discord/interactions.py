"""What people do with the application's own things: commands, menus, buttons, selects, dialogs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from nacl.signing import SigningKey

from tests.fakes.discord import options, shapes
from tests.fakes.discord import permissions as may
from tests.fakes.discord.callbacks import answered
from tests.fakes.discord.commands import CHAT, MESSAGE
from tests.fakes.discord.components import BUTTON, LINK, SELECTS, STRING_SELECT
from tests.fakes.discord.delivery import Answer, HttpEndpoint, post
from tests.fakes.discord.filling import filled
from tests.fakes.discord.message_shapes import message_json
from tests.fakes.discord.people import People
from tests.fakes.discord.refusals import Refused
from tests.fakes.discord.state import Channel, Interaction, Json, Message, Modal, User
from tests.fakes.discord.verification import tried


class Interactions(People):
    def command(self, name: str, user: User, channel: Channel, kind: int = CHAT) -> Json:
        """:raises LookupError: there is no such command, or that person does not see it there."""
        guild = channel.guild
        places = [guild.id, None] if guild is not None else [None]
        known = [one for place in places for one in self.world.commands.get(place, {}).values() if one["type"] == kind]
        shown = [one for one in known if self._is_shown(one, user, channel)]
        for one in shown:
            if one["name"] == name:
                return one
        raise LookupError(f"{user.name} has no command {name!r} there, of {[one['name'] for one in shown]}")

    def _is_shown(self, command: Json, user: User, channel: Channel) -> bool:
        contexts = command.get("contexts")
        if channel.guild is None:
            return 1 in contexts if contexts is not None else bool(command["dm_permission"])
        allowed, wanted = may.permissions(user, channel), command["default_member_permissions"]
        if (contexts is not None and 0 not in contexts) or not allowed & may.USE_APPLICATION_COMMANDS:
            return False
        if wanted is None:
            return True
        # 0 is for administrators only.
        return allowed & int(wanted) == int(wanted) and (int(wanted) != 0 or allowed == may.ALL)

    async def slash(self, user: User, channel: Channel, command: str, **values: Any) -> Interaction:
        """A slash command with its subcommands, as in `lore add`; values may be text, numbers, `File`, `User`, `Channel`.

        :raises LookupError: there is no such command or option, or a value that Discord would not let through.
        """
        name, *inner = command.split()
        registered = self.command(name, user, channel)
        data = options.chosen(self, registered, inner, values)
        return await self._done(Interaction.COMMAND, user, channel, data)

    async def autocomplete(
        self, user: User, channel: Channel, command: str, option: str, text: str = "", **values: Any
    ) -> list[Json]:
        """What is offered while `text` is typed into an option; [] where nothing came in time.

        :raises LookupError: as `slash`, and where the option offers nothing.
        """
        name, *inner = command.split()
        registered = self.command(name, user, channel)
        data = options.chosen(self, registered, inner, values | {option: text}, focused=option)
        interaction = await self._done(Interaction.AUTOCOMPLETE, user, channel, data)
        try:
            await self.until(lambda: interaction.acked, 3.0)
        except TimeoutError:
            return []
        return interaction.choices

    async def menu(self, user: User, message: Message, name: str) -> Interaction:
        """A command from the menu of a message."""
        registered = self.command(name, user, message.channel, MESSAGE)
        data: Json = {
            "id": registered["id"],
            "name": name,
            "type": MESSAGE,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): message_json(message, self.base)}},
        }
        if "guild_id" in registered:
            data["guild_id"] = registered["guild_id"]
        return await self._done(Interaction.COMMAND, user, message.channel, data)

    async def press(self, user: User, message: Message, custom_id: str = "", *, label: str = "") -> Interaction:
        """Press a button, by its custom_id or by what it says.

        :raises LookupError: that person sees no such button, or cannot press it.
        """
        component = self._reachable(user, message, custom_id, label)
        if component["type"] != BUTTON or component.get("style") == LINK:
            raise LookupError("not a button that tells the application")
        data = {"component_type": BUTTON, "custom_id": component["custom_id"], "id": component.get("id", 1)}
        return await self._done(Interaction.COMPONENT, user, message.channel, data, message)

    async def choose(self, user: User, message: Message, custom_id: str, *values: str) -> Interaction:
        """Choose options of a select.

        :raises LookupError: that person sees no such select, or it has no such options, or takes another number of them.
        """
        component = self._reachable(user, message, custom_id, "")
        if component["type"] not in SELECTS:
            raise LookupError("not a select")
        if component["type"] == STRING_SELECT:
            known = [option["value"] for option in component["options"]]
            if not set(values) <= set(known):
                raise LookupError(f"no options {values}, of {known}")
        least, most = component.get("min_values", 1), component.get("max_values", 1)
        if not least <= len(values) <= most:
            raise LookupError(f"between {least} and {most} options can be chosen")
        data = {"component_type": component["type"], "custom_id": custom_id, "values": list(values)}
        return await self._done(Interaction.COMPONENT, user, message.channel, data, message)

    def _reachable(self, user: User, message: Message, custom_id: str, label: str) -> Json:
        seen = may.sees(user, message.channel) and message.ephemeral_to in (None, user)
        if message.deleted or not seen:
            raise LookupError(f"{user.name} does not see that message")
        component = message.component(custom_id, label=label)
        if component.get("disabled"):
            raise LookupError("it is disabled")
        return component

    async def submit(self, modal: Modal, values: Mapping[str, Any] | None = None) -> Interaction:
        """Send a dialog. `values`: custom_id to text, to the values of a select, or to files.

        :raises LookupError: it is closed, something required is missing, or a value does not fit.
        """
        if not modal.open:
            raise LookupError("the dialog is closed")
        before = modal.interaction
        components, resolved = filled(self, modal, dict(values or {}))
        data: Json = {"custom_id": modal.custom_id, "components": components}
        data |= {"resolved": resolved} if resolved else {}
        modal.open = False
        return await self._done(Interaction.MODAL, modal.user, before.channel, data, before.message, before)

    def dismiss(self, modal: Modal) -> None:
        """Close a dialog; the application does not hear of it."""
        modal.open = False

    # On the way

    async def _done(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: Json,
        message: Message | None = None,
        parent: Interaction | None = None,
    ) -> Interaction:
        identity = self.new_id()
        token = f"aW50ZXJhY3Rpb246{identity}"
        interaction = Interaction(identity, token, kind, user, channel, data, self.clock.now(), message, parent=parent)
        self.world.interactions[identity] = interaction
        body = shapes.interaction_json(interaction, self.application, self.size_limit)
        if message is not None:
            body["message"] = message_json(message, self.base)
        interaction.sent = time.monotonic()
        if self.http is None:
            self.emit("INTERACTION_CREATE", body, channel.guild)
        else:
            self.spawn(self._post(interaction, body, self.http))
        return interaction

    async def _post(self, interaction: Interaction, body: Json, endpoint: HttpEndpoint) -> None:
        assert self.session is not None
        answer = await post(self.session, endpoint, body, self.key)
        interaction.statuses.append(answer.status)
        said = answer.payload()
        # 202 promises an answer by the callback's address; 0 is nobody there, or nobody in time.
        if answer.status not in (0, 202):
            try:
                answered(self, interaction, said if isinstance(said, dict) else {}, {}, "interactions by HTTP")
            except Refused as refused:
                if refused.violation:
                    self.violate("interactions by HTTP", f"{answer.status} {refused.code}", refused.detail())
        self.pulse()

    async def post_raw(
        self,
        payload: Json | bytes,
        *,
        key: SigningKey | None = None,
        age_s: float = 0.0,
        signature: str | None = None,
        signed: bool = True,
    ) -> Answer:
        """One request by HTTP, whose signature may be wrong, old or missing."""
        if self.http is None or self.session is None:
            raise RuntimeError("set `http` first")
        return await post(
            self.session, self.http, payload, key or self.key, age_s=age_s, signature=signature, signed=signed
        )

    async def verify_url(self) -> tuple[Answer, Answer]:
        """What Discord asks when the address is entered: a PING, and one with a wrong signature (must be 401)."""
        if self.http is None:
            raise RuntimeError("set `http` first")
        return await tried(self, self.http)

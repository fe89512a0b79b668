"""What people do in the workspace: talk, edit, delete, react, send files, come and go."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.slack import events as shapes
from tests.fakes.slack.chat import direct_channel, forget
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Channel, File, Installation, Json, Message, User


class People(Stage):
    """A workspace T1 with ann (U1), ben (U2) and an admin (UADMIN), in #general (C1), #random (C2) and a private G1."""

    team = "T1"

    def furnish(self) -> None:
        self.add_workspace("T1", "acme", bot="UBOT")
        for identity, name in (("U1", "ann"), ("U2", "ben")):
            self.add_user(identity, name)
        self.add_user("UADMIN", "olga", is_admin=True)
        everyone = ("U1", "U2", "UADMIN")
        for identity, name, kind in (("C1", "general", "C"), ("C2", "random", "C"), ("G1", "board", "G")):
            self.add_channel(identity, name, kind=kind, people=everyone)

    @property
    def bot(self) -> Installation:
        """The application in T1."""
        return self.installation(self.team)

    def add_workspace(self, team: str, domain: str, *, bot: str) -> Installation:
        install = Installation(team, f"xoxb-{team}-bot", bot, f"B{bot[1:]}", domain)
        self.world.installations[team] = install
        self.world.users[bot] = User(bot, "lorekeeper", team, is_bot=True)
        return install

    def add_user(
        self,
        identity: str,
        name: str,
        team: str = "T1",
        *,
        is_admin: bool = False,
        is_bot: bool = False,
        is_stranger: bool = False,
    ) -> User:
        """A person, with a direct message to the bot (see `dm`)."""
        user = User(identity, name, team, is_admin=is_admin, is_bot=is_bot, is_stranger=is_stranger)
        self.world.users[identity] = user
        return user

    def add_channel(
        self,
        identity: str,
        name: str,
        team: str = "T1",
        *,
        kind: str = "C",
        people: Sequence[str] = (),
        with_bot: bool = True,
        shared: bool = False,
    ) -> Channel:
        members = {*people, *([self.installation(team).bot_user] if with_bot else [])}
        channel = Channel(identity, name, team, kind, members, shared=shared)
        self.world.channels[identity] = channel
        return channel

    def dm(self, user: str) -> str:
        """The id of the direct message between the user and the bot."""
        install = self.installation(self.world.users[user].team)
        return direct_channel(self, install, [user]).id

    def offer_install(self, team: str = "T1", *, rotating: bool = False) -> str:
        """Somebody agreed to install the application: the code that comes to the redirect address."""
        if rotating:
            install = self.installation(team)
            install.refresh_token = self.world.new_id("xoxe-1-")
            install.expires_at = self.clock.now() + 43_200
        code = self.world.new_id("code.")
        self.codes[code] = team
        return code

    async def say(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        thread: Message | str | None = None,
        files: Sequence[File] = (),
        broadcast: bool = False,
        bot_id: str | None = None,
        subtype: str | None = None,
    ) -> Message:
        """Post as a person, in Slack's wire format; `<@BOT>` tags the bot. `bot_id` makes it another application.

        Emits `app_mention` where the bot is tagged in a channel that it is in, and the `message` event.
        """
        place = self.world.channels[channel]
        text = text.replace("<@BOT>", f"<@{self.installation(place.team).bot_user}>")
        thread_ts = thread.root if isinstance(thread, Message) else thread
        message = Message(
            channel=channel,
            ts=self.world.new_ts(self.clock.now()),
            user=user,
            text=text,
            team=place.team,
            thread_ts=thread_ts,
            blocks=shapes.rich_text(text) if text else [],
            files=list(files),
            bot_id=bot_id,
            subtype=subtype or ("file_share" if files else "thread_broadcast" if broadcast else None),
            broadcast=broadcast,
        )
        place.members.add(user)
        for file in files:
            file.channels.add(channel)
        self.remember(message)
        await self._told(message, place)
        return message

    async def _told(self, message: Message, place: Channel) -> None:
        install = self.installation(place.team)
        if install.bot_user not in place.members:
            return
        events: list[Json] = []
        if place.kind != "D" and f"<@{install.bot_user}>" in message.text:
            events.append(shapes.mention_event(message))
        await self.emit(place.team, *events, shapes.message_event(message, place))
        for file in message.files:
            await self.emit(place.team, shared_event(file, message))

    async def edit(self, message: Message, text: str) -> None:
        """As a person does: `message_changed`."""
        place = self.channel_of(message)
        before = shapes.message_json(message)
        message.edits.append(message.text)
        message.text = text.replace("<@BOT>", f"<@{self.installation(place.team).bot_user}>")
        message.blocks = shapes.rich_text(message.text)
        if self.installation(place.team).bot_user in place.members:
            ts = self.world.new_ts(self.clock.now())
            await self.emit(place.team, shapes.changed_event(message, before, place, ts))

    async def delete(self, message: Message) -> None:
        await forget(self, message)

    async def react(self, user: str, message: Message, name: str, *, remove: bool = False) -> None:
        users = message.reactions.setdefault(name, set())
        (users.discard if remove else users.add)(user)
        ts = self.world.new_ts(self.clock.now())
        event = {
            "type": "reaction_removed" if remove else "reaction_added",
            "user": user,
            "reaction": name,
            "item_user": message.user,
            "item": {"type": "message", "channel": message.channel, "ts": message.ts},
            "event_ts": ts,
        }
        await self.emit(message.team, event)

    def file(
        self, name: str, content: bytes, *, mimetype: str = "application/pdf", user: str = "U1", connect: bool = False
    ) -> File:
        """A file to be sent with `say(..., files=[...])`."""
        team = self.world.users[user].team
        file = File(self.world.new_id("F"), name, mimetype, content, user, team, connect=connect)
        self.world.files[file.id] = file
        return file

    async def join(self, user: str, channel: str, inviter: str | None = None) -> None:
        """`user` comes into the channel; may be the bot."""
        place = self.world.channels[channel]
        place.members.add(user)
        event: Json = {
            "type": "member_joined_channel",
            "user": user,
            "channel": channel,
            "channel_type": place.kind,
            "team": place.team,
            "event_ts": self.world.new_ts(self.clock.now()),
        }
        await self.emit(place.team, event | ({"inviter": inviter} if inviter else {}))

    async def uninstall(self, team: str = "T1") -> None:
        """The application is removed: its tokens end, and both events come."""
        install = self.installation(team)
        install.revoked = True
        revoked: Json = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [install.bot_user]}}
        await self.emit(team, revoked, {"type": "app_uninstalled"})


def shared_event(file: File, message: Message) -> Json:
    return {
        "type": "file_shared",
        "file_id": file.id,
        "user_id": message.user,
        "file": {"id": file.id},
        "channel_id": message.channel,
        "event_ts": message.ts,
    }

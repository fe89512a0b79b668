"""What people do: talk, edit, delete, react, send files, start threads and posts."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence

from tests.fakes.discord import permissions as may
from tests.fakes.discord import threads
from tests.fakes.discord.contents import placed, resolve_mentions
from tests.fakes.discord.guilds import Guilds
from tests.fakes.discord.messages import post, reacted, refer, removed
from tests.fakes.discord.state import Channel, File, Json, Message, User, Version


class People(Guilds):
    def file(self, name: str, content: bytes, *, announced: int | None = None) -> File:
        """Something to attach. `announced`: the size that Discord says."""
        kind = mimetypes.guess_type(name)[0]
        now = self.clock.now()
        file = File(self.world.new_id(now), name, content, kind, announced=announced, signed_at=now)
        self.world.files[file.id] = file
        return file

    async def say(
        self,
        user: User,
        channel: Channel,
        text: str = "",
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        files: Sequence[File] = (),
        forward: Message | None = None,
        embeds: Sequence[Json] = (),
        webhook: bool = False,
        kind: int = 0,
        ago_s: float = 0.0,
    ) -> Message:
        """Post as a person or another bot, in Discord's notation; `<@BOT>` tags the bot.

        :param ping: a reply tags its author, as it does unless the person switches that off.
        :param webhook: it comes by a webhook, whose author is no member.
        :param kind: another type of message, as 7 for somebody who joined.
        :param ago_s: it was said so long ago, which its id tells as well.
        :raises PermissionError: that person cannot post there.
        """
        if not webhook and not may.permissions(user, channel) & may.sending(channel):
            raise PermissionError(f"{user.name} cannot post in {channel.name}")
        message = self._written(user, channel, self._tagged(text), ago_s)
        message.type = kind
        message.files = placed(self, channel, files)
        message.embeds = list(embeds)
        message.webhook = user.id if webhook else None
        if reply_to is not None or forward is not None:
            refer(self, message, reply_to or forward, forward=forward is not None)  # type: ignore[arg-type]
        resolve_mentions(message, None if ping else {"parse": ["users", "roles", "everyone"], "replied_user": False})
        post(self, message)
        return message

    def _written(self, user: User, channel: Channel, text: str, ago_s: float = 0.0) -> Message:
        now = self.clock.now() - ago_s
        return Message(self.world.new_id(now), channel, user, text, now)

    def _tagged(self, text: str) -> str:
        return text.replace("<@BOT>", self.bot.mention)

    async def edit(self, message: Message, text: str) -> None:
        """As its author does."""
        message.edits.append(Version(self.clock.now(), message.content, message.embeds, message.components))
        message.content, message.edited = self._tagged(text), self.clock.now()
        resolve_mentions(message)
        self.announce(message, "MESSAGE_UPDATE")

    async def unfurl(self, message: Message, *embeds: Json) -> None:
        """Discord adds embeds for the links in it: an update that is no edit."""
        message.embeds = [*message.embeds, *embeds]
        self.announce(message, "MESSAGE_UPDATE")

    async def delete(self, message: Message) -> None:
        removed(self, message)

    async def delete_many(self, messages: Sequence[Message]) -> None:
        """At once, as moderators do; all of one channel."""
        channel = messages[0].channel
        for message in messages:
            message.deleted = True
        body: Json = {"ids": [str(one.id) for one in messages], "channel_id": str(channel.id)}
        body |= {"guild_id": str(channel.guild.id)} if channel.guild else {}
        self.emit("MESSAGE_DELETE_BULK", body, channel.guild, channel=channel)

    async def react(self, user: User, message: Message, emoji: str, *, gone: bool = False) -> None:
        reacted(self, message, user, emoji, gone=gone)

    async def start_thread(self, user: User, place: Channel | Message, name: str, *, private: bool = False) -> Channel:
        """From a message, or on its own in a channel."""
        kind = Channel.PRIVATE_THREAD if private else Channel.THREAD
        if isinstance(place, Message):
            return threads.started(self, place.channel, name, user, message=place)
        return threads.started(self, place, name, user, kind=kind)

    async def post(
        self,
        user: User,
        forum: Channel,
        title: str,
        text: str,
        *,
        tags: Sequence[str] = (),
        files: Sequence[File] = (),
    ) -> Channel:
        """A post in a forum; its first message has the post's id."""
        chosen = [tag for tag in forum.tags if tag.name in tags]
        thread = threads.started(self, forum, title, user, tags=chosen)
        message = self._written(user, thread, self._tagged(text))
        message.id = thread.id
        message.files = placed(self, thread, files)
        resolve_mentions(message)
        self.remember(message)
        self.announce(message)
        return thread

    def starter(self, post: Channel) -> Message:
        """The first message of a post."""
        return self.world.messages[post.id]

    async def archive(self, thread: Channel, *, locked: bool = False) -> None:
        threads.changed(self, thread, archived=True, locked=locked or None)

    async def retag(self, post: Channel, *tags: str) -> None:
        assert post.parent is not None
        threads.changed(self, post, tags=[tag for tag in post.parent.tags if tag.name in tags])

    async def rename(self, thread: Channel, name: str) -> None:
        threads.changed(self, thread, name=name)

    async def add_to_thread(self, thread: Channel, user: User) -> None:
        threads.joined(self, thread, user)

    def archive_idle(self) -> list[Channel]:
        """Archive the threads in which nothing happened for as long as they are set to, by the clock."""
        return threads.archive_idle(self)

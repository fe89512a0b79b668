"""The furniture: guilds, channels, members and their rights; and how all that changes under a running bot."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.discord import intents, shapes
from tests.fakes.discord import permissions as may
from tests.fakes.discord.channels import direct_channel, gone
from tests.fakes.discord.clock import Clock
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Application, Channel, Guild, Member, Overwrite, Role, Tag, User

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.loopback.discord-bot-token"
# What an invite link of a bot that answers questions asks for.
BOT = (
    may.VIEW_CHANNEL
    | may.SEND_MESSAGES
    | may.SEND_MESSAGES_IN_THREADS
    | may.CREATE_PUBLIC_THREADS
    | may.EMBED_LINKS
    | may.ATTACH_FILES
    | may.READ_MESSAGE_HISTORY
    | may.ADD_REACTIONS
    | may.MANAGE_THREADS
)


class Guilds(Stage):
    """A guild with ann, ben and olga, who manages it; in #general, #random, a private #board and a forum #questions."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.olga = self.add_user("olga")
        bot = self.add_user("lorekeeper", bot=True)
        self.application = Application(
            id=bot.id,
            name="Lorekeeper",
            user=bot,
            token=TOKEN,
            verify_key=self.key.verify_key.encode().hex(),
            owner=self.olga,
            intents=intents.MESSAGE_CONTENT | intents.GUILD_MEMBERS,
            # The limited forms of these two intents, which applications in few guilds get.
            flags=1 << 19 | 1 << 15,
        )
        self.ann, self.ben = self.add_user("ann"), self.add_user("ben")
        self.guild = self.add_guild("acme")
        self.general = self.add_channel("general")
        self.random = self.add_channel("random")
        self.board = self.add_channel("board", private_to=[self.olga])
        self.forum = self.add_channel("questions", kind=Channel.FORUM, tags=["open", "answered"])

    @property
    def token(self) -> str:
        return self.application.token

    @property
    def bot_role(self) -> Role:
        """The bot's own role in the first guild; its permissions are what the invite asked for."""
        return self.guild.members[self.bot.id].roles[0]

    def new_id(self) -> int:
        return self.world.new_id(self.clock.now())

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.new_id(), name, bot)
        self.world.users[user.id] = user
        return user

    def add_guild(self, name: str, *, shard: tuple[int, int] | None = None, people: Sequence[User] = ()) -> Guild:
        """With the bot, olga, and `people` or else ann and ben; connected applications hear of it.

        :param shard: the guild's id falls to this shard of so many.
        """
        identity = self.new_id()
        while shard is not None and (identity >> 22) % shard[1] != shard[0]:
            identity += 1 << 22
        guild = Guild(identity, name, self.olga)
        guild.roles[identity] = Role(identity, "@everyone", may.EVERYONE, position=0)
        self.world.guilds[identity] = guild
        for user in [self.olga, *(people or (self.ann, self.ben))]:
            self._admitted(guild, user)
        self.invite_bot(guild)
        return guild

    def _admitted(self, guild: Guild, user: User) -> Member:
        member = guild.members[user.id] = Member(user, joined=self.clock.now())
        return member

    def invite_bot(self, guild: Guild, permissions: int = BOT) -> None:
        role = Role(self.new_id(), "lorekeeper", permissions, managed=True)
        guild.roles[role.id] = role
        self._admitted(guild, self.bot).roles.append(role)
        self.emit("GUILD_CREATE", self.guild_create(guild), guild)

    def kick_bot(self, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        self.emit("GUILD_DELETE", {"id": str(guild.id)}, guild)
        del guild.members[self.bot.id]

    def outage(self, guild: Guild | None = None, *, over: bool = False) -> None:
        """A guild becomes unavailable for a while, which is no kick."""
        guild = guild or self.guild
        if over:
            self.emit("GUILD_CREATE", self.guild_create(guild), guild)
        else:
            self.emit("GUILD_DELETE", {"id": str(guild.id), "unavailable": True}, guild)

    def add_member(self, user: User, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        member = self._admitted(guild, user)
        self.emit("GUILD_MEMBER_ADD", shapes.member_json(member) | {"guild_id": str(guild.id)}, guild)

    def remove_member(self, user: User, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        del guild.members[user.id]
        body = {"guild_id": str(guild.id), "user": shapes.user_json(user)}
        self.emit("GUILD_MEMBER_REMOVE", body, guild)

    def add_role(
        self, name: str, permissions: int = 0, *, people: Sequence[User] = (), guild: Guild | None = None
    ) -> Role:
        guild = guild or self.guild
        role = Role(self.new_id(), name, permissions, position=len(guild.roles))
        guild.roles[role.id] = role
        body = {"guild_id": str(guild.id), "role": shapes.role_json(role)}
        self.emit("GUILD_ROLE_CREATE", body, guild)
        for user in people:
            self.give_role(user, role, guild)
        return role

    def give_role(self, user: User, role: Role, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        guild.members[user.id].roles.append(role)
        self._member_changed(user, guild)

    def take_role(self, user: User, role: Role, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        guild.members[user.id].roles.remove(role)
        self._member_changed(user, guild)

    def _member_changed(self, user: User, guild: Guild) -> None:
        body = shapes.member_json(guild.members[user.id]) | {"guild_id": str(guild.id)}
        self.emit("GUILD_MEMBER_UPDATE", body, guild)

    def set_permissions(self, role: Role, permissions: int, guild: Guild | None = None) -> None:
        guild = guild or self.guild
        role.permissions = permissions
        self.emit("GUILD_ROLE_UPDATE", {"guild_id": str(guild.id), "role": shapes.role_json(role)}, guild)

    def add_channel(
        self,
        name: str,
        guild: Guild | None = None,
        *,
        kind: int = Channel.TEXT,
        private_to: Sequence[User] | None = None,
        tags: Sequence[str] = (),
        tag_required: bool = False,
    ) -> Channel:
        """`private_to`: only these see it, and the bot."""
        guild = guild or self.guild
        channel = Channel(
            self.new_id(), kind, name, guild, position=len(self.world.channels), tag_required=tag_required
        )
        channel.tags = [Tag(self.new_id(), tag) for tag in tags]
        if private_to is not None:
            channel.overwrites[guild.id] = Overwrite(0, deny=may.VIEW_CHANNEL)
            for user in [*private_to, self.bot]:
                channel.overwrites[user.id] = Overwrite(1, allow=may.VIEW_CHANNEL)
        self.world.channels[channel.id] = channel
        self.emit("CHANNEL_CREATE", shapes.channel_json(channel), guild, channel=channel)
        return channel

    def overwrite(self, channel: Channel, whom: Role | User, *, allow: int = 0, deny: int = 0) -> None:
        """Change somebody's rights in a channel, as with `deny=VIEW_CHANNEL` for `self.bot`."""
        channel.overwrites[whom.id] = Overwrite(0 if isinstance(whom, Role) else 1, allow, deny)
        self.emit("CHANNEL_UPDATE", shapes.channel_json(channel), channel.guild)

    def delete_channel(self, channel: Channel) -> None:
        gone(self, channel)

    def dm(self, user: User) -> Channel:
        """The direct message between the person and the bot."""
        return direct_channel(self, user)

    async def revoke_token(self) -> None:
        """As when its owner resets it: requests get 401, and the gateway closes with 4004."""
        self.revoked = True
        await self.gateway.close(4004, ended=True)

"""The JSON of people, guilds, channels and commands, in the shapes that Discord sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.fakes.discord.permissions import permissions
from tests.fakes.discord.state import Application, Channel, Guild, Interaction, Json, Member, Overwrite, Role, Tag, User


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def user_json(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.name,
        "global_name": None if user.bot else user.name.title(),
        "discriminator": "0" if not user.bot else "4242",
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "avatar_decoration_data": None,
        "primary_guild": None,
    }


def member_json(member: Member, *, with_user: bool = True) -> Json:
    body: Json = {
        "nick": member.nick,
        "avatar": None,
        "roles": [str(role.id) for role in member.roles],
        "joined_at": moment(member.joined),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    return body | ({"user": user_json(member.user)} if with_user else {})


def role_json(role: Role) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(role.permissions),
        "position": role.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "managed": role.managed,
        "mentionable": role.mentionable,
        "flags": 0,
    }


def _overwrite(target: int, overwrite: Overwrite) -> Json:
    return {
        "id": str(target),
        "type": overwrite.type,
        "allow": str(overwrite.allow),
        "deny": str(overwrite.deny),
    }


def tag_json(tag: Tag) -> Json:
    return {"id": str(tag.id), "name": tag.name, "moderated": tag.moderated, "emoji_id": None, "emoji_name": None}


def channel_json(channel: Channel, bot: User | None = None) -> Json:
    """:param bot: whose membership of a thread is told as well."""
    body: Json = {
        "id": str(channel.id),
        "type": channel.kind,
        "last_message_id": str(channel.last_message) if channel.last_message else None,
        "flags": 1 << 4 if channel.tag_required else 0,
    }
    if channel.guild is None:
        others = [user_json(user) for user in channel.recipients if user is not bot]
        return body | {"recipients": others}
    body |= {"guild_id": str(channel.guild.id), "name": channel.name, "rate_limit_per_user": 0, "nsfw": False}
    if channel.is_thread:
        return body | _thread(channel, bot)
    body |= {
        "position": channel.position,
        "parent_id": None,
        "topic": channel.topic,
        "permission_overwrites": [_overwrite(*one) for one in channel.overwrites.items()],
        "default_auto_archive_duration": channel.archive_minutes,
    }
    if channel.kind == Channel.FORUM:
        body |= {
            "available_tags": [tag_json(tag) for tag in channel.tags],
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
            "template": "",
        }
    return body


def _thread(thread: Channel, bot: User | None) -> Json:
    assert thread.parent is not None
    assert thread.owner is not None
    body: Json = {
        "parent_id": str(thread.parent.id),
        "owner_id": str(thread.owner.id),
        "message_count": thread.said,
        "total_message_sent": thread.said,
        "member_count": min(len(thread.members), 50),
        "applied_tags": [str(tag.id) for tag in thread.applied_tags],
        "thread_metadata": {
            "archived": thread.archived,
            "archive_timestamp": moment(thread.archived_at or thread.created),
            "auto_archive_duration": thread.archive_minutes,
            "locked": thread.locked,
            "create_timestamp": moment(thread.created),
        },
    }
    if bot is not None and bot.id in thread.members:
        body["member"] = thread_member_json(thread, bot.id)
    return body


def thread_member_json(thread: Channel, user: int) -> Json:
    return {
        "id": str(thread.id),
        "user_id": str(user),
        "join_timestamp": moment(thread.members[user]),
        "flags": 1,
    }


def guild_json(guild: Guild) -> Json:
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "description": None,
        "owner_id": str(guild.owner.id),
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 1,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "roles": [role_json(role) for role in guild.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "vanity_url_code": None,
        "banner": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": guild.locale,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "nsfw_level": 0,
        "premium_progress_bar_enabled": False,
        "approximate_member_count": len(guild.members),
    }


def application_json(application: Application, guilds: int) -> Json:
    return {
        "id": str(application.id),
        "name": application.name,
        "icon": None,
        "description": application.description,
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "bot": user_json(application.user),
        "owner": user_json(application.owner),
        "team": None,
        "verify_key": application.verify_key,
        "flags": application.flags,
        "interactions_endpoint_url": application.endpoint,
        "redirect_uris": [],
        "approximate_guild_count": guilds,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "tags": [],
        "install_params": None,
        "integration_types_config": {"0": {}},
        **application.details,
    }


def interaction_json(interaction: Interaction, application: Application, size_limit: int) -> Json:
    """All but the message that a component is on."""
    channel, user = interaction.channel, interaction.user
    allowed = permissions(application.user, channel)
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(application.id),
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": channel_json(channel, application.user) | {"permissions": str(permissions(user, channel))},
        "app_permissions": str(allowed),
        "locale": user.locale,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "attachment_size_limit": size_limit,
    }
    if channel.guild is None:
        owners: dict[str, Any] = {"0": "0"}
        return body | {"user": user_json(user), "authorizing_integration_owners": owners, "context": 1}
    member = channel.guild.members[user.id]
    return body | {
        "guild_id": str(channel.guild.id),
        "guild": {"id": str(channel.guild.id), "locale": channel.guild.locale, "features": []},
        "guild_locale": channel.guild.locale,
        "member": member_json(member) | {"permissions": str(permissions(user, channel))},
        "authorizing_integration_owners": {"0": str(channel.guild.id)},
        "context": 0,
    }


def command_choice(choice: Json) -> Json:
    return {"name": choice["name"], "value": choice["value"]}

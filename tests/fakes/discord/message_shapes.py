"""The JSON of messages and files, and what the message-content intent leaves of it."""

from __future__ import annotations

from urllib.parse import quote

from tests.fakes.discord import shapes
from tests.fakes.discord.state import SNAPSHOT, File, Interaction, Json, Message, User

# An address works for a day: https://docs.discord.com/developers/reference#signed-attachment-cdn-urls.
ADDRESS_S = 86_400
_CONTENT = {"content": "", "embeds": [], "attachments": [], "components": []}


def file_json(file: File, base: str) -> Json:
    """:param base: the server's address, `http://127.0.0.1:PORT`."""
    kind = "ephemeral-attachments" if file.ephemeral else "attachments"
    until = f"ex={int(file.signed_at) + ADDRESS_S:x}&is={int(file.signed_at):x}&hm={file.id:064x}&"
    url = f"{base}/cdn/{kind}/{file.place}/{file.id}/{quote(file.name)}?{until}"
    body: Json = {
        "id": str(file.id),
        "filename": file.name,
        "size": len(file.content) if file.announced is None else file.announced,
        "url": url,
        "proxy_url": url,
        "flags": 0,
    }
    if file.content_type:
        body["content_type"] = file.content_type
    if file.description:
        body["description"] = file.description
    return body | ({"ephemeral": True} if file.ephemeral else {})


def message_json(message: Message, base: str, *, nested: bool = False) -> Json:
    """As the API gives it. `nested`: inside the message that answers it, so without what it answers itself."""
    body: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": message.type,
        "content": message.content,
        "author": shapes.user_json(message.author),
        "timestamp": shapes.moment(message.created),
        "edited_timestamp": shapes.moment(message.edited) if message.edited else None,
        "tts": False,
        "mention_everyone": message.mention_everyone,
        "mentions": [shapes.user_json(user) for user in message.mentions],
        "mention_roles": [str(role.id) for role in message.mention_roles],
        "attachments": [file_json(file, base) for file in message.files],
        "embeds": message.embeds,
        "components": message.components,
        "pinned": False,
        "flags": message.flags,
    }
    if message.webhook is not None:
        body["webhook_id"] = str(message.webhook)
    if message.author.bot and message.interaction is not None:
        body |= {"application_id": str(message.webhook), "interaction_metadata": _metadata(message.interaction)}
    if message.reactions:
        body["reactions"] = [
            {"emoji": {"id": None, "name": name}, "count": len(users), "me": False, "burst_colors": []}
            for name, users in message.reactions.items()
        ]
    if message.thread is not None and not message.thread.deleted:
        body["thread"] = shapes.channel_json(message.thread)
    if message.snapshots:
        body["message_snapshots"] = message.snapshots
    if message.reference is not None:
        body["message_reference"] = message.reference
        if not nested and message.type in (19, 21, 23):
            shown = message.replied is not None and not message.replied.deleted
            body["referenced_message"] = message_json(message.replied, base, nested=True) if shown else None  # type: ignore[arg-type]
    return body


def _metadata(interaction: Interaction) -> Json:
    body: Json = {
        "id": str(interaction.id),
        "type": interaction.kind,
        "user": shapes.user_json(interaction.user),
        "authorizing_integration_owners": {},
    }
    if interaction.kind == Interaction.COMPONENT and interaction.message is not None:
        body["interacted_message_id"] = str(interaction.message.id)
    if interaction.kind == Interaction.MODAL and interaction.parent is not None:
        body["triggering_interaction_metadata"] = _metadata(interaction.parent)
    return body


def event_json(message: Message, base: str) -> Json:
    """As MESSAGE_CREATE and MESSAGE_UPDATE carry it."""
    body = message_json(message, base) | {"channel_type": message.channel.kind}
    guild = message.channel.guild
    if message.nonce is not None:
        body["nonce"] = message.nonce
    if guild is None:
        return body
    body["guild_id"] = str(guild.id)
    if message.author.id in guild.members and message.webhook is None:
        body["member"] = shapes.member_json(guild.members[message.author.id], with_user=False)
    body["mentions"] = [
        one | {"member": shapes.member_json(guild.members[user.id], with_user=False)}
        for one, user in zip(body["mentions"], message.mentions, strict=True)
        if user.id in guild.members
    ]
    return body


def is_open_to(message: Message, bot: User) -> bool:
    """Readable without the message-content intent: https://docs.discord.com/developers/events/gateway."""
    return message.channel.guild is None or message.author is bot or bot in message.mentions


def blanked(body: Json, message: Message, bot: User) -> Json:
    """What an application without the intent gets."""
    shown = (
        body if is_open_to(message, bot) else body | {name: empty for name, empty in _CONTENT.items() if name in body}
    )
    if shown is not body and body.get("message_snapshots"):
        shown["message_snapshots"] = [{"message": one["message"] | _CONTENT} for one in body["message_snapshots"]]
    if message.replied is not None and body.get("referenced_message"):
        inner = blanked(body["referenced_message"], message.replied, bot)
        shown = shown | {"referenced_message": inner}
    return shown


def snapshot(message: Message, base: str) -> Json:
    """Of a forwarded message."""
    whole = message_json(message, base, nested=True)
    names = "attachments components content edited_timestamp embeds flags mention_roles mentions timestamp type".split()
    return {"message": {name: whole[name] for name in names} | {"flags": whole["flags"] | SNAPSHOT}}

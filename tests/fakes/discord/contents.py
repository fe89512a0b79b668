"""What messages are made of: checked against Discord's limits, built, and edited."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.discord import pings
from tests.fakes.discord.components import message_problems, numbered
from tests.fakes.discord.refusals import EMPTY_MESSAGE, Problem, Refused, invalid, too_long
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    Channel,
    File,
    Interaction,
    Json,
    Message,
    Role,
    User,
    Version,
)

CONTENT, EMBEDS, EMBED_TEXT, FILES = 2_000, 10, 6_000, 10
# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
_EMBED = {"title": 256, "description": 4096}
_FIELD = {"name": 256, "value": 1024}
# SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, IS_COMPONENTS_V2: what a sender may set.
_SETTABLE = 1 << 2 | 1 << 6 | 1 << 12 | 1 << 15
_LEGACY = ("content", "embeds", "poll", "sticker_ids")


def check_contents(body: Json, files: Iterable[str], before: Message | None = None) -> None:
    """:raises Refused: for what a message cannot be."""
    v2 = bool((body.get("flags") or 0) & COMPONENTS_V2) or bool(before and before.flags & COMPONENTS_V2)
    problems = list(_text_problems(body))
    problems += [problem for embed in _embeds(body.get("embeds") or ()) for problem in embed]
    if len(body.get("attachments") or ()) > FILES:
        problems.append(Problem("attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length."))
    problems += _mention_problems(body.get("allowed_mentions"))
    if v2:
        problems += [
            Problem(name, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "Not with components v2")
            for name in _LEGACY
            if body.get(name)
        ]
        problems += [] if not before or body.get("flags") is None else _flag_problems(body, before)
    if body.get("components") is not None or (v2 and before is None):
        problems += message_problems(body.get("components") or [], set(files), v2=v2)
    if problems:
        raise invalid(*problems)


def _flag_problems(body: Json, before: Message) -> list[Problem]:
    if before.flags & COMPONENTS_V2 and not body["flags"] & COMPONENTS_V2:
        return [Problem("flags", "MESSAGE_CANNOT_REMOVE_COMPONENTS_V2_FLAG", "The flag cannot be taken away again")]
    return []


def _text_problems(body: Json) -> Iterable[Problem]:
    if len(body.get("content") or "") > CONTENT:
        yield too_long("content", CONTENT)
    if body.get("nonce") is not None and len(str(body["nonce"])) > 25:
        yield too_long("nonce", 25)
    embeds = body.get("embeds") or ()
    if len(embeds) > EMBEDS:
        yield Problem("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {EMBEDS} or fewer in length.")
    if sum(map(_length, embeds)) > EMBED_TEXT:
        yield Problem("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBED_TEXT}")


def _length(embed: Json) -> int:
    fields = [part for one in embed.get("fields") or () for part in (one.get("name"), one.get("value"))]
    inner = [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    return sum(len(part or "") for part in [embed.get("title"), embed.get("description"), *fields, *inner])


def _embeds(embeds: Iterable[Json]) -> Iterable[list[Problem]]:
    for number, embed in enumerate(embeds):
        here, fields = f"embeds.{number}", embed.get("fields") or []
        found = [too_long(f"{here}.{name}", most) for name, most in _EMBED.items() if len(embed.get(name) or "") > most]
        if len((embed.get("footer") or {}).get("text") or "") > 2048:
            found.append(too_long(f"{here}.footer.text", 2048))
        if len((embed.get("author") or {}).get("name") or "") > 256:
            found.append(too_long(f"{here}.author.name", 256))
        if len(fields) > 25:
            found.append(Problem(f"{here}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length."))
        for index, field in enumerate(fields):
            for name, most in _FIELD.items():
                if not 1 <= len(field.get(name) or "") <= most:
                    code = "BASE_TYPE_BAD_LENGTH" if field.get(name) else "BASE_TYPE_REQUIRED"
                    found.append(Problem(f"{here}.fields.{index}.{name}", code, f"Must be between 1 and {most}."))
        yield found


def _mention_problems(allowed: Json | None) -> Iterable[Problem]:
    for name in ("users", "roles"):
        if allowed and name in (allowed.get("parse") or ()) and allowed.get(name):
            yield Problem("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"parse:{name} and {name}")


def check_not_empty(message: Message) -> None:
    """:raises Refused: 50006."""
    if not (message.content.strip() or message.embeds or message.components or message.files or message.snapshots):
        raise Refused(400, EMPTY_MESSAGE, "Cannot send an empty message")


def new_message(
    stage: Stage,
    channel: Channel,
    body: Json,
    files: Mapping[int, File],
    *,
    author: User | None = None,
    interaction: Interaction | None = None,
    kind: int = 0,
) -> Message:
    """Checked, but not yet anywhere.

    :raises Refused: for what a message cannot be.
    """
    author = author or stage.bot
    described = _described(body, files)
    check_contents(body, [file.name for file in described])
    message = Message(
        id=stage.world.new_id(stage.clock.now()),
        channel=channel,
        author=author,
        content=body.get("content") or "",
        created=stage.clock.now(),
        type=kind,
        embeds=_sent_embeds(body),
        components=numbered(body.get("components") or []),
        files=placed(stage, channel, described),
        flags=(body.get("flags") or 0) & _SETTABLE,
        nonce=str(body["nonce"]) if body.get("nonce") is not None else None,
        interaction=interaction,
        webhook=stage.application.id if interaction is not None else None,
    )
    if interaction is not None and message.flags & EPHEMERAL:
        message.ephemeral_to = interaction.user
        for file in message.files:
            file.ephemeral = True
    elif interaction is None:
        message.flags &= ~EPHEMERAL
    resolve_mentions(message, body.get("allowed_mentions"))
    return message


def apply_edit(stage: Stage, message: Message, body: Json, files: Mapping[int, File]) -> None:
    """What is not in the body stays.

    :raises Refused: for what a message cannot be.
    """
    added = _described(body, files)
    kept = _kept(message, body)
    check_contents(body, [file.name for file in [*kept, *added]], message)
    before = Version(stage.clock.now(), message.content, message.embeds, message.components, message.flags)
    was_loading = message.loading
    if "content" in body:
        message.content = body["content"] or ""
    if "embeds" in body:
        message.embeds = _sent_embeds(body)
    if "components" in body:
        message.components = numbered(body["components"] or [])
    if body.get("flags") is not None:
        kept_flags = message.flags & ~(1 << 2)
        message.flags = kept_flags | body["flags"] & (1 << 2 | COMPONENTS_V2)
    message.files = kept + placed(stage, message.channel, added)
    message.flags &= ~LOADING
    resolve_mentions(message, body.get("allowed_mentions"))
    try:
        check_not_empty(message)
    except Refused:
        message.content, message.embeds = before.content, before.embeds
        message.components, message.flags = before.components, before.flags
        raise
    message.edits.append(before)
    if not was_loading:
        message.edited = stage.clock.now()


def _sent_embeds(body: Json) -> list[Json]:
    return [{"type": "rich", **embed} for embed in body.get("embeds") or ()]


def _described(body: Json, files: Mapping[int, File]) -> list[File]:
    """What was uploaded, with what is said of it."""
    said = {str(one.get("id")): one for one in body.get("attachments") or ()}
    for number, file in files.items():
        one = said.get(str(number), {})
        file.name = one.get("filename") or file.name
        file.description = one.get("description")
        file.content_type = mimetypes.guess_type(file.name)[0]
    return list(files.values())


def _kept(message: Message, body: Json) -> list[File]:
    if body.get("attachments") is None:
        return list(message.files)
    wanted = {str(one.get("id")) for one in body["attachments"]}
    return [file for file in message.files if str(file.id) in wanted]


def placed(stage: Stage, channel: Channel, files: Iterable[File]) -> list[File]:
    there = list(files)
    for file in there:
        file.place = channel.id
        file.signed_at = stage.clock.now()
        stage.world.files[file.id] = file
    return there


def resolve_mentions(message: Message, allowed: Any = None) -> None:
    """Who is mentioned, of whom there is."""
    guild = message.channel.guild
    text = "\n".join([message.content, message.said])
    found = pings.pings_in({"content": text, "allowed_mentions": allowed})
    known: dict[int, User] = {user.id: user for user in message.channel.recipients}
    if guild is not None:
        known = {identity: member.user for identity, member in guild.members.items()}
    users = [known[one] for one in pings.users_in(" ".join(found)) if one in known]
    if message.replied is not None and (allowed is None or allowed.get("replied_user")) and message.type == 19:
        users = list(dict.fromkeys([*users, message.replied.author]))
    roles: dict[int, Role] = guild.roles if guild is not None else {}
    message.mentions = users
    message.mention_roles = [roles[one] for one in pings.roles_in(" ".join(found)) if one in roles]
    message.mention_everyone = any(pings.calls_everyone(one) for one in found)

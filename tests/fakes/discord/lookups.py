"""What the bot can look up: the gateway, itself, its application, guilds, members, roles; and its application's settings."""

from __future__ import annotations

from tests.fakes.discord import shapes
from tests.fakes.discord.api import Request, guild_of, invalid, route
from tests.fakes.discord.delivery import HttpEndpoint
from tests.fakes.discord.permissions import permissions_in, sees
from tests.fakes.discord.refusals import UNKNOWN_MEMBER, UNKNOWN_ROLE, UNKNOWN_USER, Problem, unknown
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Json, Member
from tests.fakes.discord.verification import is_verified

STARTS = 1000


@route("GET", "/gateway", with_token=False)
async def gateway(stage: Stage, request: Request) -> Json:
    return {"url": stage.gateway_url}


@route("GET", "/gateway/bot")
async def gateway_bot(stage: Stage, request: Request) -> Json:
    limit = {
        "total": STARTS,
        "remaining": max(STARTS - len(stage.gateway.sessions), 0),
        "reset_after": 86_400_000,
        "max_concurrency": stage.gateway.max_concurrency,
    }
    return {"url": stage.gateway_url, "shards": stage.shards, "session_start_limit": limit}


@route("GET", "/users/@me")
async def me(stage: Stage, request: Request) -> Json:
    return shapes.user_json(stage.bot) | {"verified": True, "mfa_enabled": True, "flags": 0, "email": None}


@route("GET", "/users/{user_id}")
async def user(stage: Stage, request: Request) -> Json:
    found = stage.world.users.get(request.id("user_id"))
    if found is None:
        raise unknown("User", UNKNOWN_USER)
    return shapes.user_json(found)


@route("GET", "/users/@me/guilds")
async def my_guilds(stage: Stage, request: Request) -> list[Json]:
    after, limit = request.number("after", 0), request.number("limit", 200)
    found = sorted((one for one in stage.guilds_of(stage.bot) if one.id > after), key=lambda one: one.id)
    return [
        {
            "id": str(one.id),
            "name": one.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": str(permissions_in(one, stage.bot)),
            "features": [],
            "approximate_member_count": len(one.members),
            "approximate_presence_count": len(one.members),
        }
        for one in found[:limit]
    ]


@route("DELETE", "/users/@me/guilds/{guild_id}")
async def leave_guild(stage: Stage, request: Request) -> None:
    guild = guild_of(stage, request.id("guild_id"))
    stage.emit("GUILD_DELETE", {"id": str(guild.id)}, guild)
    del guild.members[stage.bot.id]


@route("GET", "/oauth2/applications/@me")
async def oauth_application(stage: Stage, request: Request) -> Json:
    return shapes.application_json(stage.application, len(stage.guilds_of(stage.bot)))


@route("GET", "/applications/@me")
async def application(stage: Stage, request: Request) -> Json:
    return shapes.application_json(stage.application, len(stage.guilds_of(stage.bot)))


@route("PATCH", "/applications/@me")
async def edit_application(stage: Stage, request: Request) -> Json:
    """A new address for interactions is tried first: it must answer a PING, and refuse a wrong signature."""
    body = dict(request.body or {})
    if "interactions_endpoint_url" in body:
        url = body.pop("interactions_endpoint_url")
        if url and not await is_verified(stage, HttpEndpoint(url)):
            problem = "The specified interactions endpoint url could not be verified."
            raise invalid(
                Problem("interactions_endpoint_url", "APPLICATION_INTERACTIONS_ENDPOINT_URL_INVALID", problem)
            )
        stage.application.endpoint = url or None
        stage.http = HttpEndpoint(url) if url else None
    stage.application.description = body.pop("description", stage.application.description)
    stage.application.details |= body
    return shapes.application_json(stage.application, len(stage.guilds_of(stage.bot)))


@route("GET", "/guilds/{guild_id}")
async def guild(stage: Stage, request: Request) -> Json:
    return shapes.guild_json(guild_of(stage, request.id("guild_id")))


@route("GET", "/guilds/{guild_id}/channels")
async def guild_channels(stage: Stage, request: Request) -> list[Json]:
    found = guild_of(stage, request.id("guild_id"))
    there = [one for one in stage.world.channels.values() if one.guild is found and not one.deleted]
    return [shapes.channel_json(one) for one in there if not one.is_thread and sees(stage.bot, one)]


@route("GET", "/guilds/{guild_id}/roles")
async def roles(stage: Stage, request: Request) -> list[Json]:
    return [shapes.role_json(role) for role in guild_of(stage, request.id("guild_id")).roles.values()]


@route("GET", "/guilds/{guild_id}/roles/{role_id}")
async def role(stage: Stage, request: Request) -> Json:
    found = guild_of(stage, request.id("guild_id")).roles.get(request.id("role_id"))
    if found is None:
        raise unknown("Role", UNKNOWN_ROLE)
    return shapes.role_json(found)


@route("GET", "/guilds/{guild_id}/members/{user_id}")
async def member(stage: Stage, request: Request) -> Json:
    there = guild_of(stage, request.id("guild_id")).members
    found: Member | None = there.get(request.id("user_id"))
    if found is None:
        raise unknown("Member", UNKNOWN_MEMBER, ever=request.id("user_id") in stage.world.users)
    return shapes.member_json(found)


@route("GET", "/users/@me/guilds/{guild_id}/member")
async def my_member(stage: Stage, request: Request) -> Json:
    return shapes.member_json(guild_of(stage, request.id("guild_id")).members[stage.bot.id])

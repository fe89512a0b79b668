"""The REST side: reads a request, checks it as Discord does, and hands it to its route."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from tests.fakes.discord import specs
from tests.fakes.discord.faults import Fault
from tests.fakes.discord.limits import retry_header
from tests.fakes.discord.refusals import (
    MISSING_ACCESS,
    TOO_LARGE,
    UNKNOWN_CHANNEL,
    Call,
    Refused,
    Throttled,
    forbidden,
    invalid,
    unknown,
)
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Channel, File, Guild, Json

PREFIX = "/api/v10"
_FILE_FIELD = re.compile(r"files\[(\d+)\]$")


@dataclass(eq=False)
class Request:
    """What a route gets: `body` is the JSON, `files` what came beside it, by number."""

    route: str
    path: dict[str, str]
    query: Mapping[str, str]
    body: Any = None
    files: dict[int, File] = field(default_factory=dict)

    def id(self, name: str) -> int:
        return _number(self.path[name], name)

    def number(self, name: str, otherwise: int) -> int:
        return _number(self.query[name], name) if name in self.query else otherwise


@dataclass(frozen=True, slots=True)
class Reply:
    body: Any
    status: int = 200


Handler = Callable[[Stage, Request], Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler
    with_token: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


ROUTES: list[Route] = []


def route(method: str, template: str, *, with_token: bool = True) -> Callable[[H], H]:
    """A route as the OpenAPI description writes it. It answers JSON, None for 204, or a `Reply`."""

    def register(handler: H) -> H:
        parts = re.split(r"\{(\w+)\}", template)
        pattern = "".join(f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
        ROUTES.append(Route(method, template, re.compile(pattern), handler, with_token))
        # What is written out goes before what a parameter could stand for.
        ROUTES.sort(key=lambda one: one.template.count("{"))
        return handler

    return register


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise Refused(400, 50035, f"Invalid Form Body: {name} {text!r} is not a snowflake")
    return int(text)


async def answer(stage: Stage, request: web.Request) -> web.Response:
    """One request, from its bytes to its answer; recorded in `calls`, and in `violations` if it was wrong."""
    path = request.path.removeprefix(PREFIX)
    found, matched = _find(request.method, path)
    asked = Request(found.name if found else f"{request.method} {path}", matched, request.query)
    headers: dict[str, str] = {"Via": "1.1 google"}
    fault = stage.faults.next_for(asked.route)
    status, body = 200, None
    try:
        await _read(stage, request, asked)
        if fault is not None and fault.slow_s:
            await asyncio.sleep(fault.slow_s)
        if fault is not None and not fault.afterwards and (fault.status or fault.hang or fault.close):
            return await _spoilt(stage, request, asked, fault)
        status, body = await _carried_out(stage, request, found, asked, headers)
        if fault is not None and fault.afterwards:
            return await _spoilt(stage, request, asked, fault)
    except Throttled as throttled:
        status, body = 429, _throttled_body(throttled.retry_after, is_global=throttled.scope == "global")
        headers |= throttled.headers
        headers |= {"Retry-After": retry_header(throttled.retry_after), "X-RateLimit-Scope": throttled.scope}
    except Refused as refused:
        status, body = refused.status, refused.body()
        if refused.violation:
            stage.violate(asked.route, str(refused.code), refused.detail())
    _record(stage, asked, status, body.get("code", 0) if isinstance(body, dict) and status >= 400 else 0)
    return _response(body, status, headers)


def _response(body: Any, status: int, headers: Mapping[str, str]) -> web.Response:
    if body is None:
        return web.Response(status=204, headers=headers)
    # discord.py takes as JSON only what says exactly so, without a charset.
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json")


def _find(method: str, path: str) -> tuple[Route | None, dict[str, str]]:
    for one in ROUTES:
        if one.method == method and (matched := one.pattern.fullmatch(path)):
            return one, matched.groupdict()
    return None, {}


async def _carried_out(
    stage: Stage, request: web.Request, found: Route | None, asked: Request, headers: dict[str, str]
) -> tuple[int, Any]:
    if found is None:
        stage.violate(asked.route, "unknown_route", "Discord may have it; the fake has not")
        return 404, {"message": "404: Not Found", "code": 0}
    if not request.headers.get("User-Agent"):
        raise Refused(403, 40333, "internal network error")
    if found.with_token:
        _check_token(stage, request)
    hammered = len(stage.limits.hammered)
    try:
        headers |= stage.limits.check(found.name, asked.path, with_token=found.with_token)
    finally:
        for again in stage.limits.hammered[hammered:]:
            stage.violate(again, "hammered", "called again and again before the time that a 429 gave was over")
    if specs.takes_body(found.method, found.template):
        specs.check_body(found.method, found.template, asked.body)
    result = await found.handler(stage, asked)
    if isinstance(result, Reply):
        return result.status, result.body
    return (204 if result is None else 200), result


def _check_token(stage: Stage, request: web.Request) -> None:
    given = request.headers.get("Authorization", "")
    if given == f"Bot {stage.application.token}" and not stage.revoked:
        return
    # Revoked, it is nobody's mistake: a careful application learns of it in this way.
    raise Refused(401, 0, "401: Unauthorized", violation=not stage.revoked)


async def _read(stage: Stage, request: web.Request, asked: Request) -> None:
    if not request.can_read_body:
        return
    if request.content_type.startswith("multipart/"):
        await _read_parts(stage, request, asked)
    elif request.content_type == "application/json":
        asked.body = _json(await request.text())
    # aiohttp calls an empty body application/octet-stream.
    elif await request.read():
        raise Refused(400, 50109, f"Unsupported content type {request.content_type}")


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError as not_json:
        raise Refused(400, 50109, "The request body contains invalid JSON.") from not_json


async def _read_parts(stage: Stage, request: web.Request, asked: Request) -> None:
    size = 0
    async for part in await request.multipart():
        name = str(getattr(part, "name", ""))
        content = await part.read(decode=True)  # type: ignore[union-attr]
        if name == "payload_json":
            asked.body = _json(bytes(content).decode())
            continue
        numbered = _FILE_FIELD.match(name)
        if numbered is None:
            stage.violate(asked.route, "unknown_part", name, refused=False)
            continue
        size += len(content)
        now = stage.clock.now()
        file_name = str(getattr(part, "filename", None) or "unknown")
        asked.files[int(numbered[1])] = File(stage.world.new_id(now), file_name, bytes(content), signed_at=now)
    if size > stage.size_limit:
        raise Refused(413, TOO_LARGE, "Request entity too large")


def _throttled_body(retry_after: float, *, is_global: bool) -> Json:
    return {"message": "You are being rate limited.", "retry_after": round(retry_after, 3), "global": is_global}


async def _spoilt(stage: Stage, request: web.Request, asked: Request, fault: Fault) -> web.Response:
    _record(stage, asked, fault.status, fault.code)
    if fault.close and request.transport is not None:
        request.transport.close()
    if fault.hang:
        await asyncio.Event().wait()
    if fault.status == 429:
        wait = fault.retry_after or 1.0
        headers = {"Retry-After": retry_header(wait), "X-RateLimit-Scope": "global" if fault.is_global else "shared"}
        if not fault.via:
            return web.Response(status=429, text="<html>banned</html>", headers=headers, content_type="text/html")
        return _response(_throttled_body(wait, is_global=fault.is_global), 429, headers | {"Via": "1.1 google"})
    if fault.code:
        return _response({"message": fault.message, "code": fault.code}, fault.status, {"Via": "1.1 google"})
    return web.Response(status=fault.status or 502, text="<html>Bad Gateway</html>", content_type="text/html")


def _record(stage: Stage, asked: Request, status: int, code: int) -> None:
    now = stage.clock.now()
    stage.calls.append(Call(asked.route, asked.path, asked.body, asked.query, now, status, code, time.monotonic()))
    stage.pulse()


# What routes look things up by


def channel_of(stage: Stage, identity: int) -> Channel:
    """:raises Refused: 10003, or 50001 where the bot is not."""
    channel = stage.world.channels.get(identity)
    if channel is None or channel.deleted:
        raise unknown("Channel", UNKNOWN_CHANNEL, ever=channel is not None)
    if not _is_in(stage, channel):
        raise forbidden(MISSING_ACCESS)
    return channel


def _is_in(stage: Stage, channel: Channel) -> bool:
    if channel.guild is None:
        return stage.bot in channel.recipients
    return stage.bot.id in channel.guild.members


def guild_of(stage: Stage, identity: int) -> Guild:
    """:raises Refused: 10004."""
    guild = stage.world.guilds.get(identity)
    if guild is None or stage.bot.id not in guild.members:
        raise unknown("Guild", 10004, ever=guild is not None)
    return guild


__all__ = ["PREFIX", "ROUTES", "Reply", "Request", "answer", "channel_of", "guild_of", "invalid", "route"]

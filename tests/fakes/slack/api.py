"""The Web API: reads a request, checks it as Slack does, and hands it to its method."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web

from tests.fakes.slack.faults import Fault
from tests.fakes.slack.methods import SPECS, MethodSpec, spec_of
from tests.fakes.slack.refusals import Call, Refused, Throttled
from tests.fakes.slack.specs import check_required, check_scope, unknown_arguments
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Installation, Json

Arguments = dict[str, Any]
Method = Callable[[Stage, Installation, Arguments], Awaitable[Json]]
M = TypeVar("M", bound=Method)

METHODS: dict[str, Method] = {}
# These name their workspace by client id and code, or need no workspace.
WITHOUT_TOKEN = frozenset({"oauth.v2.access", "api.test"})
APP_LEVEL = frozenset({"apps.connections.open"})
_STRUCTURED = frozenset(
    {"attachments", "blocks", "chunks", "files", "loading_messages", "metadata", "prompts", "view", "file_ids"}
)


def method(name: str) -> Callable[[M], M]:
    def register(function: M) -> M:
        METHODS[name] = function
        return function

    return register


async def answer(slack: Stage, request: web.Request) -> web.Response:
    """One call, from its bytes to its answer; recorded in `calls`, and in `violations` or `throttled` if it failed."""
    name = request.match_info["method"]
    arguments: Arguments = {}
    team, status = "", 200
    body: Json = {}
    headers: dict[str, str] = {}
    try:
        arguments = await _arguments(request, name)
        fault = slack.faults.next_for(name)
        if fault is not None and not fault.afterwards:
            return await _spoilt(slack, request, name, arguments, fault)
        spec = spec_of(name)
        caller = _caller(slack, spec, request, arguments)
        team = caller.team
        headers = _granted(caller)
        body = {"ok": True, **await _carried_out(slack, spec, caller, arguments)}
        if fault is not None:
            return await _spoilt(slack, request, name, arguments, fault)
    except Throttled as throttled:
        body, status = {"ok": False, "error": "ratelimited"}, 429
        headers["Retry-After"] = str(throttled.retry_after)
    except Refused as refused:
        body = refused.body()
        if refused.violation:
            slack.violate(name, refused.error, refused.detail)
    _record(slack, name, arguments, team, status, str(body.get("error", "")))
    return web.json_response(body, status=status, headers=headers)


def _granted(caller: Installation) -> dict[str, str]:
    """Slack says with every answer what the token may do."""
    return {"x-oauth-scopes": ",".join(sorted(caller.scopes))} if caller.scopes else {}


async def _carried_out(slack: Stage, spec: MethodSpec, caller: Installation, arguments: Arguments) -> Json:
    channel = arguments.get("channel") or arguments.get("channel_id")
    known = slack.world.channels.get(str(channel)) if channel else None
    slack.limits.check(spec, caller.team, str(channel) if channel else None)
    if spec.name not in WITHOUT_TOKEN | APP_LEVEL:
        check_scope(spec, caller.scopes, known.kind if known else None)
    check_required(spec, arguments)
    for extra in unknown_arguments(spec, arguments):
        slack.violate(spec.name, "unknown_argument", extra, refused=False)
    body = await METHODS[spec.name](slack, caller, arguments)
    slack.note_pings(spec.name, arguments)
    return body


def _caller(slack: Stage, spec: MethodSpec, request: web.Request, arguments: Arguments) -> Installation:
    if spec.name in WITHOUT_TOKEN:
        return Installation("", "", "", "", "")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else str(arguments.get("token", ""))
    if not token:
        raise Refused("not_authed")
    if spec.name in APP_LEVEL:
        if token != slack.app_token:
            raise Refused("not_allowed_token_type" if token.startswith("xoxb-") else "invalid_auth")
        return Installation("", token, "", "", "", frozenset())
    if token == slack.app_token:
        raise Refused("not_allowed_token_type")
    caller = slack.world.by_token(token)
    if caller is None:
        raise Refused("invalid_auth")
    if caller.revoked:
        # Nobody's mistake: a careful application learns of it in this way.
        raise Refused("token_revoked", violation=False)
    if caller.expires_at is not None and caller.expires_at <= slack.clock.now():
        raise Refused("token_expired", violation=False)
    return caller


async def _arguments(request: web.Request, name: str) -> Arguments:
    arguments: Arguments = dict(request.query)
    if request.method == "POST" and request.can_read_body:
        if request.content_type == "application/json":
            arguments |= _json_body(await request.text(), name)
        else:
            arguments |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    return {key: _parsed(key, value) for key, value in arguments.items() if value is not None}


def _json_body(text: str, name: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text) if text else {}
    except ValueError as not_json:
        raise Refused("invalid_json") from not_json
    if not isinstance(body, dict):
        raise Refused("json_not_object")
    return {} if name in SPECS and SPECS[name].reads else body


def _parsed(key: str, value: Any) -> Any:
    """What is sent as JSON inside a form."""
    if key not in _STRUCTURED or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as not_json:
        raise Refused("invalid_blocks_format" if key == "blocks" else "invalid_arguments", key) from not_json


async def _spoilt(slack: Stage, request: web.Request, name: str, arguments: Arguments, fault: Fault) -> web.Response:
    if fault.close and request.transport is not None:
        _record(slack, name, arguments, "", 0, "closed")
        request.transport.close()
    if fault.hang:
        _record(slack, name, arguments, "", 0, "hangs")
        await asyncio.Event().wait()
    if fault.retry_after is not None:
        _record(slack, name, arguments, "", 429, "ratelimited")
        headers = {"Retry-After": str(fault.retry_after)}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
    _record(slack, name, arguments, "", fault.status, fault.error or "spoilt")
    if fault.status != 200:
        return web.Response(status=fault.status, text="<html>Server Error</html>", content_type="text/html")
    return web.json_response({"ok": False, "error": fault.error or "internal_error"})


def _record(slack: Stage, name: str, arguments: Arguments, team: str, status: int, error: str) -> None:
    kept = {key: value for key, value in arguments.items() if key != "token"}
    call = Call(name, kept, slack.clock.now(), team, status, error, time.monotonic())
    slack.calls.append(call)
    if status == 429:
        slack.throttled.append(call)
    slack.pulse()

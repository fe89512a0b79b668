"""The addresses under which attachments are fetched: signed, and good for a day."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from tests.fakes.discord.faults import Fault
from tests.fakes.discord.refusals import Call
from tests.fakes.discord.stage import Stage

ROUTE = "GET /cdn"
_GONE = "This content is no longer available."


async def download(stage: Stage, request: web.Request) -> web.StreamResponse:
    file = stage.world.files.get(int(request.match_info["id"]))
    fault = stage.faults.next_for(ROUTE)
    if fault is not None:
        await _spoil(request, fault)
        if fault.status:
            return _recorded(stage, request, web.Response(status=fault.status, text="spoilt"))
    expires = request.query.get("ex", "")
    if file is None or file.deleted or not request.query.get("hm") or stage.clock.now() > int(expires or "0", 16):
        return _recorded(stage, request, web.Response(status=404, text=_GONE))
    file.fetched += 1
    kind = file.content_type or "application/octet-stream"
    return _recorded(stage, request, web.Response(body=file.content, headers={"Content-Type": kind}))


async def _spoil(request: web.Request, fault: Fault) -> None:
    await asyncio.sleep(fault.slow_s)
    if fault.close and request.transport is not None:
        request.transport.close()
    if fault.hang:
        await asyncio.Event().wait()


def _recorded(stage: Stage, request: web.Request, response: web.Response) -> web.Response:
    path = dict(request.match_info)
    stage.calls.append(
        Call(ROUTE, path, None, dict(request.query), stage.clock.now(), response.status, 0, time.monotonic())
    )
    stage.pulse()
    return response

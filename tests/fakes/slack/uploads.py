"""Files: their facts, the download with the bot's token, and the three steps of an upload."""

from __future__ import annotations

import asyncio

from aiohttp import BodyPartReader, web

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.chat import announce, channel_of, new_message
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import File, Installation, Json

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"


@method("files.info")
async def files_info(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    return {"file": shapes.file_json(_file(slack, caller, arguments["file"]), slack.base)}


def _file(slack: Stage, caller: Installation, identity: object) -> File:
    file = slack.world.files.get(str(identity))
    if file is None or (file.team != caller.team and not file.connect):
        raise Refused("file_not_found", str(identity))
    if file.deleted:
        raise Refused("file_deleted", violation=False)
    return file


@method("files.getUploadURLExternal")
async def upload_url(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    file = File(
        id=slack.world.new_id("F"),
        name=str(arguments["filename"]),
        mimetype="application/octet-stream",
        content=b"",
        user=caller.bot_user,
        team=caller.team,
        expected=int(arguments["length"]),
        uploaded=False,
    )
    slack.world.files[file.id] = file
    return {"upload_url": f"{slack.base}/upload/v1/{file.id}", "file_id": file.id}


async def receive(slack: Stage, request: web.Request) -> web.Response:
    """The bytes, raw or as the only part of a form."""
    file = slack.world.files.get(request.match_info["file"])
    if file is None or file.uploaded:
        slack.violate("upload", "unknown_upload_url", request.path)
        return web.Response(status=404)
    if request.content_type == "multipart/form-data":
        part = await (await request.multipart()).next()
        file.content = bytes(await part.read()) if isinstance(part, BodyPartReader) else b""
    else:
        file.content = await request.read()
    if len(file.content) != file.expected:
        slack.violate("upload", "wrong_length", f"{len(file.content)} instead of {file.expected}")
        return web.Response(status=400, text="length mismatch")
    file.uploaded = True
    return web.Response(text=f"OK - {len(file.content)}")


@method("files.completeUploadExternal")
async def complete(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    files = [_file(slack, caller, item.get("id")) for item in arguments["files"]]
    for file, item in zip(files, arguments["files"], strict=True):
        if not file.uploaded:
            raise Refused("file_update_failed", file.id)
        file.title = str(item.get("title") or file.name)
    targets = [arguments.get("channel_id"), *str(arguments.get("channels") or "").split(",")]
    for target in filter(None, targets):
        channel = channel_of(slack, caller, target)
        message = new_message(
            slack,
            caller,
            channel,
            {"text": arguments.get("initial_comment"), "thread_ts": arguments.get("thread_ts")},
        )
        message.files, message.subtype = files, "file_share"
        for file in files:
            file.channels.add(channel.id)
        slack.remember(message)
        await announce(slack, message)
    return {"files": [shapes.file_json(file, slack.base) for file in files]}


async def download(slack: Stage, request: web.Request) -> web.StreamResponse:
    """With a wrong token, or none: the page to sign in at, with status 200.

    `slack.faults.fail("download", ...)` spoils it; `afterwards` breaks it off in the middle.
    """
    _, _, identity = request.match_info["place"].partition("-")
    file = slack.world.files.get(identity)
    if file is None or file.deleted:
        return web.Response(status=404, text="<html>not found</html>", content_type="text/html")
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    caller = slack.world.by_token(token)
    if caller is None or caller.revoked or "files:read" not in caller.scopes:
        slack.violate("download", "login_page", file.id, refused=False)
        return web.Response(text=LOGIN_PAGE, content_type="text/html")
    fault = slack.faults.next_for("download")
    if fault is not None and fault.hang:
        await asyncio.Event().wait()
    if fault is not None and fault.afterwards:
        return await _broken_off(request, file)
    if fault is not None:
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return web.Response(status=fault.status if fault.retry_after is None else 429, headers=headers)
    if file.moved_to:
        return web.Response(status=302, headers={"Location": file.moved_to})
    file.fetched += 1
    disposition = {"Content-Disposition": "attachment"}
    return web.Response(body=file.content, content_type=file.mimetype, headers=disposition)


async def _broken_off(request: web.Request, file: File) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(file.content)), "Content-Type": file.mimetype})
    await response.prepare(request)
    await response.write(file.content[: len(file.content) // 2])
    if request.transport is not None:
        request.transport.close()
    return response

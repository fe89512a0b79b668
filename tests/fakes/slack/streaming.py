"""chat.startStream, appendStream and stopStream, and the agent view's status, titles, prompts and sessions."""

from __future__ import annotations

from typing import Any

from tests.fakes.slack import events as shapes
from tests.fakes.slack.api import Arguments, method
from tests.fakes.slack.blocks import MARKDOWN, block_problems
from tests.fakes.slack.chat import announce, channel_of, check_blocks, message_of, new_message
from tests.fakes.slack.pings import Ping, completed
from tests.fakes.slack.refusals import Refused
from tests.fakes.slack.stage import Stage
from tests.fakes.slack.state import Installation, Json, Message, Status, Stream

SESSION_STATES = frozenset({"processing", "active", "suspended", "closed"})
_CHUNKS = {
    "markdown_text": ("text",),
    "task_update": ("id", "title", "status"),
    "plan_update": ("title",),
    "blocks": ("blocks",),
}


@method("chat.startStream")
async def start(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel"])
    if channel.kind != "D":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not arguments.get(name):
                raise Refused(f"missing_{name}")
    _check(arguments)
    recipient = str(arguments.get("recipient_user_id", ""))
    if recipient and recipient not in slack.world.users:
        raise Refused("user_not_found", recipient)
    message = new_message(slack, caller, channel, {"thread_ts": arguments["thread_ts"]})
    message.stream = Stream(slack.clock.now(), recipient)
    # A stream makes a session of its thread, with the Stop button; taking it out of this state is the application's.
    slack.world.session_states.setdefault((channel.id, message.root), []).append("processing")
    _add(slack, message, arguments)
    slack.remember(message)
    await announce(slack, message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream")
async def append(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    message, stream = _running(slack, caller, arguments)
    if not arguments.get("markdown_text") and not arguments.get("chunks"):
        raise Refused("no_text")
    _check(arguments)
    stream.last = slack.clock.now()
    _add(slack, message, arguments)
    slack.pulse()
    return {"channel": message.channel, "ts": message.ts}


@method("chat.stopStream")
async def stop(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    message, stream = _running(slack, caller, arguments)
    _check(arguments)
    check_blocks(arguments.get("blocks"))
    session = arguments.get("session_status")
    if session is not None:
        _set_session(slack, message.channel, message.root, str(session))
    before = shapes.message_json(message)
    _add(slack, message, arguments)
    message.blocks += list(arguments.get("blocks") or ())
    message.metadata = arguments.get("metadata") or message.metadata
    stream.state = "stopped"
    slack.pulse()
    if slack.echo:
        ts = slack.world.new_ts(slack.clock.now())
        await slack.emit(message.team, shapes.changed_event(message, before, slack.channel_of(message), ts))
    return {"channel": message.channel, "ts": message.ts, "message": shapes.message_json(message)}


def _running(slack: Stage, caller: Installation, arguments: Arguments) -> tuple[Message, Stream]:
    channel = channel_of(slack, caller, arguments["channel"])
    message = message_of(slack, caller, channel, arguments["ts"], "message_not_owned_by_app")
    stream = message.stream
    if stream is None:
        raise Refused("message_not_in_streaming_state")
    if stream.state == "streaming" and stream.last + slack.stream_idle_s <= slack.clock.now():
        stream.state = "expired"
    if stream.state == "stopped_by_user":
        raise Refused("stopped_by_user", violation=False)
    if stream.state != "streaming":
        # Expiry comes to every application; writing to a stream that it stopped itself is its mistake.
        raise Refused("message_not_in_streaming_state", violation=stream.state == "stopped")
    return message, stream


def _check(arguments: Arguments) -> None:
    markdown, chunks = arguments.get("markdown_text") or "", arguments.get("chunks") or []
    if markdown and chunks:
        raise Refused("invalid_arguments", "markdown_text and chunks together")
    if len(markdown) > MARKDOWN:
        raise Refused("msg_too_long", f"markdown_text is {len(markdown)}")
    if not isinstance(chunks, list):
        raise Refused("invalid_chunks", "must be a list")
    for chunk in chunks:
        problem = _chunk_problem(chunk)
        if problem:
            raise Refused("invalid_chunks", problem)


def _chunk_problem(chunk: Any) -> str:
    kind = chunk.get("type") if isinstance(chunk, dict) else None
    if kind not in _CHUNKS:
        return f"unknown chunk: {kind}"
    missing = [name for name in _CHUNKS[kind] if not chunk.get(name)]
    if missing:
        return f"{kind} without {', '.join(missing)}"
    if kind == "markdown_text" and len(chunk["text"]) > MARKDOWN:
        return f"text is {len(chunk['text'])}, at most {MARKDOWN}"
    if kind == "task_update" and chunk["status"] not in ("pending", "in_progress", "complete", "error"):
        return f"status {chunk['status']}"
    return "; ".join(block_problems(chunk["blocks"])) if kind == "blocks" else ""


def _add(slack: Stage, message: Message, arguments: Arguments) -> None:
    stream = message.stream
    if stream is None:
        return
    chunks = arguments.get("chunks") or []
    texts = [chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text"]
    texts.append(arguments.get("markdown_text") or "")
    for text in texts:
        slack.pings += [Ping("chat.appendStream", what) for what in completed(message.markdown, text)]
        message.markdown += text
    if any(texts):
        stream.parts.append("".join(texts))
    for chunk in chunks:
        if chunk["type"] == "blocks":
            message.blocks += chunk["blocks"]
        elif chunk["type"] != "markdown_text":
            message.chunks.append(chunk)


@method("assistant.threads.setStatus")
async def set_status(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel_id"])
    if (channel.id, str(arguments["thread_ts"])) not in slack.world.messages:
        raise Refused("invalid_thread_ts", str(arguments["thread_ts"]))
    loading = tuple(arguments.get("loading_messages") or ())
    if len(loading) > 10:
        raise Refused("invalid_arguments", "loading_messages: at most 10")
    text = str(arguments.get("status", ""))
    slack.world.statuses.append(Status(channel.id, str(arguments["thread_ts"]), text, slack.clock.now(), loading))
    slack.pulse()
    return {}


@method("assistant.threads.setTitle")
async def set_title(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel_id"])
    slack.world.titles[channel.id, str(arguments["thread_ts"])] = str(arguments["title"])
    return {}


@method("assistant.threads.setSuggestedPrompts")
async def set_prompts(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel_id"])
    prompts = arguments["prompts"]
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise Refused("invalid_arguments", "prompts: 1 to 4")
    if not all(isinstance(prompt, dict) and prompt.get("title") and prompt.get("message") for prompt in prompts):
        raise Refused("invalid_arguments", "prompts: each with title and message")
    if arguments.get("thread_ts"):
        # The agent view answers ok and shows nothing.
        slack.violate("assistant.threads.setSuggestedPrompts", "not_shown", "thread_ts was given", refused=False)
        return {}
    slack.world.prompts[channel.id] = prompts
    slack.pulse()
    return {}


@method("agents.sessions.setStatus")
async def set_session(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel_id"])
    thread = _session_thread(arguments)
    _set_session(slack, channel.id, thread, str(arguments["status"]))
    if arguments.get("title"):
        slack.world.titles.setdefault((channel.id, thread), str(arguments["title"]))
    answer: Json = {"status": arguments["status"], "title": slack.world.titles.get((channel.id, thread), "")}
    if "agent_session_stopped" not in slack.subscriptions:
        answer["warning"] = "missing_agent_session_stopped_event_subscription"
    return answer


@method("agents.sessions.rename")
async def rename_session(slack: Stage, caller: Installation, arguments: Arguments) -> Json:
    channel = channel_of(slack, caller, arguments["channel_id"])
    title = str(arguments["title"])
    if len(title) > 200:
        raise Refused("invalid_arguments", "title: at most 200 characters")
    slack.world.titles[channel.id, _session_thread(arguments)] = title
    return {}


def _session_thread(arguments: Arguments) -> str:
    if not arguments.get("thread_ts"):
        raise Refused("invalid_arguments", "thread_ts is required in channels and direct messages")
    return str(arguments["thread_ts"])


def _set_session(slack: Stage, channel: str, thread_ts: str, state: str) -> None:
    if state not in SESSION_STATES:
        raise Refused("invalid_arguments", f"status: {state}")
    slack.world.session_states.setdefault((channel, thread_ts), []).append(state)
    slack.pulse()

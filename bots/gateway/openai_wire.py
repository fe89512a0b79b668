"""OpenAI's chat completions as values: what a client's messages mean, and an answer in that form. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.console import plain
from core.errors import InvalidRequest
from core.sentences import spans
from core.types import Answer, Citation, Turn
from core.wire import answer_to_json

Json = dict[str, Any]
MOST_MESSAGES = 1000
MOST_PARTS = 100
LONGEST_TEXT = 200_000
# As many earlier turns as `/v1/ask` takes.
HISTORY_TURNS = 20
SOURCES, NEAREST = "Sources", "Closest passages"
# `[1]` where it cites; what stands in a block of code, or is the text of a link, is something else.
_MARK = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?^[ \t]*\1|\[(\d{1,3})\](?!\()")
_LIST = re.compile(rf"\n\n(?:{SOURCES}|{NEAREST}):\n1\. .*\Z", re.DOTALL)
# What could begin a link, an image, HTML or code in the Markdown that chat clients show.
_MARKDOWN = re.compile(r"([\\`\[\]<>])")
ERROR_TYPES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class _Body(BaseModel):
    """Fields that are not named are left alone: each chat client sends others, and new ones come every month."""

    model_config = ConfigDict(extra="ignore")


PART_KINDS = ("text", "refusal")


def _readable_kind(kind: str) -> str:
    if kind not in PART_KINDS:
        raise ValueError(f"a part of the kind {plain(kind)!r} cannot be read here; only text can be asked")
    return kind


class Part(_Body):
    type: Annotated[
        str,
        StringConstraints(max_length=64),
        AfterValidator(_readable_kind),
        Field(examples=["text"], json_schema_extra={"enum": list(PART_KINDS)}),
    ]
    text: Text | None = None


class ChatMessage(_Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(examples=["user"])
    content: Text | Annotated[list[Part], Field(max_length=MOST_PARTS)] | None = Field(
        None, examples=["How many days of vacation do I accrue?"]
    )


class StreamOptions(_Body):
    include_usage: bool | None = None


class ChatBody(_Body):
    model: str = Field(max_length=200, examples=["default"])
    """A namespace."""
    messages: list[ChatMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, json_schema_extra={"enum": [1, None]})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the messages ask."""

    question: str
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as a chat client shows it; the annotations' indices count characters of `content`."""

    content: str
    annotations: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of one completion have in common. `created`: seconds since 1970."""

    id: str
    model: str
    created: int


def read_messages(messages: Sequence[ChatMessage]) -> Asked:
    """The last message of the user, and the conversation before it.

    Instructions (system, developer) and the results of tools are left out: what may be said is for the documents and
    the namespace to say. Raises `InvalidRequest` when there is no question, or one that is more than text.
    """
    texts = [(message.role, _text(message)) for message in messages]
    last = max((place for place, (role, _) in enumerate(texts) if role == "user"), default=None)
    if last is None:
        raise InvalidRequest("messages: There is no message with the role user, so there is no question.")
    history = [_turn(role, text) for role, text in texts[:last] if text.strip()]
    turns = [turn for turn in history if turn is not None]
    return Asked(texts[last][1], tuple(turns[-HISTORY_TURNS:]))


def render(answer: Answer, base_url: str) -> Rendered:
    """The answer with its sources beneath, and where in it each source is cited."""
    # A client may load what an image in Markdown names, and so tell its host what was read here.
    text = answer.text.replace("![", "! [")
    lists = [_listed(SOURCES, answer.citations), _listed(NEAREST, answer.nearest)]
    content = "\n\n".join(part for part in (text, *lists, answer.notice) if part)
    return Rendered(content, tuple(_annotations(text, answer.citations, base_url)))


def pieces(content: str) -> list[str]:
    """The content cut before each sentence; joined, they are the content again."""
    cuts = [begin for begin, _ in spans(content) if begin > 0]
    return [content[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True) if begin < end]


def completion(head: Head, answer: Answer, rendered: Rendered) -> Json:
    """The whole answer. No `usage`: tokens are not counted, and a guess would be taken for a count."""
    message = {
        "role": "assistant",
        "content": rendered.content,
        "refusal": None,
        "annotations": list(rendered.annotations),
    }
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "lorekeeper": answer_to_json(answer),
    }


def chunk(head: Head, delta: Json, finish_reason: str | None = None, **beside: Any) -> Json:
    """One part of a streamed answer."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _chunk(head, [choice]) | beside


def usage_chunk(head: Head) -> Json:
    """What ends a stream whose client asked for usage; an object is expected there, and nothing was counted."""
    return _chunk(head, []) | {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}


def model_to_json(namespace: str) -> Json:
    """A namespace as a model; when it was made is not on record."""
    return {"id": namespace, "object": "model", "created": 0, "owned_by": "lorekeeper"}


def error_to_json(status: int, message: str, code: str, param: str | None = None) -> Json:
    """An error as OpenAI's clients read it."""
    fallback = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    kind = ERROR_TYPES.get(status, fallback)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _chunk(head: Head, choices: list[Json]) -> Json:
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "choices": choices,
    }


def _text(message: ChatMessage) -> str:
    content = message.content or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if part.type == "text" and part.text)


def _turn(role: str, text: str) -> Turn | None:
    if role == "user":
        return Turn("user", text)
    # The list of sources would only be looked up along with the next question.
    return Turn("assistant", _LIST.sub("", text)) if role == "assistant" else None


def _listed(heading: str, citations: Sequence[Citation]) -> str:
    lines = [f"{each.number}. {_one_line(', '.join(filter(None, (each.title, each.locator))))}" for each in citations]
    return "\n".join([f"{heading}:", *lines]) if lines else ""


def _one_line(text: str) -> str:
    """Words of a document in one line of Markdown that is nothing but text."""
    return _MARKDOWN.sub(r"\\\1", plain(" ".join(text.split())))


def _annotations(text: str, citations: Sequence[Citation], base_url: str) -> list[Json]:
    sources = {citation.number: citation for citation in citations}
    marks = [(mark, sources.get(int(mark[2]))) for mark in _MARK.finditer(text) if mark[2]]
    return [_annotation(mark, source, base_url) for mark, source in marks if source is not None]


def _annotation(mark: re.Match[str], source: Citation, base_url: str) -> Json:
    cited = {
        "start_index": mark.start(),
        "end_index": mark.end(),
        "title": plain(source.title),
        "url": _address(source, base_url),
    }
    return {"type": "url_citation", "url_citation": cited}


def _address(source: Citation, base_url: str) -> str:
    """Where the document says that it is, or the passage in the gateway's own page."""
    if source.url and source.url.lower().startswith(("https://", "http://")):
        return source.url
    return f"{base_url.rstrip('/')}/#passage={quote(source.document_id, safe='')}/{quote(source.chunk_id, safe='')}"

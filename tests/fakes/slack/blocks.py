"""Checks blocks against Block Kit's limits (https://docs.slack.dev/reference/block-kit/blocks), and reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.fakes.slack.elements import ACCESSORIES, ACTIONS, CONTEXT_ACTIONS, INPUTS, element_problems, is_unsafe_url

Block = Mapping[str, Any]
Problems = Iterator[str]

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MARKDOWN = 12_000
"""Characters of all `markdown` blocks of one message, and of one `markdown_text`."""
TEXT = 40_000
SURFACES = ("message", "modal", "home")


def text_problems(value: Any, limit: int, *, plain: bool = False) -> Problems:
    if not isinstance(value, Mapping) or value.get("type") not in ("plain_text", "mrkdwn"):
        yield "must be a text object"
        return
    if plain and value["type"] != "plain_text":
        yield "must be plain_text"
    text = value.get("text")
    if not isinstance(text, str) or not text:
        yield "must have text of at least 1 character"
    elif len(text) > limit:
        yield f"must be at most {limit} characters, is {len(text)}"


def _count(items: Any, most: int, what: str) -> Problems:
    if not isinstance(items, list) or not items:
        yield f"{what}: at least 1"
    elif len(items) > most:
        yield f"{what}: at most {most}, are {len(items)}"


def _elements(block: Block, kinds: frozenset[str], most: int) -> Problems:
    items = block.get("elements")
    yield from _count(items, most, "elements")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from (f"elements/{index}: {problem}" for problem in element_problems(item, kinds))
    ids = [item.get("action_id") for item in items or () if isinstance(item, Mapping) and item.get("action_id")]
    if len(ids) != len(set(ids)):
        yield "action_id must be unique in a block"


def _section(block: Block) -> Problems:
    text, fields = block.get("text"), block.get("fields")
    if text is None and not fields:
        yield "text or fields is required"
    if text is not None:
        yield from (f"text: {problem}" for problem in text_problems(text, 3000))
    if fields is not None:
        yield from _count(fields, 10, "fields")
        for field in fields:
            yield from (f"fields: {problem}" for problem in text_problems(field, 2000))
    if "accessory" in block:
        yield from (f"accessory: {problem}" for problem in element_problems(block["accessory"], ACCESSORIES))


def _header(block: Block) -> Problems:
    yield from text_problems(block.get("text"), 150, plain=True)


def _context(block: Block) -> Problems:
    items = block.get("elements")
    yield from _count(items, 10, "elements")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping) and item.get("type") == "image":
            yield from element_problems(item, frozenset({"image"}))
        else:
            yield from text_problems(item, 3000)


def _markdown(block: Block) -> Problems:
    text = block.get("text")
    if not isinstance(text, str) or not text:
        yield "text is required"
    elif len(text) > MARKDOWN:
        yield f"text: at most {MARKDOWN} characters, is {len(text)}"


def _input(block: Block) -> Problems:
    yield from (f"label: {problem}" for problem in text_problems(block.get("label"), 2000, plain=True))
    if "hint" in block:
        yield from (f"hint: {problem}" for problem in text_problems(block["hint"], 2000, plain=True))
    yield from (f"element: {problem}" for problem in element_problems(block.get("element"), INPUTS))


def _image(block: Block) -> Problems:
    alt = block.get("alt_text")
    if not isinstance(alt, str) or not 1 <= len(alt) <= 2000:
        yield "alt_text: 1 to 2000 characters"
    if not block.get("slack_file") and not str(block.get("image_url", "")).startswith("https://"):
        yield "image_url must be https, or slack_file be given"
    if "title" in block:
        yield from text_problems(block["title"], 2000, plain=True)


def _table(block: Block) -> Problems:
    rows = block.get("rows")
    yield from _count(rows, 100, "rows")
    for row in rows if isinstance(rows, list) else ():
        yield from _count(row, 20, "cells of a row")
        for cell in row if isinstance(row, list) else ():
            kind = cell.get("type") if isinstance(cell, Mapping) else None
            if kind not in ("raw_text", "rich_text"):
                yield f"a cell is raw_text or rich_text, not {kind}"
            elif kind == "raw_text" and not cell.get("text"):
                yield "a raw_text cell must have text"
    if len(block.get("column_settings") or ()) > 20:
        yield "column_settings: at most 20"


def _rich_text(block: Block) -> Problems:
    kinds = {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
    items = block.get("elements")
    if not isinstance(items, list):
        yield "elements is required"
        return
    for item in items:
        if not isinstance(item, Mapping) or item.get("type") not in kinds:
            yield "elements: unknown kind"


def _task_card(block: Block) -> Problems:
    for name in ("task_id", "title"):
        if not block.get(name):
            yield f"{name} is required"
    if block.get("status") not in ("pending", "in_progress", "complete", "error"):
        yield f"status: {block.get('status')!r} is none of the four"
    for source in block.get("sources") or ():
        if source.get("type") != "url" or is_unsafe_url(source.get("url")) or not source.get("text"):
            yield "sources: url elements with url and text"


def _plan(block: Block) -> Problems:
    if not block.get("title"):
        yield "title is required"
    for task in block.get("tasks") or ():
        yield from _task_card(task)


def _alert(block: Block) -> Problems:
    yield from text_problems(block.get("text"), 3000)
    if block.get("level", "default") not in ("default", "info", "warning", "error", "success"):
        yield f"level: {block['level']!r}"


def _card(block: Block) -> Problems:
    if not any(block.get(name) for name in ("hero_image", "title", "actions", "body")):
        yield "one of hero_image, title, actions, body is required"
    for name, limit in (("title", 150), ("subtitle", 150), ("body", 200)):
        if name in block:
            yield from (f"{name}: {problem}" for problem in text_problems(block[name], limit))
    for button in block.get("actions") or ():
        yield from element_problems(button, frozenset({"button"}))


def _carousel(block: Block) -> Problems:
    yield from _count(block.get("elements"), 10, "elements")
    for card in block.get("elements") or ():
        yield from _card(card)


def _nothing(_block: Block) -> Problems:
    return iter(())


_CHECKS: Mapping[str, Callable[[Block], Problems]] = {
    "actions": lambda block: _elements(block, ACTIONS, 25),
    "alert": _alert,
    "card": _card,
    "carousel": _carousel,
    "context": _context,
    "context_actions": lambda block: _elements(block, CONTEXT_ACTIONS, 5),
    "divider": _nothing,
    "header": _header,
    "image": _image,
    "input": _input,
    "markdown": _markdown,
    "plan": _plan,
    "rich_text": _rich_text,
    "section": _section,
    "table": _table,
    "task_card": _task_card,
    "video": _nothing,
}
_ONLY_MESSAGES = frozenset({"context_actions", "markdown", "table", "task_card", "plan", "alert", "card", "carousel"})


def block_problems(blocks: Any, surface: str = "message") -> list[str]:
    """Everything that Slack would not take, as `path: what`; empty for good blocks."""
    if not isinstance(blocks, list):
        return ["blocks must be a list"]
    most = MESSAGE_BLOCKS if surface == "message" else VIEW_BLOCKS
    problems = [f"blocks: at most {most}, are {len(blocks)}"] if len(blocks) > most else []
    for index, block in enumerate(blocks):
        problems += [f"/blocks/{index}: {problem}" for problem in _problems_of(block, surface)]
    markdown = sum(len(block.get("text", "")) for block in blocks if _kind(block) == "markdown")
    if markdown > MARKDOWN:
        problems.append(f"markdown blocks: at most {MARKDOWN} characters in all, are {markdown}")
    ids = [block["block_id"] for block in blocks if isinstance(block, Mapping) and block.get("block_id")]
    if len(ids) != len(set(ids)):
        problems.append("block_id must be unique")
    if sum(_kind(block) == "table" for block in blocks) > 1:
        problems.append("only_one_table_allowed")
    return problems


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, Mapping) else None


def _problems_of(block: Any, surface: str) -> Problems:
    kind = _kind(block)
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        yield f"unsupported type: {kind}"
        return
    if surface != "message" and kind in _ONLY_MESSAGES:
        yield f"{kind} is only for messages"
    if len(block.get("block_id", "")) > 255:
        yield "block_id: at most 255 characters"
    yield from check(block)


def words_of(value: Any) -> str:
    """The text that people read in blocks, one line per piece of text."""
    return "\n".join(_words(value))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, Mapping):
        for name in ("title", "subtitle", "body", "text", "label", "fields", "rows", "elements", "element", "tasks",
                     "details", "output", "sources", "accessory", "actions", "alt_text", "hint",
                     "positive_button", "negative_button"):  # fmt: skip
            part = value.get(name)
            if isinstance(part, str):
                yield part
            else:
                yield from _words(part)

"""One HTML page that looks like Slack: a thread, what one person sees in a channel, a dialog, the Home tab. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from pathlib import Path

from tests.browser.slack_blocks import Json, blocks_html, button, check, text_html
from tests.browser.slack_text import Names, UnknownPart, markdown, mrkdwn, plain
from tests.fakes.slack import File, Message

STYLE = Path(__file__).with_name("slack_page.css")
BOT = "Lorekeeper"
_EYE = '<svg viewBox="0 0 20 20"><path d="M1.5 10C5 4 15 4 18.5 10 15 16 5 16 1.5 10z"/><circle cx="10" cy="10" r="2.6"/></svg>'
_FILE_KINDS = {"application/pdf": "PDF", "text/markdown": "Markdown"}
_COLOURS = ("#4a154b", "#1164a3", "#8d5a00", "#a3354f")


def thread_page(messages: Sequence[Message], place: str, names: Names) -> str:
    """A thread: its first message, and the replies below. Raises `UnknownPart`."""
    root, *replies = messages
    count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
    bar = f"<h1>Thread</h1><span>{escape(place)}</span>"
    between = f'<div class="replies">{count}<hr></div>'
    return _page(bar, _message(root, names) + between + _listed(replies, names))


def channel_page(messages: Sequence[Message], place: str, names: Names) -> str:
    """A conversation. Raises `UnknownPart`."""
    return _page(f"<h1>{escape(place)}</h1>", _listed(messages, names))


def modal_page(view: Json, names: Names) -> str:
    """A dialog in front of a conversation. Raises `UnknownPart`."""
    check(view, "title", "submit", "close", "blocks", "callback_id", "private_metadata")
    submit = button(text_html(view["submit"]), "primary") if "submit" in view else ""
    close = button(text_html(view["close"])) if "close" in view else ""
    return _whole(
        f'<div class="dialog"><header><span class="avatar bot">L</span><h1>{text_html(view["title"])}</h1>'
        f'<span class="cross">✕</span></header><main>{blocks_html(view["blocks"], names)}</main>'
        f"<footer>{close}{submit}</footer></div>",
        "dimmed",
    )


def home_page(view: Json, names: Names) -> str:
    """The Home tab. Raises `UnknownPart`."""
    check(view, "blocks", "private_metadata")
    bar = f'<span class="avatar bot">L</span><h1>{BOT}</h1>'
    tabs = '<nav><span class="chosen">Home</span><span>Messages</span><span>About</span></nav>'
    return _page(bar, f'<div class="home">{blocks_html(view["blocks"], names)}</div>', tabs)


def _listed(messages: Sequence[Message], names: Names) -> str:
    befores = [None, *(one for one, _ in pairwise(messages))]
    return "".join(_message(each, names, before) for each, before in zip(messages, befores, strict=True))


def _message(message: Message, names: Names, before: Message | None = None) -> str:
    """One message; who it is from is not said again below another of the same sender."""
    if message.chunks or message.reactions or message.deleted or message.subtype not in {None, "file_share"}:
        raise UnknownPart(f"a message with something else: {message}")
    name, is_bot = names[message.user], message.bot_id is not None
    private = f'<div class="private">{_EYE} Only visible to you</div>' if message.ephemeral_to else ""
    body = markdown(message.markdown) if message.markdown else ""
    body += blocks_html(message.blocks, names)
    content = f"{private}{body or mrkdwn(message.text)}{''.join(map(_file, message.files))}"
    if before is not None and before.user == message.user and not private:
        return f'<article><div class="gutter"></div><div class="content">{content}</div></article>'
    when = f"{datetime.fromtimestamp(float(message.ts), UTC):%H:%M}"
    badge = '<span class="badge">APP</span>' if is_bot else ""
    who = f'<div class="who"><b>{escape(name)}</b>{badge}<time>{when}</time></div>'
    return f'<article>{_avatar(name, is_bot=is_bot)}<div class="content">{who}{content}</div></article>'


def _avatar(name: str, *, is_bot: bool) -> str:
    colour = _COLOURS[sum(map(ord, name)) % len(_COLOURS)]
    kind, style = (" bot", "") if is_bot else ("", f' style="background:{colour}"')
    return f'<span class="avatar{kind}"{style}>{escape(name[0])}</span>'


def _file(file: File) -> str:
    kind = file.name.rpartition(".")[2].upper()
    what = _FILE_KINDS.get(file.mimetype, kind)
    return (
        f'<div class="file"><i>{escape(kind)}</i><div><b>{plain(file.name)}</b><span>{escape(what)}</span></div></div>'
    )


def _page(bar: str, main: str, below: str = "") -> str:
    return _whole(f"<header>{bar}</header>{below}<main>{main}</main>")


def _whole(body: str, kind: str = "") -> str:
    style = STYLE.read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Slack</title><style>{style}</style></head>'
        f'<body class="{kind}">{body}</body></html>'
    )

"""Checks a rendering as Discord does."""

from __future__ import annotations

import re
from typing import Any

from bots.discord.render import Rendered
from bots.discord.render_kit import parse_custom_id
from core.types import Answer, Citation, Outcome, Passage
from tests.fakes.discord.components import walk
from tests.fakes.discord.contents import check_contents
from tests.fakes.discord.pings import pings_in
from tests.fakes.discord.specs import check_as

ANSWER = "discord:123456789012345678:123456789012345678"
HOSTILE = [
    "<@1> **bold** @everyone @here <@&2> <#3>",
    "[x](https://evil.org) <https://evil.org> https://evil.org/x",
    "`" * 300 + "*" * 300,
    "<" * 5000,
    "\n# head\n> quote\x00\u202e\n```\n||x||",
    "@everyone" * 900,
    "\\" * 500,
    "😀" * 3000,
    "",
    " \n",
]
URLS = [None, "javascript:alert(1)", "https://x.org/>)", "https://x.org/?" + "a&" * 900, "https://x.org/a_(b)?c=1"]


def check(message: Rendered) -> None:
    """Discord takes it, nobody is notified, and every button is one of ours."""
    body = {"content": message.content, "embeds": list(message.embeds), "components": list(message.components)}
    check_contents(body, ())
    check_as("MessageCreateRequest", body)
    assert len(message.content.encode("utf-16-le")) // 2 <= 4000
    assert message.content.strip() or message.embeds
    for text in texts_of(message):
        assert text.strip()
        assert pings_in({"content": text}) == []
        assert not re.search(r"\]\(<?https://evil\.org", text)
    for button in buttons_of(message):
        assert parse_custom_id(button["custom_id"])


def texts_of(message: Rendered) -> list[str]:
    """All that is interpreted as Markdown, if there is anything; not the footer."""
    embedded = [embed[name] for embed in message.embeds for name in ("title", "description") if name in embed]
    return [*([message.content] if message.content else []), *embedded]


def buttons_of(message: Rendered) -> list[dict[str, Any]]:
    return [each for each in walk(message.components) if each["type"] == 2]


def named(message: Rendered) -> list[tuple[str, str] | None]:
    """The names and values of its buttons."""
    return [parse_custom_id(each["custom_id"]) for each in buttons_of(message)]


def citation(number: int = 1, title: str = "Handbook", url: str | None = "https://x.org/h?a=1&b=2") -> Citation:
    return Citation(number, title, "page 3", "Thirty days of leave.", "d1", url, f"c{number}", 3)


def answered(text: str = "Thirty days [1].", count: int = 1, **parts: Any) -> Answer:
    citations = tuple(citation(number) for number in range(1, count + 1))
    return Answer(ANSWER, Outcome.ANSWERED, text, citations=citations, **parts)


def passage(number: int, text: str) -> Passage:
    return Passage(f"c{number}", "d1", "Handbook", text, text, 1.0)

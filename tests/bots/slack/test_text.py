from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bots.slack.text import escape, is_safe_url, mentioned, mrkdwn_plain, question_of, safe_markdown
from tests.fakes.slack.pings import pings_in

BREAK = "\u200b"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<@UBOT> how many days?", "how many days?"),
        ("<@UBOT>: how many days?", "how many days?"),
        ("<@UBOT|lore> :tada: how?", ":tada: how?"),
        ("hey <@UBOT> how many days?", "hey how many days?"),
        ("hey <@UBOT>, how many days?", "hey, how many days?"),
        ("how many days, <@UBOT>?", "how many days,?"),
        ("how many days? <@UBOT>", "how many days?"),
        ("so:\n<@UBOT> how?\n    code", "so:\nhow?\n    code"),
        ("<@UBOT>", ""),
        ("ask <@U2|ann> or <@U3>", "ask @ann or @U3"),
        ("in <#C1|general> or <#C2> or <#C3|>", "in #general or #C2 or #C3"),
        ("<!subteam^S1|@ops> <!subteam^S2>", "@ops @S2"),
        ("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone"),
        ("since <!date^1700000000^{date_short}|14 Nov 2023>", "since 14 Nov 2023"),
        ("<https://x.org/a|the page>", "the page (https://x.org/a)"),
        ("<https://x.org/?a=1&amp;b=2>", "https://x.org/?a=1&b=2"),
        ("<http://x.org|x.org>", "http://x.org"),
        ("<mailto:a@b.org|a@b.org> <mailto:a@b.org|Ann>", "a@b.org Ann (a@b.org)"),
        ("is a &lt; b &amp;&amp; c &gt; d?", "is a < b && c > d?"),
        ("&amp;lt;@U2&amp;gt; &lt;@U2&gt;", "&lt;@U2&gt; <@U2>"),
    ],
)
def test_question_as_people_read_it(text: str, question: str) -> None:
    assert question_of(text, "UBOT") == question


def test_nobody_is_cut_out_without_a_bot() -> None:
    assert question_of("<@U1> how?", "") == "@U1 how?"


def test_who_is_tagged() -> None:
    text = "<@U1> <@W2|ann> <!subteam^S1|@ops> <!here> <#C1> <https://x.org/@U9> &lt;@U3&gt; @U4"
    assert mentioned(text) == {"U1", "W2", "S1"}


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("30 days [1][2], see [3].", "30 days [1][2], see [3]."),
        ("| a | b |\n|---|---|\n| 1 < 5 | 6 > 2 |", "| a | b |\n|---|---|\n| 1 < 5 | 6 > 2 |"),
        ("[the page](https://x.org/a_(b))", "the page (https://x.org/a_(b))"),
        ('[page](<https://x.org/a b> "Title")', "page (https://x.org/a b)"),
        ("[https://good.org](https://evil.org)", "https://good.org (https://evil.org)"),
        ("[https://x.org](https://x.org)", "https://x.org"),
        ("![a cat](https://x.org/c.png)", "a cat (https://x.org/c.png)"),
        ("[![alt](https://x.org/i)](https://y.org)", "alt (https://x.org/i) (https://y.org)"),
        ("[1](https://x.org) [see [1]](https://x.org)", "[1] (https://x.org) see [1] (https://x.org)"),
        ("[`f()`](https://x.org)", "`f()` (https://x.org)"),
        ("<https://x.org> <mailto:a@b.org> <a@b.org>", "https://x.org a@b.org a@b.org"),
        ("<https://evil.org|https://good.org>", "https://good.org (https://evil.org)"),
        ("[page][1]\n\n[1]: https://evil.org", f"[page][1]\n\n[1]{BREAK}: https://evil.org"),
        ("[a[b[c]]](https://x.org)", f"[a[b[c]]]{BREAK}(https://x.org)"),
        ("```py\nx = a[0](1)\nd: list[int]: 3\n```", "```py\nx = a[0](1)\nd: list[int]: 3\n```"),
        ("```html\n<!DOCTYPE html>\n<!-- note -->\n```", "```html\n<!DOCTYPE html>\n<!-- note -->\n```"),
        ("`[x](https://x.org)`", f"`[x]{BREAK}(https://x.org)`"),
        ("mail ann@here.com", "mail ann@here.com"),
        ("ring\x07 \u202egro.live\u202c\u2066", "ring gro.live"),
    ],
)
def test_links_show_where_they_lead(text: str, safe: str) -> None:
    assert safe_markdown(text) == safe
    assert safe_markdown(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "<!channel>", "<!HERE>", "< ! everyone >", "<!here|here>", "<@U1>", "<@W2|ann>", "<!subteam^S1|@ops>", "<#C1>",
        "<\u200d!channel>", "<\ufeff!channel>", "<!\u2060channel>", "<\n@U1>", "<\x00@U1>", "&lt;!channel&gt;",
        "```\n<!channel>\n```", "`<!channel>`", "<![]()channel>", "<[](<>)!channel>", "[<!channel>](https://x.org)",
        "@channel", "@Here", "(@everyone)", "_@here_", "x@everyone", "＠channel", "@\u200dchannel", "`@here`",
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [safe_markdown, escape, mrkdwn_plain])
def test_nothing_notifies(text: str, make: object) -> None:
    assert callable(make)
    made = make(text)
    # As Slack might read it: without what is not seen, but for our own break.
    read = re.sub(r"[\u200c-\u200f\u2060\ufeff\x00]", "", made)
    assert pings_in({"text": read}) == []
    assert not re.search(r"<\s*[!@#]|[@＠](?:channel|here|everyone)", read, re.IGNORECASE)


_PARTS = st.sampled_from(
    ["[", "]", "(", ")", "<", ">", "|", "!", "@", "#", "`", "```", "\n", "\n\n", "~~~", " ", ":", '"', "'", "\\", "&lt;",
     "https://evil.org", "www.evil.org", "a", "channel", "U1", "here", "subteam^S1", "1", "[1]", "](", "]: ", "\u200d",
     "a@b.org", "<https://evil.org", "x.y"]
)  # fmt: skip
_COMMONMARK = MarkdownIt("commonmark")


def _hidden_links(text: str) -> list[str]:
    """Links and images of which a reader of Markdown shows something else than their address."""
    tokens = [inner for token in _COMMONMARK.parse(text) for inner in token.children or ()]
    return [each.type for each in tokens if each.type == "image" or (each.type == "link_open" and each.info != "auto")]


@settings(max_examples=1000, deadline=None)
@given(st.lists(_PARTS, max_size=25).map("".join))
def test_any_text_is_safe_and_stays_so(text: str) -> None:
    safe = safe_markdown(text)
    assert safe_markdown(safe) == safe
    assert pings_in({"markdown_text": safe}) == []
    assert not re.search(r"@(?:channel|here|everyone)\b(?!\.)", safe)
    assert _hidden_links(safe) == []


@pytest.mark.parametrize(
    "part", ["[", "[a](", "[a](x '", "`", "<", "< ", "[a [b] ", "![[]](", "&#0", "@", "@here", ":a", "*_", "\n[ \t\n"]
)
@pytest.mark.parametrize("tail", ["", " " * 50_000])
def test_hostile_text_takes_no_long_time(part: str, tail: str) -> None:
    # Each of these takes minutes where a pattern backtracks.
    text = part * (50_000 // len(part)) + tail
    for make in (safe_markdown, mrkdwn_plain, lambda each: question_of(each, "UBOT")):
        make(text)


def test_mrkdwn_keeps_its_marks_but_not_its_tags() -> None:
    assert escape("*a* & <b> @here") == f"*a* &amp; &lt;b&gt; @{BREAK}here"


def test_title_is_shown_as_it_is() -> None:
    hostile = "*Leave*\n> `policy`_2024_final :smile: ~old~ <b>"
    shown = mrkdwn_plain(hostile)
    assert shown.replace(BREAK, "") == "*Leave* &gt; ˋpolicyˋ_2024_final :smile: ~old~ &lt;b&gt;"
    assert not re.search(r"(?<![\w\u200b])[*_~](?!\u200b)|:smile:", shown)
    assert mrkdwn_plain("leave_policy_2024.pdf") == "leave_policy_2024.pdf"


@pytest.mark.parametrize("url", ["https://x.org/a?b=1&c=%20#d", "http://localhost:8080/é", "HTTPS://x.org"])
def test_links_that_may_be_offered(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        None, "", "javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "//x.org", "https://", "https:///x",
        "https://x.org/a b", "https://x.org/>x", "https://x.org/|x", "https://x.org/\n", "https://x.org/\u202egpj",
        "https://[x", "https://x.org/" + "a" * 3000, " https://x.org", "https:\\\\x.org", "https://x.org/\u200b",
    ],
)  # fmt: skip
def test_links_that_may_not_be_offered(url: str | None) -> None:
    assert not is_safe_url(url)

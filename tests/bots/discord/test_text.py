"""Text from Discord as people read it, and text to Discord that misleads and notifies nobody."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.chat.links import BREAK
from bots.discord.tables import WIDTH
from bots.discord.text import (
    RULE,
    escaped,
    is_safe_url,
    mentioned,
    plain,
    question_of,
    safe_markdown,
    safe_so_far,
)
from tests.fakes.discord.pings import pings_in

NAMES = {"1": "ann", "2": "general", "3": "ops\n<@4>", "9": "lore"}


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<@9> how many days?", "how many days?"),
        ("<@!9>: how many days?", "how many days?"),
        ("<@&77> how many days?", "how many days?"),
        ("hey <@9> how many days?", "hey how many days?"),
        ("hey <@9>, how many days?", "hey, how many days?"),
        ("how many days, <@&77>?", "how many days,?"),
        ("so:\n<@9> how?\n    code", "so:\nhow?\n    code"),
        ("<@9>", ""),
        ("ask <@1> or <@!1> or <@8>", "ask @ann or @ann or @8"),
        ("ask <@&3> in <#2> or <#6>", "ask @ops <@4> in #general or #6"),
        ("<:party:123> <a:dance:456> done", ":party: :dance: done"),
        ("since <t:1618953630> and <t:1618953630:d>", "since 2021-04-20 21:20 UTC and 2021-04-20"),
        ("at <t:1618953630:t>, <t:9999999999999:R>", "at 21:20 UTC, <t:9999999999999:R>"),
        ("try </lore add:123> and <id:customize>", "try /lore add and Channels & Roles"),
        ("see <https://x.org/a>", "see https://x.org/a"),
        ("is a < b && c > d? <b> @everyone", "is a < b && c > d? <b> @everyone"),
    ],
)
def test_question_as_people_read_it(text: str, question: str) -> None:
    assert question_of(text, "9", "77", NAMES) == question


def test_nobody_is_cut_out_without_a_bot() -> None:
    assert question_of("<@9> how? <@&77>", "", "", NAMES) == "@lore how? @77"


def test_who_is_tagged() -> None:
    text = "<@1> <@!2> <@&3> @everyone <#4> <:a:5> <https://x.org/@6> @7"
    assert mentioned(text) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("30 days [1][2], see [3].", "30 days [1][2], see [3]."),
        ("[the page](https://x.org/a_(b))", "the page (<https://x.org/a_(b)>)"),
        ('[page](<https://x.org/a> "Title")', "page (<https://x.org/a>)"),
        ("[https://good.org](https://evil.org)", "<https://good.org> (<https://evil.org>)"),
        ("[https://x.org](https://x.org)", "<https://x.org>"),
        ("![a cat](https://x.org/c.png)", "a cat (<https://x.org/c.png>)"),
        ("[![alt](https://x.org/i)](https://y.org)", "alt (<https://x.org/i>) (<https://y.org>)"),
        ("[1](https://x.org)", "[1] (<https://x.org>)"),
        ("[`f()`](https://x.org)", "`f()` (<https://x.org>)"),
        ("[x](javascript:alert)", "x (javascript:alert)"),
        ("see https://x.org/a. (https://y.org/b_(c)) **https://z.org**",
         "see <https://x.org/a>. (<https://y.org/b_(c)>) **<https://z.org>**"),
        ("<https://x.org> <mailto:a@b.org> <a@b.org>", "<https://x.org> a@b.org a@b.org"),
        ("https://**", f"https:{BREAK}//**"),
        ("[a[b[c]]](https://x.org)", f"[a[b[c]]]{BREAK}(<https://x.org>)"),
        ("std::vector<int> x < y <b>", "std::vector<int> x < y <b>"),
        ("```py\nx = a[0](1)\n# https://x.org\n```", "```py\nx = a[0](1)\n# https://x.org\n```"),
        ("`[x](https://x.org)`", f"`[x]{BREAK}(https://x.org)`"),
        ("ring\x07 \u202egro.live\u202c\u2066", "ring gro.live"),
    ],
)  # fmt: skip
def test_links_show_where_they_lead_and_make_no_preview(text: str, safe: str) -> None:
    assert safe_markdown(text) == safe
    assert safe_markdown(safe) == safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("# One\n## Two\n### Three", "# One\n## Two\n### Three"),
        ("#### Four **bold** ##\n###### Six\n####", "**Four bold**\n**Six**\n"),
        ("---", RULE),
        ("a\n\n* * *\nb", f"a\n\n{RULE}\nb"),
        ("-# small", f"-{BREAK}# small"),
        ("> - -# small", f"> - -{BREAK}# small"),
        ("- # head", "- # head"),
        ("> quote\n> more", "> quote\n> more"),
        (">>> all\n>> two\n> > three", "> all\n> two\n> three"),
        (">5 days", ">5 days"),
        ("a || b || c", f"a |{BREAK}| b |{BREAK}| c"),
        ("~~~py\nx\n~~~", "```py\nx\n```"),
        ("````md\n```\nx\n```\n````", f"```md\n``{BREAK}`\nx\n``{BREAK}`\n```"),
        ("```what is this?\nx\n```", "```what\nx\n```"),
        ("```js\nopen", "```js\nopen\n```"),
        ("- ```\n  x\n  ```\nafter", "- ```\n  x\n  ```\nafter"),
        ("```\n\n```\nafter", "\nafter"),
        ("a ``` b", "a ˋˋˋ b"),
        ("a ```b``` c", "a ``b`` c"),
    ],
)
def test_what_discord_does_not_have_becomes_what_it_has(text: str, safe: str) -> None:
    assert safe_markdown(text) == safe
    assert safe_markdown(safe) == safe


def test_a_table_becomes_aligned_text() -> None:
    table = "Days:\n\n| Grade | Days | **By** |\n|:--|--:|---|\n| A | 7 | law [1] |\n| `B` | 13 | a\\|b |\n\nSo it is."
    assert safe_markdown(table).split("\n") == [
        "Days:",
        "",
        "```",
        "Grade  Days  By",
        "─────  ────  ───────",
        "A         7  law [1]",
        "B        13  a|b",
        "```",
        "",
        "So it is.",
    ]


def test_wide_cells_are_wrapped_and_keep_their_words() -> None:
    words = [f"word{number}" for number in range(40)]
    safe = safe_markdown(f"| Grade | Text |\n|---|---|\n| A | {' '.join(words)} |\n| B | b<br>c |")
    lines = safe.split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert re.findall(r"word\d+", safe) == words
    # An empty line tells where a row ends.
    assert lines[-4:] == ["", "B      b", "       c", "```"]


def test_wide_letters_are_counted_as_wide() -> None:
    lines = safe_markdown("| 部門 | n |\n|---|---|\n| 人事 | 1 |\n| ab | 2 |").split("\n")
    assert lines[1:-1] == ["部門  n", "────  ─", "人事  1", "ab    2"]


def test_a_table_that_is_far_too_wide_becomes_a_list() -> None:
    head = "|".join(f"Column {number}" for number in range(12))
    rows = "|".join(f"value {number}" for number in range(12))
    safe = safe_markdown(f"|{head}|\n|{'---|' * 12}\n|{rows}|\n|x|||||||||||<@1>|")
    assert safe.startswith("- **value 0**; Column 1: value 1; Column 2")
    assert safe.split("\n")[1] == f"- **x**; Column 11: <{BREAK}@1>"


def test_a_long_table_has_its_header_in_every_part() -> None:
    safe = safe_markdown("| Day | Hours |\n|---|--:|\n" + "".join(f"| Monday | {n} |\n" for n in range(500)))
    blocks = safe.strip("`\n").split("\n```\n```\n")
    assert len(blocks) > 3
    assert all(block.startswith("Day     Hours\n──────  ─────\n") for block in blocks)
    assert re.findall(r"\d+", safe) == [str(n) for n in range(500)]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_a_table_in_code_stays(fence: str) -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    assert safe_markdown(f"{fence}\n{table}\n{fence}") == f"```\n{table}\n```"


@pytest.mark.parametrize(
    "text",
    [
        "<@123456789012345678>", "<@!1>", "<@&1>", "@everyone", "@here", "@Everyone", "x@everyone", "_@here_", "`@here`",
        "```\n@everyone <@1>\n```", "<\ufeff@1>", "@\u2060everyone", "<\x00@&1>", "[<@1>](https://x.org)",
        "https://x.org/@everyone", "| <@1> | @here |\n|---|---|\n| <@&1> | @everyone |", "<[](<>)@1>", "`` <@1> ``",
        "\\<@1>", "@here, all", "<![]()@1>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [safe_markdown, plain, escaped, safe_so_far])
def test_nothing_notifies(text: str, make: Callable[[str], str]) -> None:
    made = make(f"{text} now ")
    assert pings_in({"content": made}) == []


@pytest.mark.parametrize("text", ["<#1>", "<:a:1>", "<a:a:1>", "<t:1>", "<t:-1:R>", "</lore add:1>", "<id:browse>"])
def test_nothing_is_shown_as_something_else_than_it_says(text: str) -> None:
    assert safe_markdown(text) == f"<{BREAK}{text[1:]}"
    assert safe_markdown(f"`{text}`") == f"`{text}`"
    assert BREAK in plain(text)


_PARTS = st.sampled_from(
    ["[", "]", "(", ")", "<", ">", "|", "||", "!", "@", "#", "`", "``", "```", "````", "\n", "\n\n", "~~~", " ", ":", '"',
     "'", "\\", "https://evil.org", "www.evil.org", "a", "everyone", "here", "@1", "&1", "[1]", "](", "]: ", "\u200d", BREAK,
     "a@b.org", "<https://evil.org", "x.y", "-#", "- ", "> ", ">>>", "####", "---", "|---|---|\n", "| a | b |\n", "t:1", "*",
     "**", "<br>", "https://"]
)  # fmt: skip
_TOKEN = re.compile(
    r"(?P<code>```(?:[a-z0-9_+\-.#]+?\n)?\n*[^\n][\s\S]*?\n*```|(?P<ticks>`+)[\s\S]*?[^`](?P=ticks)(?!`))"
    r"|\\[^0-9A-Za-z\s]|(?P<autolink><[^: >]+:/[^ >]+>)|(?P<link>\[(?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*\]\(\s*<?\w+:[^)]*\))"
    r"|(?P<bare>https?://[^\s<]+[^<.,:;\"'\]\s])|(?P<spoiler>\|\|[\s\S]+?\|\|)|(?P<rest>[\s\S])",
    re.IGNORECASE,
)


def _shown(text: str) -> list[str]:
    """What a reader of Discord's Markdown makes of it, in order; code without what is in it."""
    return [str(match.lastgroup) for match in _TOKEN.finditer(text)]


@settings(max_examples=1500, deadline=None)
@given(st.lists(_PARTS, max_size=25).map("".join))
def test_any_text_is_safe_and_stays_so(text: str) -> None:
    safe = safe_markdown(text)
    assert safe_markdown(safe) == safe
    assert pings_in({"content": safe}) == []
    assert not {"link", "spoiler", "bare"} & set(_shown(safe))
    prose = _TOKEN.sub(lambda match: "x" if match["code"] else match[0], safe)
    assert not re.search(r"^ *(?:>>> |-# )", prose, re.MULTILINE)


@settings(max_examples=500, deadline=None)
@given(st.lists(_PARTS, max_size=25).map("".join))
def test_any_words_are_shown_as_they_are(text: str) -> None:
    shown = escaped(text)
    assert pings_in({"content": shown}) == []
    assert not {"link", "spoiler", "bare", "code", "autolink"} & set(_shown(shown))
    assert "\n" not in plain(text)


@pytest.mark.parametrize(
    "part",
    ["[", "[a](", "[a](x '", "`", "<", "< ", "[a [b] ", "![[]](", "@", "@here", ":a", "*_", "\n[ \t\n", "|", "|-", "| a |\n",
     "||\n", "> ", ">", "- ", "# ", "-#", "https://(", "```", "\\", "``` \n", "<t:", "a|b\n-|-\n"],
)  # fmt: skip
@pytest.mark.parametrize("tail", ["", " " * 50_000])
def test_hostile_text_takes_no_long_time(part: str, tail: str) -> None:
    # Each of these takes minutes where a pattern backtracks.
    text = part * (50_000 // len(part)) + tail
    for make in (safe_markdown, safe_so_far, plain, escaped, lambda each: question_of(each, "9", "77", NAMES)):
        make(text)


TEXTS = [
    "You accrue 13 days of annual leave per year. [1] Part-time staff accrue less. [2]",
    "See [the handbook](https://example.com/a_b) and <https://example.com> or <@123> now, or https://example.com/c too.",
    'Run:\n\n```bash\nmake run # [x](https://example.com)\n```\n\nThen `lorekeeper ask "x"` or `a [b](https://c.d) e` works.',
    "Days:\n\n| Grade | Days |\n|---|---|\n| A | 13 |\n| B | 7 |\n\nAnd <@1> or < @1 > and a `lone tick in text.",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_unfinished_answer_is_safe_at_every_moment(text: str) -> None:
    final = safe_markdown(text)
    for end in range(len(text)):
        shown = safe_so_far(text[:end])
        assert pings_in({"content": shown}) == []
        assert not {"link", "bare"} & set(_shown(shown))
        assert shown.count("```") % 2 == 0
        # Nothing is shown that the end takes back, but for the fence that closes unfinished code.
        assert final.startswith(shown.removesuffix("\n```"))
    assert len(safe_so_far(text)) > len(final) / 2


def test_a_table_is_shown_when_it_is_one() -> None:
    assert safe_so_far("Days:\n\n| Grade | Days |\n") == "Days:"
    assert safe_so_far("Days:\n\n| Grade | Days |\n|---|") == "Days:"
    assert safe_so_far("Days:\n\n| Grade | Days |\n|---|---|\n| A | 13 |\n| B |").endswith("A      13\n```")


def test_title_is_shown_as_it_is() -> None:
    hostile = "*Leave*\n> `policy`_2024_final ~~old~~ [a](https://x.org) <b> C:\\dir"
    assert plain(hostile).replace("\\\\", "\x00").replace("\\", "").replace("\x00", "\\") == " ".join(hostile.split())
    assert plain("leave_policy_2024.pdf") == "leave_policy_2024.pdf"
    assert escaped("# a\n- b\n1. c\n> d\n  e") == "\\# a\n\\- b\n1\\. c\n\\> d\n  e"


@pytest.mark.parametrize("url", ["https://x.org/a?b=1&c=%20#d", "http://localhost:8080/é", "HTTPS://x.org"])
def test_links_that_may_be_offered(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url", [None, "", "javascript:alert(1)", "file:///etc/passwd", "https://", "https://x.org/a b", "https://x.org/>x",
            "https://x.org/\n", "https://x.org/" + "a" * 2000, "https:\\\\x.org", "https://x.org/\u202egpj"],
)  # fmt: skip
def test_links_that_may_not_be_offered(url: str | None) -> None:
    assert not is_safe_url(url)

"""Markdown: what a reader of the rendered page sees, as blocks."""

from __future__ import annotations

import pytest

from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import parse


def read(text: str, name: str = "guide.md") -> ParsedDocument:
    return parse(text.encode(), name)


def texts(document: ParsedDocument, kind: BlockKind) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


def test_headings_have_their_levels_and_lose_their_marks() -> None:
    document = read(
        "# Leave **policy** {#leave}\n\nSick leave\n----------\n\n### `rsync` and [links](http://x.test) ###\n"
    )
    assert document.blocks == (
        Block("Leave policy", BlockKind.HEADING, 1),
        Block("Sick leave", BlockKind.HEADING, 2),
        Block("rsync and links", BlockKind.HEADING, 3),
    )


def test_a_hash_inside_code_is_no_heading() -> None:
    document = read("# Deploying\n\n```sh\n# build first\nmake\n```\n\nDone.\n")
    assert texts(document, BlockKind.HEADING) == ["Deploying"]
    assert texts(document, BlockKind.CODE) == ["# build first\nmake"]


def test_paragraphs_are_joined_and_links_and_emphasis_reduced_to_their_text() -> None:
    document = read("Ask *your* manager\nor the [help desk](https://help.test/?a=1), and see ![the form](form.png).\n")
    assert texts(document, BlockKind.TEXT) == ["Ask your manager or the help desk, and see the form."]


def test_a_hard_break_stays_a_line_break() -> None:
    assert texts(read("Main Street 1  \nSpringfield\n"), BlockKind.TEXT) == ["Main Street 1\nSpringfield"]


def test_lists_are_one_block_with_markers_and_nesting() -> None:
    document = read("Do this:\n\n3. Pack\n   - shoes\n   - a coat\n4. Leave\n\nThen rest.\n")
    assert texts(document, BlockKind.LIST) == ["3. Pack\n  - shoes\n  - a coat\n4. Leave"]
    assert texts(document, BlockKind.TEXT) == ["Do this:", "Then rest."]


def test_two_paragraphs_of_one_item_stay_below_its_marker() -> None:
    document = read("- First thing.\n\n  More of it.\n- Second.\n")
    assert texts(document, BlockKind.LIST) == ["- First thing.\n  More of it.\n- Second."]


def test_code_inside_a_list_does_not_lose_the_rest_of_the_list() -> None:
    document = read("1. Run it:\n\n   ```\n   make\n   ```\n\n2. Wait.\n")
    assert [(block.kind, block.text) for block in document.blocks] == [
        (BlockKind.LIST, "1. Run it:"),
        (BlockKind.CODE, "make"),
        (BlockKind.LIST, "2. Wait."),
    ]


def test_tables_stay_tables_with_cells_in_plain_text() -> None:
    document = read("| Plan | *Price* |\n|:---|---:|\n| Basic | 10 \\| 12 |\n| Plus |\n")
    assert texts(document, BlockKind.TABLE) == [
        "| Plan | Price |\n| --- | --- |\n| Basic | 10 \\| 12 |\n| Plus |  |",
    ]


def test_quotes_are_read_as_text() -> None:
    assert texts(read("> Be kind.\n>\n> Always.\n"), BlockKind.TEXT) == ["Be kind.", "Always."]


def test_html_inside_is_read_and_scripts_and_comments_are_not() -> None:
    document = read(
        "<!-- draft: ask legal -->\n\n<details><summary>More</summary>\n<p>Inner text.</p></details>\n\n"
        "<script>alert('x')</script>\n\nLine one<br>line two <b>bold</b>.\n"
    )
    assert texts(document, BlockKind.TEXT) == ["More", "Inner text.", "Line one\nline two bold."]


def test_a_comment_that_never_ends_hides_the_rest_as_in_a_browser() -> None:
    assert texts(read("Shown.\n\n<!-- never closed\n\nHidden.\n"), BlockKind.TEXT) == ["Shown."]


def test_the_title_comes_from_front_matter_then_the_first_heading_then_the_name() -> None:
    assert read("---\ntitle: 'Bob''s guide'\nnav: 3\n---\n# Other\n").title == "Bob's guide"
    assert read('+++\ntitle = "Travel"\n+++\nText.\n').title == "Travel"
    assert read("---\nlayout: page\n---\n# Expenses\n").title == "Expenses"
    assert read("Some text.\n", "hr/leave_policy-2024.md").title == "Leave policy 2024"
    assert read("Some text.\n", "it/index.md").title == "It"


def test_front_matter_is_not_text() -> None:
    document = read("---\ntitle: Leave\nsecret: yes\n---\n\nText.\n")
    assert document.blocks == (Block("Text."),)


def test_a_title_in_front_matter_loses_its_markup_but_not_what_only_looks_like_it() -> None:
    assert read("---\ntitle: Travel <em>before</em> day one\n---\nText.\n").title == "Travel before day one"
    assert read("---\ntitle: When x < y\n---\nText.\n").title == "When x < y"


def test_a_rule_at_the_start_is_no_front_matter() -> None:
    assert texts(read("---\n\nText without an end mark.\n"), BlockKind.TEXT) == ["Text without an end mark."]


def test_windows_line_ends_make_no_difference() -> None:
    source = "---\ntitle: T\n---\n# A\n\nOne\ntwo.\n\n- x\n- y\n"
    assert read(source.replace("\n", "\r\n")) == read(source)


class TestTemplating:
    """Tags of site generators, in pages that have front matter."""

    def of(self, body: str) -> list[str]:
        return [block.text for block in read(f"---\ntitle: T\n---\n{body}\n").blocks]

    def test_tags_and_shortcodes_are_removed(self) -> None:
        assert self.of('{% include "nav.html" %}\n\nText {{< note >}}stays{{< /note >}}.') == ["Text stays."]

    def test_a_tag_with_one_word_shows_the_word(self) -> None:
        assert self.of('Ask in {% slack_channel "help-desk" %}.') == ["Ask in help-desk."]

    def test_comments_are_removed_with_what_is_between_them(self) -> None:
        assert self.of("A.\n\n{% comment %}\nOld.\n{% endcomment %}\n\nB.") == ["A.", "B."]

    def test_a_comment_that_never_ends_hides_nothing(self) -> None:
        assert self.of("A.\n\n{% comment %}\n\nB.") == ["A.", "B."]

    def test_code_keeps_the_tags_it_documents(self) -> None:
        assert self.of('```\n{% raw %}{% include "a" %}{% endraw %}\n```') == ['{% include "a" %}']

    def test_raw_text_keeps_its_tags(self) -> None:
        assert self.of("Write {% raw %}{% include %}{% endraw %} there.") == ["Write {% include %} there."]

    def test_a_quoted_output_shows_its_text(self) -> None:
        assert self.of('Use `{{ "{%include%}" }}` here.') == ["Use {%include%} here."]

    def test_without_front_matter_nothing_is_a_tag(self) -> None:
        assert [block.text for block in read('Use {% include "x" %} so.').blocks] == ['Use {% include "x" %} so.']


def test_control_and_bidirectional_characters_are_removed() -> None:
    assert texts(read("pay\u202e load\x07 sa\u00adfe\u200b\n"), BlockKind.TEXT) == ["pay load safe"]


def test_very_deep_nesting_is_survived() -> None:
    document = read("> " * 3000 + "deep\n\n" + "Shallow.\n")
    assert "Shallow." in texts(document, BlockKind.TEXT)


def test_a_heading_of_blanks_and_braces_is_read_at_once() -> None:
    document = read("# x" + " " * 100_000 + "{#" * 50_000 + "\n")
    assert document.blocks[0].text.startswith("x {#{#")
    assert document.blocks[0].kind is BlockKind.TEXT  # no heading is so long


@pytest.mark.parametrize(
    "stated",
    [
        "keywords: vacation, time off",
        "tags: [vacation, 'time off']",
        "tags:\n  - vacation\n  - time off",
        'keywords = ["vacation", "time off"]',
    ],
)
def test_keywords_of_the_front_matter_are_kept_to_be_found_by(stated: str) -> None:
    fence = "+++" if " = " in stated else "---"
    document = read(f"{fence}\ntitle: Leave\n{stated}\nlayout: page\n{fence}\nText.\n")
    assert document.keywords == "vacation time off"
    assert texts(document, BlockKind.TEXT) == ["Text."]


def test_keywords_are_no_way_to_flood_the_index() -> None:
    listed = ", ".join(f"word{number}" for number in range(10_000))
    assert len(read(f"---\nkeywords: {listed}\n---\nText.\n").keywords) <= 1000

"""HTML: the readable part of a page, however it is written."""

from __future__ import annotations

import pytest

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import parse


def read(body: str, *, title: str = "", name: str = "page.html") -> ParsedDocument:
    return parse(f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>".encode(), name)


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


def test_headings_paragraphs_and_their_order() -> None:
    document = read("<h1>Leave</h1><p>Thirty\n   days.</p><h3>Sick <em>leave</em></h3>Call in.<br>Before nine.")
    assert document.blocks == (
        Block("Leave", BlockKind.HEADING, 1),
        Block("Thirty days."),
        Block("Sick leave", BlockKind.HEADING, 3),
        Block("Call in.\nBefore nine."),
    )


def test_links_of_a_heading_to_itself_are_not_its_text() -> None:
    assert texts(read('<h2>Travel <a href="#travel">¶</a></h2><p>x</p>'), BlockKind.HEADING) == ["Travel"]


def test_a_heading_that_was_never_closed_does_not_swallow_the_text() -> None:
    document = read("<h2>Travel<p>" + "Book early. " * 40 + "<p>Second.")
    assert texts(document)[-1] == "Second."
    assert all(len(heading) < 300 for heading in texts(document, BlockKind.HEADING))


def test_lists_keep_markers_starts_and_nesting() -> None:
    document = read('<ol start="3"><li>Pack<ul><li>shoes<li>coat</ul><li value="9"><p>Leave</p></ol>')
    assert texts(document, BlockKind.LIST) == ["3. Pack\n  - shoes\n  - coat\n9. Leave"]


def test_code_keeps_its_spaces_and_lines() -> None:
    document = read("<pre><code>if x:\n    <b>run</b>()\n\n# no heading\n</code></pre>")
    assert texts(document, BlockKind.CODE) == ["if x:\n    run()\n\n# no heading"]


def test_definition_lists_quotes_and_figures_are_text() -> None:
    document = read(
        "<dl><dt>PTO<dd>Paid time off</dl><blockquote>Be kind</blockquote>"
        "<figure><img src=x alt='Plan of floor 2'><figcaption>Floor 2</figcaption></figure>"
    )
    assert texts(document) == ["PTO", "Paid time off", "Be kind", "Plan of floor 2", "Floor 2"]


class TestTables:
    def test_a_table_of_data_becomes_one_block_below_its_caption(self) -> None:
        document = read(
            "<table><caption>Rates</caption><thead><tr><th>Plan<th>Price</tr></thead>"
            "<tbody><tr><td>Basic<td>10 | 12<tr><td>Plus<td>20<br>a month</table>"
        )
        assert texts(document) == ["Rates"]
        assert texts(document, BlockKind.TABLE) == [
            "| Plan | Price |\n| --- | --- |\n| Basic | 10 \\| 12 |\n| Plus | 20 a month |"
        ]

    def test_a_cell_over_several_rows_is_repeated_in_each(self) -> None:
        document = read("<table><tr><td rowspan=2>Leave<td>sick<tr><td>paid<tr><td colspan=2>End</table>")
        assert texts(document, BlockKind.TABLE) == ["| Leave | sick |\n| --- | --- |\n| Leave | paid |\n| End |  |"]

    def test_a_table_that_lays_out_a_page_is_read_as_text(self) -> None:
        document = read("<table><tr><td><h2>News</h2><p>All well.</td><td><p>Side.</td></tr></table>")
        assert texts(document, BlockKind.TABLE) == []
        assert texts(document, BlockKind.HEADING) == ["News"]
        assert texts(document) == ["All well.", "Side."]

    @pytest.mark.parametrize("attribute", ["colspan", "rowspan"])
    def test_absurd_spans_do_not_fill_the_memory(self, attribute: str) -> None:
        row = f'<tr><td {attribute}="999999">x<td>y'
        document = read(f"<table>{row * 500}</table><p>after")
        assert sum(len(block.text) for block in document.blocks) < 1_000_000
        assert "after" in texts(document)


class TestBoilerplate:
    def test_navigation_and_footer_are_left_out(self) -> None:
        document = read(
            "<header><a>Logo</a></header><nav><ul><li>Home<li>About</ul></nav>"
            "<div role=search>Find</div><p>The text.</p><aside>Related</aside><footer>Imprint</footer>"
        )
        assert document.blocks == (Block("The text."),)

    def test_of_a_page_with_a_main_part_only_that_is_read(self) -> None:
        document = read("<div>Cookies? Yes or no</div><main><h1>Leave</h1><p>Thirty days a year for everybody.</main>")
        assert [block.text for block in document.blocks] == ["Leave", "Thirty days a year for everybody."]

    def test_a_main_part_that_holds_little_of_the_page_is_not_taken_for_all_of_it(self) -> None:
        document = read("<main>Short.</main><div><p>" + "The real text is elsewhere. " * 20 + "</div>")
        assert any("elsewhere" in text for text in texts(document))

    def test_the_header_of_an_article_is_part_of_it(self) -> None:
        document = read("<article><header><h1>Travel</h1></header><p>Book early.</article>")
        assert [block.text for block in document.blocks] == ["Travel", "Book early."]

    def test_a_page_of_nothing_but_boilerplate_is_still_read(self) -> None:
        assert texts(read("<nav><p>Only this.</nav>")) == ["Only this."]

    def test_what_a_reader_does_not_see_is_left_out(self) -> None:
        document = read(
            "<p>Seen.</p><p hidden>No</p><p style='color:red; DISPLAY : none'>No</p><template><p>No</template>"
            "<script>no()</script><style>no{}</style><noscript>No</noscript><select><option>No</select>"
            "<!-- no --><textarea>No</textarea><svg><text>No</text></svg>"
        )
        assert document.blocks == (Block("Seen."),)


class TestTitle:
    def test_it_is_the_page_s_title(self) -> None:
        assert read("<h2>Other</h2>", title=" Leave\n policy ").title == "Leave policy"

    def test_the_site_s_name_behind_the_heading_is_left_out(self) -> None:
        assert read("<h1>Leave policy</h1>", title="Leave policy | Intranet").title == "Leave policy"

    def test_without_one_it_is_the_first_heading_then_the_name(self) -> None:
        assert read("<h1>Leave &amp; rest</h1>").title == "Leave & rest"
        assert read("<p>x", name="hr/leave-policy.htm").title == "Leave policy"

    def test_the_title_of_a_drawing_is_not_the_page_s(self) -> None:
        assert read("<svg><title>icon</title></svg><p>x", name="leave.html").title == "Leave"


class TestHostileMarkup:
    def test_entities_become_characters_and_are_not_markup_again(self) -> None:
        assert texts(read("<p>&lt;script&gt;x&lt;/script&gt; a&nbsp;b&#x202e;c &amp;lt;")) == [
            "<script>x</script> a bc &lt;"
        ]

    def test_broken_nesting_and_unclosed_tags_lose_no_text(self) -> None:
        document = read("<p><b>One <i>two</b> three</i><ul><li>four<p>five</ul></div></span><td>six")
        shown = " ".join(block.text for block in document.blocks)
        assert [word for word in ("One", "two", "three", "four", "five", "six") if word not in shown] == []

    def test_list_items_without_a_list_are_text(self) -> None:
        assert texts(read("<li>one<li>two")) == ["one", "two"]

    def test_deep_nesting_is_read_up_to_a_limit(self) -> None:
        assert texts(read("<div>" * 2000 + "deep")) == ["deep"]
        assert texts(read("<ul><li>" * 300 + "deep"), BlockKind.LIST)[0].strip().endswith("deep")
        with pytest.raises(UnreadableDocument, match="nests its elements more than 5,000 deep"):
            read("<div>" * 20_000 + "too deep")

    def test_a_script_that_holds_an_end_tag_in_a_string_does_not_leak(self) -> None:
        assert texts(read("<script>var a = '<p>not text</p>';</script><p>Text.")) == ["Text."]

    def test_numbers_out_of_range_are_ignored(self) -> None:
        document = read('<ol start="99999999999999999999"><li value="-1e9">one</ol><ol start="٣"><li>two</ol>')
        assert texts(document, BlockKind.LIST) == ["1. one", "1. two"]

    def test_nul_bytes_and_stray_bytes_are_survived(self) -> None:
        document = parse(b"<html><p>be\x00fore</p><p>\xff\xfe after</p></html>" + b" " * 200, "page.html")
        assert "after" in document.blocks[-1].text
        assert "\x00" not in "".join(block.text for block in document.blocks)


def test_keywords_of_the_head_are_kept_to_be_found_by() -> None:
    head = '<!doctype html><head><meta name="Keywords" content="vacation, time off"><meta name="keywords"></head>'
    assert parse(f"{head}<p>Text.</p>".encode(), "page.html").keywords == "vacation time off"

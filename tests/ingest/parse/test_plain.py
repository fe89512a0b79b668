"""Plain text: paragraphs, pages at form feeds, underlined headings, unwrapped lines."""

from __future__ import annotations

from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import parse


def read(text: str, name: str = "notes.txt") -> ParsedDocument:
    return parse(text.encode(), name)


def test_empty_lines_part_paragraphs() -> None:
    assert read("One.\n\n\n \t\nTwo.\n").blocks == (Block("One."), Block("Two."))


def test_lines_wrapped_at_a_fixed_width_are_joined() -> None:
    wrapped = (
        "Employees may work from home on up to three days a week if\n"
        "their manager agrees, and from abroad on up to twenty days\n"
        "a year.\n"
    )
    assert [block.text for block in read(wrapped).blocks] == [wrapped.replace("\n", " ").strip()]


def test_lines_that_were_ended_on_purpose_stay_lines() -> None:
    address = "Contoso Ltd\n1 Main Street\nSpringfield"
    assert [block.text for block in read(address).blocks] == [address]


def test_indented_lines_stay_as_they_are() -> None:
    code = (
        "def area(width_of_the_rectangle, height_of_the_rectangle):\n    return width_of_the_rectangle * height_of_it"
    )
    assert [block.text for block in read(code).blocks] == [code]


def test_lists_are_kept_as_lists() -> None:
    assert read("- shoes\n- coat\n\n1) in\n2) out\n").blocks == (
        Block("- shoes\n- coat", BlockKind.LIST),
        Block("1) in\n2) out", BlockKind.LIST),
    )


def test_underlined_lines_are_headings_by_their_rule() -> None:
    document = read("Handbook\n========\n\nLeave\n-----\nThirty days.\n")
    assert document.blocks == (
        Block("Handbook", BlockKind.HEADING, 1),
        Block("Leave", BlockKind.HEADING, 2),
        Block("Thirty days."),
    )


def test_a_rule_that_does_not_fit_its_line_is_no_underline() -> None:
    assert BlockKind.HEADING not in {block.kind for block in read("Total\n-----------------------\n12\n").blocks}


def test_form_feeds_part_pages() -> None:
    document = read("First.\n\fSecond.\n\f\fFourth.\n\f\n")
    assert document.pages == 4
    assert [(block.text, block.page) for block in document.blocks] == [("First.", 1), ("Second.", 2), ("Fourth.", 4)]


def test_without_form_feeds_there_are_no_pages() -> None:
    document = read("Text.\n")
    assert document.pages is None
    assert document.blocks[0].page is None


def test_the_title_is_the_readable_name() -> None:
    assert read("Text.", "it\\vpn_set-up.txt").title == "Vpn set up"


def test_markdown_marks_in_a_text_file_are_text() -> None:
    assert read("# not a heading\n").blocks == (Block("# not a heading"),)

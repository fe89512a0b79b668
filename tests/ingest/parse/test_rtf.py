"""RTF: text, tables, lists and headings out of control words, in any encoding."""

from __future__ import annotations

import pytest

from core.errors import UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse import parse

FONTS = (
    rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 Symbol;}}"
)


def read(body: bytes, *, head: bytes = b"") -> ParsedDocument:
    return parse(rb"{\rtf1\ansi\ansicpg1252\deff0" + FONTS + head + body + b"}", "report.rtf")


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


def test_paragraphs_breaks_and_typographic_characters() -> None:
    document = read(
        rb"First\~line\line second.\par {\b Bold}\tab\ldblquote quoted\rdblquote\emdash end\-less\par\pard Last"
    )
    assert texts(document) == ["First line\nsecond.", "Bold “quoted”—endless", "Last"]
    assert document.title == "Report"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (rb"caf\'e9", "café"),
        (rb"\f1\'cf\'f0\'e8\'e2\'e5\'f2", "Привет"),
        (rb"\f2\'93\'fa\'96\'7b", "日本"),
        (rb"\f2\'93\'fa\'96{", "日"),  # cut in the middle of a character
        (rb"\u1055?\u1088?", "Пр"),
        (rb"{\uc2\u26085\'93\'fa}\uc0\u26412 !", "日本!"),
        (rb"\u-10179?\u-8704?", "😀"),
        (rb"{\upr{?}{\*\ud x}}a", "?a"),
    ],
)
def test_characters_in_every_notation(written: bytes, read_as: str) -> None:
    assert "".join(texts(read(written))).startswith(read_as)


def test_tables_become_markdown_with_repeated_labels() -> None:
    row = rb"\trowd\cellx1000\cellx2000 "
    merged = rb"\trowd\clvmgf\cellx1000\cellx2000 "
    under = rb"\trowd\clvmrg\cellx1000\cellx2000 "
    document = read(
        rb"Before\par "
        + row + rb"\intbl Grade\cell Days\par a year\cell\row "
        + merged + rb"\intbl Senior\cell 30\cell\row "
        + under + rb"\intbl\cell 32\cell\row "
        + rb"\pard After\par"
    )  # fmt: skip
    assert texts(document, BlockKind.TABLE) == [
        "| Grade | Days a year |\n| --- | --- |\n| Senior | 30 |\n| Senior | 32 |"
    ]
    assert texts(document) == ["Before", "After"]


def test_a_table_that_is_never_closed_is_still_there() -> None:
    assert texts(read(rb"Phone\cell Fax\cell "), BlockKind.TABLE) == ["| Phone | Fax |\n| --- | --- |"]


def test_headings_by_outline_and_by_style() -> None:
    styles = rb"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 Kapitel;}{\s2 heading 2;}}"
    document = read(
        rb"\pard\s1 Leave\par\pard\s2 Sick leave\par\pard Call in.\par\pard\outlinelevel2 Notes\par", head=styles
    )
    assert [(b.text, b.level) for b in document.blocks if b.kind is BlockKind.HEADING] == [
        ("Leave", 1),
        ("Sick leave", 2),
        ("Notes", 3),
    ]
    assert document.title == "Leave"


def test_list_markers_and_levels() -> None:
    document = read(
        rb"\pard{\listtext\f3\'b7\tab}Pack\par\pard\ilvl1{\listtext 1.\tab}shoes\par{\pntext a)\tab}coat\par\pard Go.\par"
    )
    assert texts(document, BlockKind.LIST) == ["- Pack\n  - 1. shoes\n  - a) coat"]
    assert texts(document) == ["Go."]


def test_footnotes_boxes_headers_and_properties() -> None:
    document = read(
        rb"{\info{\title Book early}{\keywords rail, hotel}}{\header Contoso internal\par}{\footer Page 1 of 3\par}"
        rb"Book early.{\footnote\pard Where possible \u-10179?\u-8694?.}\par"
        rb"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt Mind the gap\par}}{\shprslt Mind the gap}}Next.\par"
    )
    assert document.title == "Book early"
    assert document.keywords == "rail hotel"
    assert texts(document) == [
        "Contoso internal", "Book early.", "Footnote: Where possible \U0001f60a.", "Next.", "Mind the gap"
    ]  # fmt: skip


def test_what_a_reader_does_not_see_is_not_read() -> None:
    document = read(
        rb"{\*\generator Riched20;}{\colortbl;\red0;}Seen{\v hidden}{\deleted gone}{\xe{index}}"
        rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt link}}{\*\unknown secret}{\*\bkmkstart b}.\par"
    )
    assert texts(document) == ["Seenlink."]


def test_pictures_objects_and_comments_are_counted() -> None:
    document = read(
        rb"Text{\*\shppict{\pict\pngblip 89504e47}}{\nonshppict{\pict 00}}{\pict\wmetafile8\bin4 {{{{}"
        rb"{\object\objemb{\*\objdata 0105}{\result shown}}{\*\annotation Really?}\par"
    )
    assert texts(document) == ["Textshown"]
    assert document.losses == (
        "2 pictures have no text that could be read.",
        "One embedded object was left out.",
        "One comment was left out.",
    )


def test_only_pictures_is_said_so() -> None:
    with pytest.raises(UnreadableDocument, match="only pictures"):
        read(rb"{\pict\pngblip 89504e47}")


@pytest.mark.parametrize(
    ("broken", "read_as"),
    [
        (rb"{\rtf1 Half a document {\b and", "Half a document and"),
        (rb"{\rtf1 One}}}} too many", "One too many"),
        (rb"{\rtf1 Before\bin99999999999 after", "Before"),
        (rb"{\rtf1 Odd \'zz code", "Odd zz code"),
        (rb"{\rtf1\ansicpg99999\f7 Unknown page", "Unknown page"),
    ],
)
def test_broken_markup_is_read_as_far_as_it_goes(broken: bytes, read_as: str) -> None:
    assert texts(parse(broken, "x.rtf")) == [read_as]


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="nests its groups"):
        parse(rb"{\rtf1 " + b"{" * 100_000 + b"x", "x.rtf")

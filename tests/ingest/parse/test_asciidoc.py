"""AsciiDoc: titles, lists, tables, code and boxes; attributes and conditions; nothing is included."""

from __future__ import annotations

from textwrap import dedent

import pytest

from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import detect, parse


def read(text: str, name: str = "guide.adoc") -> ParsedDocument:
    return parse(dedent(text).lstrip("\n").encode(), name)


def text_of(source: str) -> list[str]:
    return [block.text for block in read(source).blocks]


def test_it_is_known_by_its_name_and_keys_are_not_taken_for_it() -> None:
    assert detect(b"= Leave\n\nThirty days.\n", "leave.adoc") == "text/asciidoc"
    assert detect(b"-----BEGIN PGP SIGNATURE-----\n\nabc\n", "file.asc") == "text/plain"


def test_titles_are_headings_and_what_stands_below_the_first_is_text() -> None:
    document = read(
        """
        = Handbook
        Ann Miller <ann@example.org>
        v1.0, 2026-01-01
        :keywords: leave, holiday

        == Leave ==
        Thirty days.

        === Sick leave
        Call in.
        """
    )
    assert (document.title, document.keywords) == ("Handbook", "leave holiday")
    assert [(b.text, b.level) for b in document.blocks if b.kind is BlockKind.HEADING] == [
        ("Handbook", 1),
        ("Leave", 2),
        ("Sick leave", 3),
    ]
    assert "Ann Miller <ann@example.org>" in [block.text for block in document.blocks]


def test_lists_nest_and_keep_their_markers() -> None:
    source = """
        * a passport
        ** of the traveller
        +
        Not older than a year.

        * a ticket
        that is paid

        . First
        . Second
        .. Within

        - [x] done
        - [ ] open
        """
    assert text_of(source) == [
        "- a passport\n  - of the traveller\n    Not older than a year.\n- a ticket that is paid\n  1. First\n  2. Second\n    1. Within\n      - [x] done\n      - [ ] open"
    ]


def test_lists_end_at_text() -> None:
    assert [block.kind for block in read("* one\n\nText.\n\n* two\n").blocks] == [
        BlockKind.LIST,
        BlockKind.TEXT,
        BlockKind.LIST,
    ]


def test_terms_keep_their_descriptions() -> None:
    assert text_of("Leave:: Thirty days.\nTravel::\n  By train\n  only.\n") == [
        "Leave\nThirty days.",
        "Travel\nBy train only.",
    ]


class TestTables:
    def test_rows_on_one_line_or_cells_on_many(self) -> None:
        whole = "| Plan | Price |\n| --- | --- |\n| Basic | 10 |\n| Plus | 20 |"
        assert text_of("|===\n|Plan |Price\n\n|Basic |10\n|Plus |20\n|===\n") == [whole]
        assert text_of('[%header,cols="1,2"]\n|===\n|Plan\n|Price\n|Basic\n|10\n|Plus\n|20\n|===\n') == [whole]
        assert text_of("[cols=2*]\n|===\n|Plan\n|Price\n|Basic\n|10\n|Plus\n|20\n|===\n") == [whole]
        assert text_of('[format="csv"]\n|===\nPlan,Price\nBasic,10\nPlus,20\n|===\n') == [whole]
        assert text_of(",===\nPlan,Price\nBasic,10\nPlus,20\n,===\n") == [whole]

    def test_cells_over_rows_and_columns(self) -> None:
        source = "|===\n|Plan |Price\n\n.2+|Basic |10\n|12\n2+|No others\n|===\n"
        assert text_of(source)[0].split("\n")[2:] == ["| Basic | 10 |", "| Basic | 12 |", "| No others |  |"]

    def test_a_pipe_in_a_cell_and_a_title(self) -> None:
        assert text_of(".Commands\n|===\n|Command |Does\n\n|a \\| b |*joins*\n|===\n") == [
            "Commands",
            "| Command | Does |\n| --- | --- |\n| a \\| b | joins |",
        ]


def test_code_and_boxes() -> None:
    source = """
        [source,java]
        ----
        class A {} // <1>
        ----
        <1> A class.

        [WARNING]
        ====
        It breaks.
        ====

        TIP: Ask first.

        [quote, Ann Miller]
        ____
        So be it.
        ____

         indented
        """
    document = read(source)
    assert [(block.kind, block.text) for block in document.blocks] == [
        (BlockKind.CODE, "class A {}"),
        (BlockKind.LIST, "1. A class."),
        (BlockKind.TEXT, "Warning: It breaks."),
        (BlockKind.TEXT, "Tip: Ask first."),
        (BlockKind.TEXT, "So be it."),
        (BlockKind.TEXT, "Ann Miller"),
        (BlockKind.CODE, " indented"),
    ]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("*bold* _italic_ `code` **b**old 2 * 3 * 4", "bold italic code bold 2 * 3 * 4"),
        ("snake_case_name and a#b#c", "snake_case_name and a#b#c"),
        ("See https://x.org[the site], link:a.html[A page] and xref:b.adoc[].", "See the site, A page and b.adoc."),
        ("As in <<leave,the rules>> and <<travel>>.", "As in the rules and travel."),
        ("Thirty days.footnote:[In a full year.]", "Thirty days. (In a full year.)"),
        ("Press kbd:[Ctrl+C], then menu:File[Save].", "Press Ctrl+C, then File > Save."),
        ("[[here]]Leave [.red]#now# or [.red]##la##ter", "Leave now or later"),
        ("One +\ntwo", "One\ntwo"),
    ],
)
def test_marks_and_links_are_shown_as_text(source: str, shown: str) -> None:
    assert text_of(source) == [shown]


def test_attributes_are_put_in_and_conditions_followed() -> None:
    source = """
        :product: Contoso
        :full: {product} Ltd
        :!gone:

        {full} and {unknown}.

        ifdef::product[]
        Shown.
        endif::[]
        ifndef::product[]
        Hidden.
        endif::[]
        ifdef::gone[Hidden as well.]
        // a comment
        ////
        Hidden comment.
        ////
        """
    assert text_of(source) == ["Contoso Ltd and {unknown}.", "Shown."]


def test_attributes_do_not_grow_each_other() -> None:
    source = (
        ":a0: " + "x" * 100 + "\n" + "".join(f":a{n}: {f'{{a{n - 1}}}' * 10}\n" for n in range(1, 12)) + "\n{a11}\n"
    )
    assert len("".join(text_of(source))) <= 2000


def test_what_is_not_read_is_told() -> None:
    document = read("Hello.\n\ninclude::/etc/passwd[]\ninclude::b.adoc[]\n\nimage::a.png[]\nimage::b.png[A map,200]\n")
    assert [block.text for block in document.blocks] == ["Hello.", "A map"]
    assert document.losses == (
        "2 files that it includes were not read.",
        "One picture or video has no text that could be read.",
    )


@pytest.mark.parametrize(
    "text", ["----\nunclosed", "|===\n|a", "====\n" * 50, "* " * 1000, "[", "::", "ifdef::x[]\nhidden"]
)
def test_what_is_not_closed_is_read_to_the_end(text: str) -> None:
    assert read(f"Hello.\n\n{text}").blocks[0] == Block("Hello.")


@pytest.mark.parametrize(
    "text",
    ["* a\n" * 20_000, "= " + " " * 50_000 + "x", "*a _b " * 20_000, "|===\n" + "|a " * 30_000, "\n\n* a" * 5000],
)
def test_long_files_are_read_before_the_test_is_ended(text: str) -> None:
    assert read(f"Hello.\n\n{text}").blocks[0] == Block("Hello.")


def test_formulas_and_html_that_are_passed_through_are_read() -> None:
    assert text_of("[stem]\n++++\nx^2 + 1\n++++\n\n++++\n<p>Ask <b>HR</b>.</p>\n++++\n") == ["x^2 + 1", "Ask HR."]


def test_cells_need_no_blanks_between_them() -> None:
    assert text_of("|===\n|a|b\n\n2+|c\n|===\n") == ["| a | b |\n| --- | --- |\n| c |  |"]

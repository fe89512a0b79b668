"""reStructuredText: what docutils reads, what Sphinx adds, and that nothing is fetched or included."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import detect, parse, rst_inline


def read(text: str, name: str = "guide.rst") -> ParsedDocument:
    return parse(dedent(text).encode(), name)


def kinds(document: ParsedDocument, kind: BlockKind) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


def test_it_is_known_by_its_name() -> None:
    assert detect(b"Leave\n=====\n\nThirty days.\n", "hr/leave.rst") == "text/x-rst"


class TestParagraphsWithoutMeasure:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("*a* ", "a "),
            ("**a**, ", "a, "),
            ("``a b`` ", "a b "),
            (":ref:`a b` ", "a b "),
            ("`a <http://b>`_ ", "a "),
            ("*a ", "*a "),
            ("a_b ", "a_b "),
            ("http://a/b ", "http://a/b "),
            ("a-b:", "a-b:"),
        ],
    )
    def test_a_megabyte_of_marks_is_read(self, source: str, shown: str) -> None:
        times = 1_000_000 // len(source)
        (block,) = read(source * times).blocks
        assert block.text == (shown * times).strip()

    def test_many_paragraphs_of_them_are_read_alike(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rst_inline, "_MOST_SIGNS", 500)
        document = read(("*a* b, ``c`` " * 10 + "\n\n") * 100)
        assert {block.text for block in document.blocks} == {("a b, c " * 10).strip()}
        assert len(document.blocks) == 100

    def test_addresses_are_as_they_are_written(self) -> None:
        assert (
            read("See http://a.org/b, or ask <ann@a.org> " * 2)
            .blocks[0]
            .text.startswith("See http://a.org/b, or ask <ann@")
        )

    def test_others_keep_what_docutils_makes_of_them(self) -> None:
        text = "A *b* ``c`` `d <http://e>`_ |f| [#]_ \\*g\\* " * 20
        assert "A b c d " in read(text + "\n\n.. |f| replace:: h\n").blocks[0].text


def test_sections_are_headings_by_their_depth() -> None:
    document = read(
        """
        ========
        Handbook
        ========

        Leave
        =====
        Thirty days.

        Sick leave
        ----------
        Call in.

        Travel
        ======
        By train.
        """
    )
    assert document.title == "Handbook"
    assert [(b.text, b.level) for b in document.blocks if b.kind is BlockKind.HEADING] == [
        ("Handbook", 1),
        ("Leave", 2),
        ("Sick leave", 3),
        ("Travel", 2),
    ]


def test_lists_keep_their_markers_and_terms_their_descriptions() -> None:
    document = read(
        """
        - a passport

          - of the traveller
        - a ticket

        3. three
        4. four

        Leave
          Thirty days.
        """
    )
    assert kinds(document, BlockKind.LIST) == ["- a passport\n  - of the traveller\n- a ticket", "3. three\n4. four"]
    assert kinds(document, BlockKind.TEXT) == ["Leave\nThirty days."]


@pytest.mark.parametrize(
    "source",
    [
        """
        ======  =====
        Plan    Price
        ======  =====
        Basic   10
        Plus    20
        ======  =====
        """,
        """
        +-------+-------+
        | Plan  | Price |
        +=======+=======+
        | Basic | 10    |
        +-------+-------+
        | Plus  | 20    |
        +-------+-------+
        """,
        """
        .. list-table::
           :header-rows: 1

           * - Plan
             - Price
           * - Basic
             - 10
           * - Plus
             - 20
        """,
        """
        .. csv-table::
           :header: Plan, Price

           Basic, 10
           Plus, 20
        """,
    ],
    ids=["simple", "grid", "list", "csv"],
)
def test_tables_are_tables(source: str) -> None:
    assert read(source).blocks == (
        Block("| Plan | Price |\n| --- | --- |\n| Basic | 10 |\n| Plus | 20 |", BlockKind.TABLE),
    )


def test_a_cell_over_rows_stands_in_each() -> None:
    document = read(
        """
        +-------+-------+
        | Plan  | Price |
        +=======+=======+
        | Basic | 10    |
        |       +-------+
        |       | 12    |
        +-------+-------+
        """
    )
    assert "| Basic | 10 |\n| Basic | 12 |" in document.blocks[0].text


def test_code_boxes_footnotes_and_replacements() -> None:
    document = read(
        """
        Use |it| [1]_ like this::

            run --now

        .. |it| replace:: the tool
        .. code-block:: python
           :emphasize-lines: 2

           print(1)

        .. note:: Take care.
        .. [1] From the shop.
        .. A comment that nobody sees.
        """
    )
    assert kinds(document, BlockKind.CODE) == ["run --now", "print(1)"]
    assert kinds(document, BlockKind.TEXT) == ["Use the tool [1] like this:", "Note: Take care.", "[1] From the shop."]


def test_what_only_sphinx_knows_keeps_its_text() -> None:
    document = read(
        """
        See :ref:`the rules <rules>`, :doc:`travel` and :py:func:`~os.path.join`.

        .. versionadded:: 2.0
           The **new** thing.

        .. tab-set::

           .. tab-item:: Linux

              Install it:

              .. prompt:: bash

                 apt install it

        .. toctree::
           :maxdepth: 2

           travel
        """
    )
    assert [block.text for block in document.blocks] == [
        "See the rules, travel and os.path.join.",
        "Added in version 2.0: The new thing.",
        "Linux",
        "Install it:",
        "apt install it",
    ]


def test_nothing_is_included_and_that_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    document = read(
        f"""
        Hello.

        .. include:: {secret}
        .. literalinclude:: {secret}
        .. csv-table::
           :file: {secret}
        .. raw:: html
           :file: {secret}
        """
    )
    assert [block.text for block in document.blocks] == ["Hello."]
    assert document.losses == ("4 files that it includes were not read.",)


def test_raw_markup_is_told() -> None:
    document = read("Hello.\n\n.. raw:: html\n\n   <b>Bold</b>\n")
    assert [block.text for block in document.blocks] == ["Hello."]
    assert document.losses == ("One passage of raw markup is left out.",)


def test_pictures_give_their_words_or_are_told() -> None:
    document = read(
        """
        .. image:: a.png
        .. figure:: b.png
           :alt: The way to the office

           Map of the town
        """
    )
    assert [block.text for block in document.blocks] == ["The way to the office", "Map of the town"]
    assert document.losses == ("One picture has no text that could be read.",)


def test_keywords_are_taken() -> None:
    assert read(".. meta::\n   :keywords: leave, holiday\n\nThirty days.").keywords == "leave holiday"


def test_wrong_markup_is_text_and_no_message_is(capfd: pytest.CaptureFixture[str]) -> None:
    document = read("Leave\n==\n\nA **bold `and |broken_ text.\n\n.. figure::\n\n   No picture.\n")
    text = "\n".join(block.text for block in document.blocks)
    assert "Leave" in text
    assert "A **bold `and |broken_ text." in text
    assert "ystem" not in text
    assert capfd.readouterr() == ("", "")


def test_directives_within_each_other_end() -> None:
    deep = "".join(f"{'   ' * depth}.. box{depth}::\n\n" for depth in range(60)) + "   " * 60 + "The end."
    assert "The end." in "\n".join(block.text for block in read(deep).blocks)

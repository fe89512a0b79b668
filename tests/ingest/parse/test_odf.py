"""OpenDocument: texts, slides and sheets as a person sees them, within bounds whatever the file states."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import pytest

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse import odf_sheets, odf_text, parse
from ingest.parse.errors import Protected

KINDS = {"text": "odt", "presentation": "odp", "spreadsheet": "ods"}
SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style", "fo": "xsl-fo-compatible",
        "presentation": "presentation", "svg": "svg-compatible", "meta": "meta", "manifest": "manifest",
    }.items()
)  # fmt: skip


def xml(element: str, inner: str) -> str:
    return f'<?xml version="1.0"?><{element} {SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink">{inner}</{element}>'


def packed(kind: str, body: str, styles: str = "", *, members: Mapping[str, bytes] | None = None, **more: str) -> bytes:
    files: dict[str, str | bytes] = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": xml(
            "office:document-content",
            f"<office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:{kind}>{body}</office:{kind}></office:body>",
        ),
        **{name.replace("__", "/").replace("_xml", ".xml"): text for name, text in more.items()},
        **(members or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def read(kind: str, body: str, styles: str = "", **more: str) -> ParsedDocument:
    return parse(packed(kind, body, styles, members=None, **more), f"hr/leave_policy.{KINDS[kind]}")


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


class TestText:
    def test_headings_paragraphs_and_white_space(self) -> None:
        document = read(
            "text",
            '<text:h text:outline-level="1">Leave</text:h><text:p>Thirty\n  days<text:s text:c="99999999"/>a<text:tab/>year.'
            '<text:line-break/>Or <text:span>more</text:span>.</text:p><text:h text:outline-level="9">Sick</text:h><text:p/>',
        )
        assert document.title == "Leave"
        assert document.blocks == (
            Block("Leave", BlockKind.HEADING, 1),
            Block("Thirty days a year.\nOr more."),
            Block("Sick", BlockKind.HEADING, 6),
        )

    def test_the_title_style_and_the_properties(self) -> None:
        styles = '<style:style style:name="P1" style:parent-style-name="Title"/>'
        body = '<text:p text:style-name="P1">Leave policy</text:p>'
        assert read("text", body, styles).blocks == (Block("Leave policy", BlockKind.HEADING, 1),)
        meta = xml(
            "office:document-meta",
            "<office:meta><dc:title>The leave policy</dc:title><meta:keyword>rest</meta:keyword></office:meta>",
        )
        document = read("text", body, styles, meta_xml=meta)
        assert (document.title, document.keywords) == ("The leave policy", "rest")

    def test_lists(self) -> None:
        styles = (
            '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1"/>'
            '<text:list-level-style-bullet text:level="2"/></text:list-style>'
        )
        item = "<text:list-item>{}</text:list-item>"
        inner = f"<text:list>{item.format('<text:p>shoes</text:p>')}</text:list>"
        document = read(
            "text",
            f'<text:list text:style-name="L1">{item.format(f"<text:p>Pack</text:p>{inner}")}{item.format("<text:p>Go</text:p>")}</text:list>'
            f'<text:p>Later</text:p><text:list text:style-name="L1" text:continue-numbering="true">{item.format("<text:p>Rest</text:p>")}</text:list>',
            styles,
        )
        assert texts(document, BlockKind.LIST) == ["1. Pack\n  - shoes\n2. Go", "3. Rest"]

    def test_numbered_headings_stay_headings(self) -> None:
        body = '<text:list><text:list-item><text:h text:outline-level="2">Sick</text:h></text:list-item></text:list><text:p>x</text:p>'
        assert read("text", body).blocks[0] == Block("Sick", BlockKind.HEADING, 2)

    def test_tables_with_merged_and_repeated_cells(self) -> None:
        cell, covered = "<table:table-cell{}><text:p>{}</text:p></table:table-cell>", "<table:covered-table-cell/>"
        rows = [
            cell.format("", "Grade") + cell.format("", "Days") + cell.format("", "Note"),
            cell.format(' table:number-rows-spanned="2"', "Senior")
            + cell.format(' table:number-columns-repeated="2"', "30"),
            covered + cell.format("", "32") + cell.format(' table:number-columns-repeated="9999999"', ""),
        ]
        table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
        document = read("text", f"<table:table>{table}</table:table>")
        assert texts(document, BlockKind.TABLE) == [
            "| Grade | Days | Note |\n| --- | --- | --- |\n| Senior | 30 | 30 |\n| Senior | 32 |  |"
        ]

    def test_columns_beyond_what_is_read_of_a_table_are_said(self) -> None:
        cell = "<table:table-cell{}><text:p>{}</text:p></table:table-cell>"
        row = (
            cell.format("", "Grade")
            + cell.format(' table:number-columns-repeated="1001"', "x")
            + cell.format("", "last")
        )
        document = read("text", f"<table:table><table:table-row>{row}</table:table-row></table:table>")
        assert "last" not in str(document.blocks)
        assert document.losses == (
            "3 cells of tables were left out: the first 1,000 columns are read, and 50,000,000 characters of all tables.",
        )

    def test_characters_beyond_what_is_read_of_tables_are_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(odf_text, "_MAX_TABLES", 12)
        cells = "".join(
            f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in ("Grade", "Days", "x")
        )
        document = read("text", f"<table:table><table:table-row>{cells}</table:table-row></table:table>")
        assert document.losses == (
            "One cell of a table was left out: the first 1,000 columns are read, and 12 characters of all tables.",
        )

    @pytest.mark.parametrize("columns", [1, 2])
    def test_rows_that_repeat_stand_once_which_is_said(self, columns: int) -> None:
        rows = "".join(
            f'<table:table-row table:number-rows-repeated="3">{cell * columns}</table:table-row>'
            for cell in ("<table:table-cell><text:p>Days</text:p></table:table-cell>", "<table:table-cell/>")
        )
        document = read("text", f"<table:table>{rows}</table:table>")
        assert str(document.blocks).count("Days") == columns
        assert document.losses == ("2 cells or rows of tables were left out for saying the same as the one before.",)

    def test_a_lone_cell_that_repeats_stands_once_which_is_said(self) -> None:
        cell = '<table:table-cell table:number-columns-repeated="2"><text:p>Days</text:p></table:table-cell>'
        document = read("text", f"<table:table><table:table-row>{cell}</table:table-row></table:table>")
        assert texts(document) == ["Days"]
        assert document.losses == ("One cell or row of a table was left out for saying the same as the one before.",)

    def test_a_table_of_one_column_is_layout(self) -> None:
        body = "<table:table><table:table-row><table:table-cell><text:p>One.</text:p><text:p>Two.</text:p></table:table-cell></table:table-row></table:table>"
        assert texts(read("text", body)) == ["One.", "Two."]

    def test_notes_boxes_headers_and_what_is_not_shown(self) -> None:
        document = read(
            "text",
            "<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>"
            "<text:table-of-content><text:p>Contents</text:p></text:table-of-content>"
            "<text:p>Book<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Where possible.</text:p>"
            "</text:note-body></text:note> early.<office:annotation><text:p>Really?</text:p></office:annotation>"
            "<draw:frame><draw:text-box><text:p>Mind the gap</text:p></draw:text-box></draw:frame></text:p>"
            '<text:p text:style-name="H">hidden</text:p>',
            '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>',
            styles_xml=xml(
                "office:document-styles",
                "<style:master-page><style:header><text:p>Contoso internal</text:p></style:header>"
                "<style:footer><text:p><text:page-number>1</text:page-number>/3</text:p></style:footer></style:master-page>",
            ),
        )
        assert texts(document) == ["Contoso internal", "Book early.", "Footnote: Where possible.", "Mind the gap"]
        assert document.losses == ("One comment was left out.",)

    def test_pictures_and_objects(self) -> None:
        frame = "<text:p>Plan <draw:frame>{}</draw:frame></text:p>"
        document = read(
            "text",
            frame.format("<draw:image/>")
            + frame.format("<draw:image/><svg:title>Plan</svg:title><svg:desc>Plan of floor 2</svg:desc>")
            + frame.format("<draw:object/><draw:image/>"),
        )
        assert texts(document) == ["Plan", "Plan Plan of floor 2", "Plan"]
        assert document.losses == (
            "One picture has no text that could be read.",
            "One embedded object was left out (a chart, a formula or another document).",
        )


class TestSlides:
    PAGE = (
        '<draw:page draw:name="page{0}" draw:style-name="{1}"><draw:frame><draw:text-box><text:list><text:list-item><text:p>Point {0}'
        '</text:p></text:list-item></text:list></draw:text-box></draw:frame><draw:frame presentation:class="title"><draw:text-box>'
        "<text:p>Slide title {0}</text:p></draw:text-box></draw:frame><draw:g><draw:custom-shape><text:p>Shape</text:p></draw:custom-shape></draw:g>"
        '<presentation:notes><draw:frame presentation:class="notes"><draw:text-box><text:p>Say hello.</text:p></draw:text-box>'
        "</draw:frame></presentation:notes></draw:page>"
    )
    HIDDEN = (
        '<style:style style:name="h"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )

    def test_title_text_and_notes_with_their_page(self) -> None:
        document = read(
            "presentation", self.PAGE.format(1, "") + self.PAGE.format(2, "h") + self.PAGE.format(3, ""), self.HIDDEN
        )
        assert document.pages == 3
        assert document.title == "Slide title 1"
        assert document.blocks[:4] == (
            Block("Slide title 1", BlockKind.HEADING, 1, 1),
            Block("- Point 1", BlockKind.LIST, page=1),
            Block("Shape", page=1),
            Block("Notes: Say hello.", page=1),
        )
        assert {block.page for block in document.blocks} == {1, 3}
        assert document.losses == ("One hidden slide is left out.",)

    def test_a_name_that_says_something_stands_for_the_title(self) -> None:
        body = '<draw:page draw:name="{}"><draw:frame><draw:text-box><text:p>x</text:p></draw:text-box></draw:frame></draw:page>'
        assert read("presentation", body.format("Outlook")).blocks[0] == Block("Outlook", BlockKind.HEADING, 1, 1)
        assert texts(read("presentation", body.format("Folie 1")), BlockKind.HEADING) == []


def cell(text: str, kind: str = "string", more: str = "") -> str:
    return f'<table:table-cell office:value-type="{kind}" {more}><text:p>{text}</text:p></table:table-cell>'


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


class TestSheets:
    def test_shown_values_with_sheet_and_rows(self) -> None:
        document = read(
            "spreadsheet",
            '<table:table table:name="Leave 2026">'
            + row(cell("Name"), cell("Days"), cell("Since"))
            + row(cell("Ann"), cell("30.0", "float", 'office:value="30"'), cell("2 Nov", "date"))
            + row(cell("Bob"), '<table:table-cell office:value-type="float" office:value="25"/>', cell("3 Nov", "date"))
            + row(
                '<table:table-cell table:number-columns-repeated="16384"/>', more='table:number-rows-repeated="1048573"'
            )
            + "</table:table>",
        )
        assert document.blocks == (
            Block("Leave 2026", BlockKind.HEADING, 2),
            Block("rows 2–3", BlockKind.HEADING, 3),
            Block(
                "| Name | Days | Since |\n| --- | --- | --- |\n| Ann | 30.0 | 2 Nov |\n| Bob | 25 | 3 Nov |",
                BlockKind.TABLE,
            ),
        )

    def test_hidden_sheets_and_comments(self) -> None:
        comment = "<office:annotation><text:p>check</text:p></office:annotation>"
        document = read(
            "spreadsheet",
            f'<table:table table:name="A">{row(cell("a"), cell("b") + cell("c"))}{row(cell("d"), f"<table:table-cell>{comment}<text:p>e</text:p></table:table-cell>")}</table:table>'
            f'<table:table table:name="B" table:style-name="ta2">{row(cell("secret"))}</table:table>',
            '<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>',
        )
        assert "secret" not in str(document.blocks)
        assert "check" not in str(document.blocks)
        assert document.losses == ("One comment was left out.", "One hidden sheet is left out.")

    def test_hidden_rows_are_told_and_filtered_ones_read(self) -> None:
        document = read(
            "spreadsheet",
            '<table:table table:name="A">'
            + row(cell("Name"), cell("Days"))
            + row(cell("Ann"), cell("30", "float"), more='table:visibility="filter"')
            + row(cell("Bob"), cell("25", "float"), more='table:visibility="collapse"')
            + "</table:table>",
        )
        assert "Ann" in document.blocks[-1].text
        assert "Bob" not in document.blocks[-1].text
        assert document.losses == ("One hidden row is left out.",)

    def test_hidden_columns_are_told_too(self) -> None:
        document = read(
            "spreadsheet",
            '<table:table table:name="A"><table:table-column/><table:table-column table:visibility="collapse" '
            'table:number-columns-repeated="2"/><table:table-column/>'
            + row(cell("Name"), cell("Salary"), cell("Bonus"), cell("Days"))
            + row(cell("Ann"), cell("5000", "float"), "<table:table-cell/>", cell("30", "float"))
            + "</table:table>",
        )
        assert document.blocks[-1].text == "| Name | Days |\n| --- | --- |\n| Ann | 30 |"
        assert document.losses == ("2 hidden columns are left out.",)

    def test_what_an_outline_folds_is_read(self) -> None:
        document = read(
            "spreadsheet",
            '<table:table table:name="A"><table:table-column/><table:table-column-group table:display="false">'
            '<table:table-column table:visibility="collapse"/></table:table-column-group>'
            + row(cell("Name"), cell("Days"))
            + '<table:table-row-group table:display="false">'
            + row(cell("Ann"), cell("30", "float"), more='table:visibility="collapse"')
            + "</table:table-row-group></table:table>",
        )
        assert document.blocks[-1].text.endswith("| Ann | 30 |")
        assert document.losses == ()

    def test_rows_and_cells_that_repeat_without_end_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(odf_sheets, "_MAX_REPEATS", 2)
        rows = row(cell("a", more='table:number-columns-repeated="5"'), more='table:number-rows-repeated="3"')
        assert read("spreadsheet", f'<table:table table:name="A">{rows}</table:table>').losses == (
            "One row was left out of those that repeat without end.",
            "3 cells were left out of those that repeat without end.",
        )

    def test_sheets_beyond_the_first_ones_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(odf_sheets, "_MAX_SHEETS", 2)
        sheets = "".join(f'<table:table table:name="S{n}">{row(cell("a"))}</table:table>' for n in range(4))
        assert read("spreadsheet", sheets).losses == ("2 sheets are left out: only the first 2 are read.",)

    def test_repeats_without_measure_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(odf_sheets, "_MAX_CELLS", 20_000)
        filled = cell("x" * 50, more='table:number-columns-repeated="16384"')
        rows = "".join(row(filled, more='table:number-rows-repeated="1048576"') for _ in range(3))
        document = read("spreadsheet", f'<table:table table:name="A">{rows}</table:table>')
        assert sum(len(block.text) for block in document.blocks) < 2_000_000
        assert document.losses[-1] == (
            "The spreadsheet is too large to be read whole: only the first 20,000 cells were read."
        )


class TestRefused:
    def test_encrypted_files_are_said_to_be(self) -> None:
        manifest = xml("manifest:manifest", "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>")
        with pytest.raises(Protected, match="password"):
            read("text", "<text:p>x</text:p>", **{"META-INF__manifest_xml": manifest})

    def test_macros_are_a_loss(self) -> None:
        document = read("text", "<text:p>x</text:p>", Basic__Standard__module1_xml="<x/>")
        assert document.losses == ("Its macros are not read.",)

    def test_damaged_and_empty_files(self) -> None:
        data = packed("text", "<text:p>x</text:p>")
        with pytest.raises(UnreadableDocument):
            parse(data[: len(data) // 2], "x.odt")
        with pytest.raises(UnreadableDocument):
            read("text", "<text:p>never closed")
        with pytest.raises(UnreadableDocument, match="no text"):
            read("text", "<text:p/>")

    def test_a_bomb_in_the_content(self) -> None:
        with pytest.raises(UnreadableDocument):
            read("text", "<text:p>" * 3000 + "x" + "</text:p>" * 3000)

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date, datetime, time

import pytest
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from core.errors import TooLarge, UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse import parse, xlsx, xlsx_workbook
from ingest.parse.ooxml import Package
from ingest.parse.xlsx_numbers import number_format
from tests.ingest.parse.office import SHEET, packed, workbook


def written(fill: Callable[[Worksheet], object], book: Workbook | None = None) -> bytes:
    book = book or Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    fill(sheet)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def read(fill: Callable[[Worksheet], object], name: str = "budget.xlsx") -> ParsedDocument:
    return parse(written(fill), name)


def rows_of(*rows: Sequence[object]) -> Callable[[Worksheet], object]:
    def fill(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(list(row))

    return fill


def outline(document: ParsedDocument) -> list[tuple[int, str]]:
    return [(block.level, block.text) for block in document.blocks if block.kind is BlockKind.HEADING]


def tables(document: ParsedDocument) -> list[list[str]]:
    return [block.text.split("\n") for block in document.blocks if block.kind is BlockKind.TABLE]


def body(document: ParsedDocument) -> list[str]:
    """The rows of the first table."""
    return tables(document)[0][2:]


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def test_a_piece_names_sheet_and_rows_and_repeats_the_header() -> None:
    document = read(rows_of(["Name", "Days"], *([f"Person {n}", n] for n in range(1, 31))))
    assert outline(document) == [(2, "Sheet"), (3, "rows 2–21"), (3, "rows 22–31")]
    assert [table[0] for table in tables(document)] == ["| Name | Days |", "| Name | Days |"]
    assert tables(document)[1][2] == "| Person 21 | 21 |"
    assert document.title == "Budget"


def test_tables_with_an_empty_row_between_have_their_own_headers() -> None:
    fill = rows_of(["Name", "Days"], ["Bob", 3], [], ["City", "Rooms"], ["Bonn", 12], ["Köln", 7])
    assert [table[0] for table in tables(read(fill))] == ["| Name | Days |", "| City | Rooms |"]


def test_rows_after_an_empty_one_go_on_under_the_same_header() -> None:
    fill = rows_of(["Name", "Role"], ["Bob", "Cook"], [], ["Anna", "Pilot"], ["Cleo", "Nurse"])
    assert [table[0] for table in tables(read(fill))] == ["| Name | Role |", "| Name | Role |"]


def test_a_title_over_a_table_is_a_heading() -> None:
    document = read(rows_of(["Travel in 2024"], ["Name", "Days"], ["Bob", 3]))
    assert outline(document) == [(2, "Sheet"), (3, "Travel in 2024"), (4, "row 3")]


def test_without_names_columns_have_letters() -> None:
    assert tables(read(rows_of([1, 2], [3, 4])))[0][0] == "| A | B |"


def test_years_are_names_where_numbers_stand_below() -> None:
    assert tables(read(rows_of(["Region", 2023, 2024], ["North", 10, 12])))[0][0] == "| Region | 2023 | 2024 |"


def test_headers_grouped_by_merged_cells_become_one() -> None:
    def fill(sheet: Worksheet) -> None:
        rows_of(["Name", "Q1", None, "Q2", None], [None, "Plan", "Actual", "Plan", "Actual"], ["Bob", 1, 2, 3, 4])(
            sheet
        )
        for merged in ("A1:A2", "B1:C1", "D1:E1"):
            sheet.merge_cells(merged)

    assert tables(read(fill))[0][0] == "| Name | Q1 / Plan | Q1 / Actual | Q2 / Plan | Q2 / Actual |"


def test_a_label_merged_over_rows_stands_in_each() -> None:
    def fill(sheet: Worksheet) -> None:
        rows_of(["Team", "Name", "Days"], ["Red", "Bob", 1], [None, "Anna", 2], ["Blue", "Cleo", 3])(sheet)
        sheet.merge_cells("A2:A3")

    assert body(read(fill)) == ["| Red | Bob | 1 |", "| Red | Anna | 2 |", "| Blue | Cleo | 3 |"]


def test_empty_rows_and_columns_leave_no_trace() -> None:
    def fill(sheet: Worksheet) -> None:
        for column, (name, value) in {"C": ("Name", "Bob"), "F": ("Days", 3)}.items():
            sheet[f"{column}5"], sheet[f"{column}6"] = name, value  # type: ignore[assignment]

    document = read(fill)
    assert tables(document)[0] == ["| Name | Days |", "| --- | --- |", "| Bob | 3 |"]
    assert outline(document)[-1] == (3, "row 6")


def test_a_bold_row_in_the_middle_is_a_header() -> None:
    def fill(sheet: Worksheet) -> None:
        rows_of(["Name", "Role"], ["Bob", "Cook"], [], ["City", "Land"], ["Bonn", "Germany"])(sheet)
        for cell in sheet[4]:
            cell.font = Font(bold=True)

    assert tables(read(fill))[1][0] == "| City | Land |"


def test_names_and_values_in_two_columns_have_no_header() -> None:
    fill = rows_of(["Company:", "Contoso"], ["Street:", "Main Road 1"], ["City:", "Bonn"])
    assert tables(read(fill))[0][0] == "| A | B |"


def test_long_text_in_one_column_is_text() -> None:
    document = read(
        rows_of(["A first sentence that is long enough to be read as a text by itself."], ["And a second one " * 5])
    )
    assert not tables(document)
    assert document.blocks[-1].text.startswith("A first sentence")


def test_stated_tables_have_the_header_that_they_state() -> None:
    from openpyxl.worksheet.table import Table

    def fill(sheet: Worksheet) -> None:
        rows_of(["Code"], ["A1"], ["B2"], ["C3"])(sheet)
        sheet.add_table(Table(displayName="Codes", ref="A1:A4"))

    assert tables(read(fill))[0][0] == "| Code |"


# ── values ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.256, "0%", "26%"),
        (0.2567, "0.0%", "25.7%"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1234.5, '#,##0.00 "€"', "1,234.50 €"),
        (1234.5, "[$€-407]#,##0.00", "€1,234.50"),
        (-1200, "$#,##0_);($#,##0)", "($1,200)"),
        (1234, "00000", "01234"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (0.1 + 0.2, "General", "0.3"),
        (2.5, "0", "3"),
        (12345678, '0.0,,"M"', "12.3M"),
        (1.5, "# ?/?", "1 1/2"),
        (123456, "0.00E+00", "1.23E+05"),
        (5, "[>=10]0;[<10]0.0", "5.0"),
        (0, "0.00;-0.00;-", "-"),
        (3, '"Q"0', "Q3"),
        (45366, "dd.mm.yyyy", "15.03.2024"),
        (45366, "[$-F800]dddd, mmmm dd, yyyy", "Friday, March 15, 2024"),
        (45366.75, "m/d/yyyy h:mm AM/PM", "3/15/2024 6:00 PM"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (0.0012345, "mm:ss.0", "01:46.7"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (1e300, "0", "1" + "0" * 300),
        (-1e10, "yyyy", "-10000000000"),
        (7, '"unclosed [', "unclosed ["),
    ],
)
def test_numbers_are_shown_as_excel_shows_them(value: float, code: str, shown: str) -> None:
    assert number_format(code).show(value) == shown


def test_values_of_all_kinds() -> None:
    moment = datetime(2024, 3, 1, 9, 30)  # noqa: DTZ001 - Excel knows no time zones

    def fill(sheet: Worksheet) -> None:
        rows_of(["Name", "A", "B", "C", "D"], ["x", date(2024, 3, 1), moment, time(9, 30), True])(sheet)
        sheet["B3"], sheet["C3"] = 0.5, "#N/A"
        sheet["B3"].number_format = "0%"

    assert body(read(fill)) == ["| x | 2024-03-01 | 2024-03-01 9:30:00 | 9:30:00 | TRUE |", "|  | 50% | #N/A |  |  |"]


def test_dates_may_count_from_1904() -> None:
    data = workbook(
        '<sheetData><row r="1"><c r="A1" s="0"><v>43904</v></c></row></sheetData>',
        styles='<cellXfs><xf numFmtId="14"/></cellXfs>',
        properties='<workbookPr date1904="1"/>',
    )
    assert "2024-03-15" in parse(data, "x.xlsx").blocks[-1].text


def test_texts_are_joined_from_their_runs_without_reading_aids() -> None:
    data = workbook(
        '<sheetData><row><c t="s"><v>0</v></c><c t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c></row></sheetData>',
        texts="<si><r><t>東</t></r><r><t>京</t></r><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>",
    )
    assert parse(data, "x.xlsx").blocks[-1].text.split("\n")[-1] == "| 東京 | inline |"


def test_a_missing_text_or_style_costs_only_itself() -> None:
    data = workbook(
        '<sheetData><row r="1"><c r="A1" t="s"><v>99</v></c><c r="B1" s="99"><v>5</v></c></row></sheetData>'
    )
    assert "5" in parse(data, "x.xlsx").blocks[-1].text


def test_formulas_show_their_results_and_those_without_are_counted() -> None:
    data = workbook(
        '<sheetData><row r="1"><c r="A1"><f>1+1</f><v>2</v></c><c r="B1"><f>A1*2</f></c><c r="C1" t="str"><f>"a"</f><v>a</v></c>'
        "</row></sheetData>"
    )
    document = parse(data, "x.xlsx")
    assert document.losses == ("One formula has no stored result and could not be read.",)
    assert document.blocks[-1].text.endswith("| 2 | a |")


def test_the_strict_variant_is_read_too() -> None:
    strict = workbook('<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Strict</t></is></c></row></sheetData>')
    parts = {name: _strict(content) for name, content in _members(strict).items()}
    assert parse(packed(parts), "x.xlsx").blocks[-1].text == "Strict"


# ── what is left out ─────────────────────────────────────────────────────────────────────────────


def test_what_is_not_seen_or_not_read_is_said() -> None:
    book = Workbook()
    hidden = book.create_sheet("Salaries")
    hidden["A1"] = "secret"
    hidden.sheet_state = "hidden"

    def fill(sheet: Worksheet) -> None:
        rows_of(["Name", "Days", "Note"], ["Bob", 3, "veiled"])(sheet)
        sheet["A1"].comment = Comment("to be checked", "me")
        sheet.append(["Eve", 4, "shaded"])
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["C"].hidden = True
        chart = BarChart()
        chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2))
        sheet.add_chart(chart, "E5")

    document = parse(written(fill, book), "x.xlsx")
    assert document.losses == (
        "One hidden sheet is left out.",
        "One hidden row is left out.",
        "One hidden column is left out.",
        "One chart is left out; the cells that it shows are not.",
        "One comment is left out.",
    )
    text = " ".join(block.text for block in document.blocks)
    assert "secret" not in text
    assert "veiled" not in text
    assert "Eve" not in text


def test_the_title_is_the_stated_one_if_it_is_about_this() -> None:
    for stated, title in {
        "Budget of the north": "Budget of the north",
        "Invoice template": "North",
        "Book1": "North",
    }.items():
        book = Workbook()
        book.properties.title = stated
        document = parse(written(rows_of(["Budget", "North"], ["a", 1]), book), "north.xlsx")
        assert document.title == title


# ── hostile and damaged ──────────────────────────────────────────────────────────────────────────


def test_what_a_sheet_claims_about_its_size_is_not_believed() -> None:
    data = workbook(
        '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>'
    )
    assert sum(len(block.text) for block in parse(data, "x.xlsx").blocks) < 100


def test_sparse_sheets_stay_small() -> None:
    cells = "".join(f'<row r="{n}"><c r="{_column(n)}{n}"><v>{n}</v></c></row>' for n in range(1, 2001))
    document = parse(workbook(f"<sheetData>{cells}</sheetData>"), "x.xlsx")
    assert sum(len(block.text) for block in document.blocks) < 200_000


def test_more_cells_than_can_be_read_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_CELLS", 10)
    document = read(rows_of(*[[n, n] for n in range(100)]))
    assert document.losses == ("The workbook is too large to be read whole: only the first 11 cells were read.",)


def test_a_text_that_is_used_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MAX_CHARACTERS", 100_000)
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 500))
    document = parse(workbook(f"<sheetData>{cells}</sheetData>", texts=f"<si><t>{'word ' * 1000}</t></si>"), "x.xlsx")
    assert sum(len(block.text) for block in document.blocks) < 120_000
    assert "too large to be read whole" in document.losses[0]


def test_too_many_shared_texts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_workbook, "MAX_TEXTS", 10)
    with pytest.raises(TooLarge, match="more text"):
        parse(workbook("<sheetData/>", texts="<si><t>a</t></si>" * 20), "x.xlsx")


def test_merged_cells_over_everything_fill_nothing_that_is_not_there() -> None:
    merges = "".join(f'<mergeCell ref="A{n}:XFD1048576"/>' for n in range(1, 200))
    document = parse(
        workbook(f'<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData><mergeCells>{merges}</mergeCells>'),
        "x.xlsx",
    )
    assert sum(len(block.text) for block in document.blocks) < 100


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)
    )
    data = dict(_members(workbook("<sheetData/>")))
    data["xl/worksheets/sheet1.xml"] = (
        f'<?xml version="1.0"?>{bomb}]><worksheet xmlns="{SHEET}"><sheetData><row r="1"><c r="A1" t="inlineStr">'
        "<is><t>&j;</t></is></c></row></sheetData></worksheet>"
    ).encode()
    with pytest.raises(UnreadableDocument):
        parse(packed(data), "x.xlsx")


def test_external_entities_are_not_fetched(tmp_path: object) -> None:
    data = dict(_members(workbook("<sheetData/>")))
    data["xl/worksheets/sheet1.xml"] = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet xmlns="{SHEET}"><sheetData><row r="1">'
        '<c r="A1" t="inlineStr"><is><t>before &e; after</t></is></c></row></sheetData></worksheet>'
    ).encode()
    try:
        text = " ".join(block.text for block in parse(packed(data), "x.xlsx").blocks)
    except UnreadableDocument:
        text = ""
    assert "root:" not in text


def test_a_broken_sheet_costs_only_itself() -> None:
    book = Workbook()
    book.create_sheet("Second")["A1"] = "Still here."
    data = dict(_members(written(rows_of(["a", "b"], [1, 2]), book)))
    data["xl/worksheets/sheet1.xml"] = data["xl/worksheets/sheet1.xml"][:-40]
    document = parse(packed(data), "x.xlsx")
    assert document.blocks[-1].text == "Still here."
    assert document.losses == ("One sheet is damaged and could not be read.",)


def test_a_workbook_is_found_where_it_usually_is() -> None:
    data = dict(_members(written(rows_of(["a", "b"], [1, 2]))))
    data["_rels/.rels"] = b"<broken"
    assert body(parse(packed(data), "x.xlsx")) == ["| 1 | 2 |"]


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_part_that_is_broken_is_said_to_be(part: str) -> None:
    data = dict(_members(written(rows_of(["a", "b"], [1, 2]))))
    data[part] = data[part][: len(data[part]) // 2]
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(packed(data), "x.xlsx")


def test_a_broken_style_sheet_costs_only_the_formats() -> None:
    data = dict(_members(written(rows_of(["a", "b"], [1, 2]))))
    data["xl/styles.xml"] = b"<styleSheet"
    assert body(parse(packed(data), "x.xlsx")) == ["| 1 | 2 |"]


def test_binary_workbooks_are_named() -> None:
    data = dict(_members(workbook("<sheetData/>")))
    data["xl/workbook.bin"] = b"\0"
    data["_rels/.rels"] = data["_rels/.rels"].replace(b"workbook.xml", b"workbook.bin")
    with pytest.raises(UnreadableDocument, match=r"\.xlsb"):
        parse(packed(data), "x.xlsb")


def _members(data: bytes) -> dict[str, bytes]:
    package = Package(data, "an Excel workbook")
    return {member.filename: package.read(member.filename) for member in package._archive.infolist()}


def _strict(content: bytes) -> bytes:
    text = content.decode()
    for family in ("spreadsheetml", "officeDocument"):
        text = text.replace(f"schemas.openxmlformats.org/{family}/2006/", f"purl.oclc.org/ooxml/{family}/")
    return text.encode()


def _column(number: int) -> str:
    from ingest.parse.sheet_rows import column_name

    return column_name(number)

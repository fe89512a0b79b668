"""Excel sheets as a citation names them: hidden rows and columns, and the sheet's name."""

from __future__ import annotations

import io
import zipfile

import pytest
from openpyxl import Workbook

from core.errors import UnreadableDocument
from ingest.parse import parse
from ingest.split import split
from tests.ingest.parse.office import SHEET, packed, relations, workbook

HIDDEN = '<row r="{0}" hidden="1"{1}><c r="A{0}" t="inlineStr"><is><t>Row {0}</t></is></c></row>'
FILTER = '<autoFilter ref="A1:A3"><filterColumn colId="0"/></autoFilter>'


def test_rows_that_a_filter_or_an_outline_hides_are_read() -> None:
    rows = "".join(HIDDEN.format(number, "") for number in (2, 3, 4)) + HIDDEN.format(5, ' outlineLevel="1"')
    document = parse(workbook(f"<sheetData>{rows}</sheetData>{FILTER}"), "x.xlsx")
    assert [number for number in range(2, 6) if f"Row {number}" in str(document.blocks)] == [2, 3, 5]
    assert document.losses == ("One hidden row is left out.",)


@pytest.mark.parametrize(("conditions", "is_read"), [("<filterColumn colId='0'/>", True), ("", False)])
def test_filters_of_stated_tables_count_if_they_hide_something(conditions: str, *, is_read: bool) -> None:
    with zipfile.ZipFile(io.BytesIO(workbook(f"<sheetData>{HIDDEN.format(2, '')}</sheetData>"))) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = relations(("r1", "table", "../tables/table1.xml"))
    parts["xl/tables/table1.xml"] = (
        f'<table xmlns="{SHEET}" ref="A1:A3"><autoFilter ref="A1:A3">{conditions}</autoFilter></table>'
    )
    if is_read:
        assert "Row 2" in str(parse(packed(parts), "x.xlsx").blocks)
    else:
        with pytest.raises(UnreadableDocument, match="One hidden row is left out"):
            parse(packed(parts), "x.xlsx")


def test_a_citation_names_the_sheet_also_if_it_is_the_only_one() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Travel costs"
    for row in (["Name", "Days"], ["Bob", 3]):
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    _, (chunk,) = split(parse(stream.getvalue(), "budget.xlsx"), "d", lambda text: len(text.split()), 200, 0)
    assert chunk.headings == ("Travel costs", "row 2")

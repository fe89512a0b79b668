"""Drawings on the sheets of a workbook, which nest as deep as a file likes."""

from __future__ import annotations

import io
import zipfile

import pytest

from core.types import ParsedDocument
from ingest.parse import parse
from tests.ingest.parse.office import relations, workbook

CELL = '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Budget</t></is></c></row></sheetData>'
TEXT_BOX = "<a:sp><a:txBody><a:p><a:r><a:t>Mind the gap</a:t></a:r></a:p></a:txBody></a:sp>"


def read(groups: int, inner: str) -> ParsedDocument:
    """A sheet of one cell and a drawing that is nested in so many groups."""
    shapes = "<a:grpSp>" * groups + inner + "</a:grpSp>" * groups
    stream = io.BytesIO(workbook(CELL))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(
            "xl/worksheets/_rels/sheet1.xml.rels", relations(("r1", "drawing", "../drawings/drawing1.xml"))
        )
        archive.writestr(
            "xl/drawings/drawing1.xml",
            f'<a:wsDr xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">{shapes}</a:wsDr>',
        )
    return parse(stream.getvalue(), "budget.xlsx")


def test_text_in_groups_is_read() -> None:
    document = read(30, TEXT_BOX)
    assert "Mind the gap" in [block.text for block in document.blocks]
    assert document.losses == ()


@pytest.mark.parametrize("inner", [TEXT_BOX, "<a:pic/>", "<a:chart/>"], ids=["text box", "picture", "chart"])
def test_what_is_nested_too_deeply_is_left_out_and_said(inner: str) -> None:
    document = read(50, inner)
    assert "Mind the gap" not in str(document.blocks)
    assert document.losses == ("Parts that are nested more than 40 levels deep were left out.",)


def test_groups_without_content_are_no_loss() -> None:
    assert read(50, "").losses == ()

"""What hangs on the paragraphs of a Word document, and nests as deep as a file likes."""

from __future__ import annotations

import pytest

from core.types import ParsedDocument
from ingest.parse import parse
from tests.ingest.parse.office import paragraph, word, wordml


def read(body: str, **parts: object) -> ParsedDocument:
    return parse(word(body, **parts), "policy.docx")  # type: ignore[arg-type]


def nested(around: str, times: int, inner: str) -> str:
    for _ in range(times):
        inner = around.format(inner)
    return inner


RUN = "<w:r><w:t>Deep.</w:t></w:r>"
TEXT_BOX = f"<w:txbxContent>{paragraph('Deep.')}</w:txbxContent>"
TABLE = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc>{}<w:p/></w:tc></w:tr></w:tbl>"


@pytest.mark.parametrize(
    "body",
    [
        f"<w:p>{nested('<w:smartTag>{}</w:smartTag>', 70, RUN)}</w:p>",
        f"<w:p><w:r><w:drawing>{nested('<a:grp>{}</a:grp>', 70, TEXT_BOX)}</w:drawing></w:r></w:p>",
        nested(TABLE, 35, paragraph("Deep.")),
    ],
    ids=["text", "drawing", "table"],
)
def test_what_is_nested_too_deeply_in_a_paragraph_or_a_cell_is_said(body: str) -> None:
    document = read(body + paragraph("Text."))
    assert "Deep." not in str(document.blocks)
    assert document.losses == ("One passage is nested too deeply to be read.",)


def test_a_header_of_tables_in_tables_ends_and_is_said() -> None:
    header = wordml("hdr", nested(TABLE, 35, paragraph("Deep.")))
    document = read(paragraph("Text."), parts={"header1.xml": header}, kinds={"header1.xml": "header"})
    assert "Deep." not in str(document.blocks)
    assert document.losses == ("One passage is nested too deeply to be read.",)

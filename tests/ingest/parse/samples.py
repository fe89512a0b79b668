"""A small file of every format, as bytes; each says `TEXT` somewhere."""

from __future__ import annotations

import io
import json
from functools import cache

from tests.fakes.compound import compound_file
from tests.ingest.parse import test_epub, test_msg, test_odf
from tests.ingest.parse.office import packed
from tests.pdf import make_pdf

TEXT = "Thirty days."
_HTML = f"<!DOCTYPE html><html><head><title>Leave</title></head><body><h1>Leave</h1><p>{TEXT}</p><ul><li>a<li>b</ul><table><tr><th>x</th><th>y</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>"
_MAIL = (
    "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Leave?=\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    f"{TEXT}\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n--b--\r\n"
)


@cache
def samples() -> dict[str, bytes]:
    """By file name."""
    plain = {
        "a.txt": f"{TEXT}\n\nMore.\n",
        "a.md": f"---\ntitle: Leave\n---\n# Leave\n\n{TEXT}\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n",
        "a.html": _HTML,
        "a.rst": f"Leave\n=====\n\n{TEXT}\n\n* a\n* b\n\n.. note:: Ask.\n\n=== ===\nx   y\n=== ===\n1   2\n=== ===\n",
        "a.adoc": f"= Leave\n\n{TEXT}\n\n* a\n** b\n\n|===\n|x |y\n\n|1 |2\n|===\n",
        "a.csv": f"name,days\nBob,{TEXT}\n\"a \"\"b\"\"\",3\n",
        "a.tsv": f"name\tdays\nBob\t{TEXT}\n",
        "a.json": json.dumps({"leave": [{"text": TEXT, "days": 30}, {"text": "ü", "days": None}]}),
        "a.jsonl": f'{{"text": "{TEXT}"}}\n{{"text": "b"}}\n',
        "a.xml": f"<?xml version='1.0'?><leave><day n='1'>{TEXT}</day><day n='2'>b</day></leave>",
        "a.rtf": "{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Arial;}}\\pard " + TEXT + "\\par\\trowd\\cellx1\\cellx2 a\\cell b\\cell\\row{\\b x}\\u252?}",
        "a.py": f'"""{TEXT}"""\n\n\ndef leave() -> int:\n    return 30\n',
        "a.eml": _MAIL,
    }  # fmt: skip
    return {name: text.encode() for name, text in plain.items()} | {
        "a.pdf": make_pdf([TEXT, "Second page."], title="Leave"),
        "a.docx": _docx(),
        "a.xlsx": _xlsx(),
        "a.pptx": _pptx(),
        "a.odt": test_odf.packed("text", f'<text:h text:outline-level="1">Leave</text:h><text:p>{TEXT}</text:p>'),
        "a.ods": test_odf.packed(
            "spreadsheet",
            f'<table:table table:name="S"><table:table-row><table:table-cell><text:p>{TEXT}</text:p></table:table-cell>'
            "</table:table-row></table:table>",
        ),
        "a.odp": test_odf.packed(
            "presentation",
            f"<draw:page><draw:frame><draw:text-box><text:p>{TEXT}</text:p></draw:text-box></draw:frame></draw:page>",
        ),
        "a.epub": packed(test_epub.FILES),
        "a.msg": compound_file(test_msg.message()),
        "a.zip": packed({"leave.txt": TEXT, "inner/b.md": "# B"}),
    }


def _docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("Leave", 1)
    document.add_paragraph(TEXT)
    document.add_paragraph("a", "List Bullet")
    table = document.add_table(2, 2)
    table.cell(0, 0).text, table.cell(1, 1).text = "x", "2"
    return _saved(document)


def _xlsx() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["name", "days"], ["Bob", TEXT], ["Ann", 3.5]):
        sheet.append(row)
    sheet.merge_cells("A5:B6")
    return _saved(book)


def _pptx() -> bytes:
    from pptx import Presentation

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Leave"
    slide.placeholders[1].text = TEXT
    slide.notes_slide.notes_text_frame.text = "A note."
    return _saved(show)


def _saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()

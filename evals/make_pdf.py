"""Makes PDFs of tables whose cells are known, and says how many of them a parser found."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from core.types import BlockKind, ParsedDocument

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

STYLES = ("grid", "inner", "shaded", "rules", "ends", "zebra", "borderless")
"""Lines around every cell; between them only; around cells, below a dark header; below every row; at both ends and below
the header; a shade behind every other row; nothing."""
RULED = STYLES[:-1]
_WORDS = (
    "annual travel leave bicycle office manager policy budget invoice insurance laptop training review holiday "
    "parental remote equipment allowance meal hotel train flight parking phone contract pension dental vision bonus"
).split()
_PLACES = ("Berlin", "São Paulo", "New York", "Zürich", "Kraków", "Rio de Janeiro", "The Hague", "Lyon")
_UNITS = ("per month", "per year", "once", "per trip, on request", "after six months")
_HEADS = ("Item", "Place", "Limit", "Rate", "Paid", "Note")


@dataclass(frozen=True, slots=True)
class MadeTable:
    """`rows` as drawn, the header first; all texts of the first column differ."""

    style: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class MadePdf:
    data: bytes
    tables: tuple[MadeTable, ...]
    paragraphs: tuple[str, ...]
    """The text around the tables."""


def make_pdf(tables: int, *, styles: Sequence[str] = RULED, rows: int = 28, seed: int = 7) -> MadePdf:
    """A PDF of `tables` tables of up to `rows` rows, in turns in each style; 28 rows and some text fill about a page.

    Every fifth table is three times as long and goes on over pages without its header; every seventh is short, so that
    two stand on one page.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    chance = random.Random(seed)  # noqa: S311 - the same file every time
    look = getSampleStyleSheet()
    made: list[MadeTable] = []
    paragraphs: list[str] = []
    story: list[Flowable] = []
    for number in range(1, tables + 1):
        count = rows * 3 if number % 5 == 0 else max(rows // 4, 3) if number % 7 == 0 else rows
        table = MadeTable(styles[(number - 1) % len(styles)], _rows(chance, number, count))
        paragraph = f"Table {number} lists what is paid. {_sentence(chance)} {_sentence(chance)}"
        story += [Paragraph(f"Section {number}", look["Heading2"]), Paragraph(paragraph, look["BodyText"])]
        story += [Spacer(1, 6), _drawn(table), Spacer(1, 10)]
        made.append(table)
        paragraphs.append(paragraph)
    stream = BytesIO()
    SimpleDocTemplate(stream, pagesize=A4, title="Tables", invariant=1, topMargin=50, bottomMargin=50).build(story)
    return MadePdf(stream.getvalue(), tuple(made), tuple(paragraphs))


def cell_recall(document: ParsedDocument, tables: Iterable[MadeTable]) -> Mapping[str, float]:
    """By style, and of all under the empty name: the share of cells found in a row of a table block with its first cell."""
    found = [
        {_plain(cell) for cell in line.strip().strip("|").split(" | ")}
        for block in document.blocks
        if block.kind is BlockKind.TABLE
        for line in block.text.split("\n")
    ]
    by_cell: defaultdict[str, list[set[str]]] = defaultdict(list)
    for cells in found:
        for cell in cells:
            by_cell[cell].append(cells)
    hits: defaultdict[str, int] = defaultdict(int)
    total: defaultdict[str, int] = defaultdict(int)
    for table in tables:
        for row in table.rows:
            candidates = by_cell.get(_plain(row[0]), [])
            got = sum(any(_plain(cell) in candidate for candidate in candidates) for cell in row)
            for key in ("", table.style):
                hits[key] += got
                total[key] += len(row)
    return {key: hits[key] / total[key] for key in total}


def _plain(cell: str) -> str:
    return " ".join(cell.replace(r"\|", "|").split())


def _rows(chance: random.Random, number: int, count: int) -> tuple[tuple[str, ...], ...]:
    width = chance.randint(3, len(_HEADS))
    head = (f"{_HEADS[0]} {number}", *_HEADS[1:width])
    return (head, *(_row(chance, f"{number}-{index}", width) for index in range(1, count)))


def _row(chance: random.Random, key: str, width: int) -> tuple[str, ...]:
    words = chance.sample(_WORDS, 3)
    cells = (
        f"{words[0].title()} {key}",
        chance.choice(_PLACES),
        f"{chance.randint(1, 9_999_999) / 100:,.2f}",
        f"{chance.randint(0, 1000) / 10}%",
        chance.choice(_UNITS),
        f"{' '.join(words)} must be asked for in writing" if chance.random() < 0.3 else words[1],  # noqa: PLR2004
    )
    return cells[:width]


def _sentence(chance: random.Random) -> str:
    return f"The {' '.join(chance.sample(_WORDS, 5))} is agreed with the manager before it is booked."


def _drawn(table: MadeTable) -> Flowable:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Table, TableStyle

    small = ParagraphStyle("cell", fontName="Helvetica", fontSize=8, leading=9.5)
    widths = (110, 75, 65, 50, 90, 110)[: len(table.rows[0])]
    rows: list[list[Any]] = [list(table.rows[0])]
    rows += [[Paragraph(cell, small) if len(cell) > 18 else cell for cell in row] for row in table.rows[1:]]  # noqa: PLR2004
    commands = [*_COMMON, *_COMMANDS[table.style]]
    return Table(rows, colWidths=widths, style=TableStyle(commands))


_END = (-1, -1)
_LINE = 0.5
_COMMON: tuple[Any, ...] = (
    ("FONT", (0, 0), _END, "Helvetica", 8),
    ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 8),
    ("ALIGN", (2, 0), (3, -1), "RIGHT"),
    ("VALIGN", (0, 0), _END, "TOP"),
)
_COMMANDS: Mapping[str, tuple[Any, ...]] = {
    "grid": (("GRID", (0, 0), _END, _LINE, "black"),),
    "inner": (("INNERGRID", (0, 0), _END, _LINE, "grey"),),
    "shaded": (
        ("BACKGROUND", (0, 0), (-1, 0), "darkblue"),
        ("TEXTCOLOR", (0, 0), (-1, 0), "white"),
        ("GRID", (0, 0), _END, _LINE, "lightgrey"),
    ),
    "rules": (("LINEBELOW", (0, 0), _END, _LINE, "black"),),
    "ends": (
        ("LINEABOVE", (0, 0), (-1, 0), 1, "black"),
        ("LINEBELOW", (0, 0), (-1, 0), _LINE, "black"),
        ("LINEBELOW", (0, -1), (-1, -1), 1, "black"),
    ),
    "zebra": (("ROWBACKGROUNDS", (0, 1), _END, ["lightgrey", None]),),
    "borderless": (),
}

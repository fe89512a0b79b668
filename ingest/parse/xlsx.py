"""Excel workbooks (.xlsx, .xlsm and templates) through lxml, cell by cell, so that memory grows with what is kept."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import UnreadableDocument
from core.types import Block, BlockKind, ParsedDocument
from ingest.parse.drawing import depth_losses
from ingest.parse.ooxml import Embedded, Package, title_of
from ingest.parse.sheet_rows import Layout
from ingest.parse.sheets import sheet_blocks
from ingest.parse.text import counted, one_line
from ingest.parse.xlsx_cells import MAX_CELLS, MAX_CHARACTERS, Budget, Sheet, read_sheet
from ingest.parse.xlsx_extras import Extras, read_extras, stated_tables
from ingest.parse.xlsx_workbook import DAMAGED, Workbook, open_workbook

_SHEET = 2
_MAX_SHEETS = 1000


class XlsxParser:
    """Every visible sheet as pieces of its tables, with the names of the columns and the rows' numbers."""

    media_types: Iterable[str] = ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for damaged and binary workbooks, `Protected`, and `TooLarge` over the limits."""
        package = Package(data, "an Excel workbook")
        if package.main.lower().endswith(".bin"):
            raise UnreadableDocument(
                "This is a binary Excel workbook (.xlsb). Save it as an Excel workbook (.xlsx) and add that."
            )
        workbook = open_workbook(package)
        reading = _Reading(package, workbook)
        for sheet in workbook.sheets[:_MAX_SHEETS]:
            if sheet.is_hidden:
                reading.hidden += 1
            elif sheet.kind == "worksheet":
                reading.worksheet(sheet.name, sheet.part)
            else:
                reading.chartsheets += 1
        reading.beyond = max(0, len(workbook.sheets) - _MAX_SHEETS)
        blocks = tuple(reading.blocks)
        if reading.damaged and not blocks:
            raise UnreadableDocument(DAMAGED)
        return ParsedDocument(
            title_of(package, blocks, name), blocks, losses=tuple(reading.losses()), attachments=reading.embedded.files
        )


class _Reading:
    def __init__(self, package: Package, workbook: Workbook) -> None:
        self._package = package
        self._workbook = workbook
        self._budget = Budget(MAX_CELLS, MAX_CHARACTERS)
        self._sheets: list[Sheet] = []
        self._extras: list[Extras] = []
        self.embedded = Embedded(package)
        self.blocks: list[Block] = []
        self.hidden = self.chartsheets = self.damaged = self.beyond = 0

    def worksheet(self, name: str, part: str) -> None:
        tables = stated_tables(self._package, part)
        try:
            sheet = read_sheet(self._package, part, self._workbook, self._budget, tables.filtered)
        except UnreadableDocument:
            self.damaged += 1
            return
        extras = read_extras(self._package, part, self.embedded)
        layout = Layout(tables.headers, sheet.spans)
        blocks = [*sheet_blocks(sheet.rows, _SHEET + 1, layout), *(Block(text) for text in extras.texts)]
        if blocks:
            self.blocks += [Block(one_line(name) or "Sheet", BlockKind.HEADING, _SHEET), *blocks]
        self._extras.append(extras)
        self._sheets.append(Sheet((), {}, sheet.uncalculated, sheet.hidden_columns, sheet.hidden_rows))

    def losses(self) -> Iterable[str]:
        if self._budget.is_spent:
            yield f"The workbook is too large to be read whole: only the first {self._budget.cells_read:,} cells were read."
        yield from counted(self.damaged, "sheet", "is damaged and could not be read")
        yield from counted(self.beyond, "sheet", f"is left out: only the first {_MAX_SHEETS:,} are read")
        yield from counted(self.hidden, "hidden sheet", "is left out")
        yield from counted(sum(sheet.hidden_rows for sheet in self._sheets), "hidden row", "is left out")
        yield from counted(sum(sheet.hidden_columns for sheet in self._sheets), "hidden column", "is left out")
        yield from counted(
            sum(s.uncalculated for s in self._sheets), "formula", "has no stored result and could not be read"
        )
        yield from counted(sum(extras.pictures for extras in self._extras), "picture", "has no text that could be read")
        charts = sum(extras.charts for extras in self._extras) + self.chartsheets
        yield from counted(charts, "chart", "is left out; the cells that it shows are not")
        yield from counted(sum(extras.comments for extras in self._extras), "comment", "is left out")
        yield from depth_losses(sum(extras.deep for extras in self._extras))
        yield from self.embedded.losses()
        if self._package.has_macros():
            yield "Macros are left out."

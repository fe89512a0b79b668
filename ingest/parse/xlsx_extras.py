"""What lies on an Excel sheet beside its cells: text boxes, pictures, charts, comments, embedded files, stated tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ingest.parse.drawing import Drawn, read_drawing
from ingest.parse.ooxml import Embedded, Package
from ingest.parse.safe_xml import local
from ingest.parse.xlsx_cells import place


@dataclass(frozen=True, slots=True)
class Extras:
    texts: tuple[str, ...] = ()
    pictures: int = 0
    charts: int = 0
    comments: int = 0


def read_extras(package: Package, sheet: str, embedded: Embedded) -> Extras:
    drawn = Drawn()
    for part in package.related(sheet, "drawing"):
        if (root := package.optional(part)) is not None:
            read_drawing(root, drawn)
    for relation in package.relations(sheet).values():
        if relation.kind in {"oleObject", "package"}:
            embedded.take(relation)
    comments = 0
    for part in package.related(sheet, "comments"):
        root = package.optional(part)
        comments += sum(local(each) == "comment" for each in root.iter()) if root is not None else 0
    return Extras(tuple(drawn.texts), drawn.pictures, drawn.charts, comments)


def header_rows(package: Package, sheet: str) -> Collection[int]:
    """Rows that the sheet states to be the headers of its tables."""
    found = set()
    for part in package.related(sheet, "table"):
        root = package.optional(part)
        if root is not None and root.get("headerRowCount") != "0":
            start = place((root.get("ref") or "").partition(":")[0])
            if start:
                found.add(start[0])
    return found

"""What lies on an Excel sheet beside its cells: text boxes, pictures, charts, comments, embedded files, stated tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ingest.parse.drawing import Drawn, read_drawing
from ingest.parse.ooxml import Embedded, Package
from ingest.parse.safe_xml import local
from ingest.parse.xlsx_cells import filtered_rows, place


@dataclass(frozen=True, slots=True)
class Extras:
    texts: tuple[str, ...] = ()
    pictures: int = 0
    charts: int = 0
    comments: int = 0
    deep: int = 0
    """Parts of drawings that are nested too deeply to be read."""


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
    return Extras(tuple(drawn.texts), drawn.pictures, drawn.charts, comments, drawn.deep)


@dataclass(frozen=True, slots=True)
class StatedTables:
    """What a sheet says about its tables."""

    headers: Collection[int] = ()
    """Rows that hold the names of columns."""
    filtered: Sequence[range] = ()
    """Rows of which a filter hides some."""


def stated_tables(package: Package, sheet: str) -> StatedTables:
    headers: set[int] = set()
    filtered: list[range] = []
    for part in package.related(sheet, "table"):
        root = package.optional(part)
        if root is None:
            continue
        start = place((root.get("ref") or "").partition(":")[0])
        if start and root.get("headerRowCount") != "0":
            headers.add(start[0])
        filtered += [filtered_rows(each) for each in root.iterfind("{*}autoFilter")]
    return StatedTables(headers, filtered)

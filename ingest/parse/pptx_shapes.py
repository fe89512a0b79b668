"""What stands on a slide and where, so that it can be read from top to bottom and from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.parse.drawing import body_text, holds
from ingest.parse.ooxml import Package, find, shown
from ingest.parse.safe_xml import local
from ingest.parse.text import one_line

if TYPE_CHECKING:
    from lxml.etree import _Element

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in EMU (914,400 to an inch)."""
_NOWHERE: Box = (0, 0, 0, 0)
MAX_DEPTH, _MAX_SHAPES = 20, 1500
"""Groups in groups; and shapes that are cut into columns: more are read from top to bottom."""
_TOLERANCE = 60_000
"""How far shapes may reach into each other and still stand beside each other: 1.7 mm."""
_LONGEST_REPEATED = 200
_SHAPES = frozenset({"sp", "pic", "graphicFrame", "cxnSp"})


@dataclass(frozen=True, slots=True)
class Shape:
    element: _Element
    box: Box
    is_placeholder: bool = False
    placeholder: str = ""
    """Its type: `title`, `body`, `ftr` …; empty for a general one."""
    inner: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """What a slide takes from its layout and master: places of placeholders by number and by type, and texts."""

    by_number: Mapping[str, Box] = field(default_factory=dict)
    by_type: Mapping[str, Box] = field(default_factory=dict)
    texts: tuple[str, ...] = ()


def shapes_of(tree: _Element | None, layout: Layout, deep: list[_Element], depth: int = 0) -> Iterator[Shape]:
    """The visible shapes of a tree; those of a group stay together. What is nested too deeply is added to `deep`."""
    if tree is None:
        return
    if depth > MAX_DEPTH:
        deep += [tree] if holds(tree, _SHAPES) else []
        return
    for element in tree:
        match local(element):
            case "AlternateContent":
                yield from shapes_of(shown(element), layout, deep, depth + 1)
            case "grpSp":
                inner = tuple(shapes_of(element, layout, deep, depth + 1))
                if inner:
                    yield Shape(element, _box(find(element, "grpSpPr", "xfrm")) or _around(inner), inner=inner)
            case tag if tag in _SHAPES and not _is_hidden(element):
                yield _shape(element, layout)


def in_reading_order(shapes: Sequence[Shape]) -> list[Shape]:
    """Cut at the widest gap that goes through all of them, again and again: an XY-cut (Nagy and Seth, 1984)."""
    ordered = sorted(shapes, key=lambda shape: (shape.box[1], shape.box[0]))
    if len(ordered) > _MAX_SHAPES:
        return ordered
    done: list[Shape] = []
    left = [ordered]
    while left:
        part = left.pop()
        across, down = _widest_gap(part, 1), _widest_gap(part, 0)
        gap, axis = max((across, 1), (down, 0), key=lambda each: each[0][0])
        if gap[0] <= -_TOLERANCE or len(part) < 2:  # noqa: PLR2004 - one shape cannot be cut
            done += part
            continue
        first = [shape for shape in part if shape.box[axis] < gap[1]]
        second = [shape for shape in part if shape.box[axis] >= gap[1]]
        left += [second, first]
    return done


def _widest_gap(shapes: Sequence[Shape], axis: int) -> tuple[int, int]:
    """Its width and where it ends, between shapes ordered along an axis (0 from the left, 1 from the top)."""
    ordered = sorted(shapes, key=lambda shape: shape.box[axis])
    best = (-_TOLERANCE, 0)
    end = ordered[0].box[axis + 2] if ordered else 0
    for shape in ordered[1:]:
        begin = shape.box[axis]
        if begin > ordered[0].box[axis] and begin - end > best[0]:
            best = (begin - end, begin)
        end = max(end, shape.box[axis + 2])
    return best


def read_layout(package: Package, part: str, deep: list[_Element]) -> Layout:
    """A layout over its master. What is nested too deeply is added to `deep`."""
    master_part = next(package.related(part, "slideMaster"), "")
    trees = [find(package.optional(each), "cSld", "spTree") for each in (master_part, part) if each]
    by_number: dict[str, Box] = {}
    by_type: dict[str, Box] = {}
    texts: list[str] = []
    for tree in trees:
        for shape in shapes_of(tree, Layout({}, dict(by_type)), deep):
            if shape.is_placeholder:
                if any(shape.box):
                    by_type[_kin(shape.placeholder)] = shape.box
                    if tree is trees[-1]:
                        by_number[_number(shape.element)] = shape.box
            else:
                texts += _static(shape)
    return Layout(by_number, by_type, tuple(texts))


def table_rows(table: _Element) -> list[list[str]]:
    """The cells of a table; one that spans rows is repeated in each, one that spans columns is followed by empty ones."""
    rows: list[list[str]] = []
    for row in table.iterfind("{*}tr"):
        texts: list[str] = []
        for column, cell in enumerate(row.iterfind("{*}tc")):
            body = find(cell, "txBody")
            text = one_line(body_text(body)) if body is not None else ""
            if cell.get("vMerge") in {"1", "true"} and rows and column < len(rows[-1]):
                text = rows[-1][column] if len(rows[-1][column]) <= _LONGEST_REPEATED else ""
            texts.append("" if cell.get("hMerge") in {"1", "true"} else text)
        rows.append(texts)
    return rows


def _static(shape: Shape) -> Iterator[str]:
    for each in shape.inner:
        yield from _static(each)
    body = find(shape.element, "txBody")
    if body is not None and (text := body_text(body)):
        yield text


def _shape(element: _Element, layout: Layout) -> Shape:
    properties = next((each for each in element if local(each) in {"nvSpPr", "nvPicPr", "nvGraphicFramePr"}), None)
    mark = find(properties, "nvPr", "ph")
    own = find(element, "xfrm") if local(element) == "graphicFrame" else find(element, "spPr", "xfrm")
    box = _box(own)
    if mark is None:
        return Shape(element, box or _NOWHERE)
    kind = mark.get("type", "")
    box = box or layout.by_number.get(mark.get("idx", "")) or layout.by_type.get(_kin(kind))
    return Shape(element, box or _NOWHERE, is_placeholder=True, placeholder=kind)


def _kin(kind: str) -> str:
    """Types that take their place from the same placeholder of a master."""
    return {"ctrTitle": "title", "subTitle": "body", "": "body", "obj": "body"}.get(kind, kind)


def _number(element: _Element) -> str:
    mark = next((each for each in element.iter() if local(each) == "ph"), None)
    return mark.get("idx", "") if mark is not None else ""


def _is_hidden(element: _Element) -> bool:
    properties = next((find(each, "cNvPr") for each in element if local(each).startswith("nv")), None)
    return properties is not None and properties.get("hidden") in {"1", "true"}


def _box(transform: _Element | None) -> Box | None:
    offset, size = find(transform, "off"), find(transform, "ext")
    if offset is None or size is None:
        return None
    try:
        left, top = int(offset.get("x", "0")[:12]), int(offset.get("y", "0")[:12])
        return left, top, left + int(size.get("cx", "0")[:12]), top + int(size.get("cy", "0")[:12])
    except ValueError:
        return None


def _around(shapes: Sequence[Shape]) -> Box:
    lefts, tops, rights, bottoms = zip(*(shape.box for shape in shapes), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)

"""Charts and diagrams of Office files: the numbers behind a chart as a table, the texts of a SmartArt as a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.parse.drawing import body_text, paragraph_text
from ingest.parse.ooxml import Package, attribute, find, whole
from ingest.parse.safe_xml import local
from ingest.parse.text import counted, one_line
from ingest.parse.xlsx_numbers import Show, number_format

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_POINTS, _MAX_SERIES = 2000, 100
_NOT_SHOWN = frozenset({"pres", "parTrans", "sibTrans"})
_AXES = frozenset({"catAx", "dateAx", "serAx", "valAx"})
_MAX_INDENT = 20


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    """Its own, and those of its axes in lines of their own."""
    rows: list[list[str]]
    """The names of the series first; empty if the chart keeps no numbers."""
    is_cut: bool = False
    """There are more points or series than are read."""


def read_chart(package: Package, part: str) -> Chart | None:
    """None for a chart that is missing, damaged or of a kind that keeps its numbers elsewhere."""
    root = package.optional(part)
    chart = find(root, "chart")
    if chart is None:
        return None
    series = [each for each in chart.iter() if local(each) == "ser"]
    is_cut = len(series) > _MAX_SERIES
    series = series[:_MAX_SERIES]
    categories: dict[int, str] = {}
    columns = []
    for each in series:
        categories = {**_points(each, "cat", "xVal"), **categories}
        columns.append(_points(each, "val", "yVal"))
    places = sorted({place for column in (*columns, categories) for place in column})
    is_cut = is_cut or len(places) > _MAX_POINTS
    places = places[:_MAX_POINTS]
    rows = [["", *(_name(each) for each in series)]]
    rows += [
        [categories.get(place, str(place + 1)), *(column.get(place, "") for column in columns)] for place in places
    ]
    axes = [find(each, "title") for each in chart.iter() if local(each) in _AXES]
    titles = [_title(each) for each in (find(chart, "title"), *axes)]
    return Chart("\n".join(title for title in titles if title), rows if places and any(columns) else [], is_cut)


def chart_losses(lost: int, cut: int) -> Iterator[str]:
    """Of charts without numbers, and of those that are larger than what is read of one."""
    yield from counted(lost, "chart", "keeps no numbers that could be read")
    yield from counted(cut, "chart", f"was cut after {_MAX_POINTS:,} points and {_MAX_SERIES} series")


def _title(element: _Element | None) -> str:
    """What is written there, or in the cell that is named instead."""
    text = find(element, "tx", "rich")
    if text is not None:
        return one_line(body_text(text))
    return one_line(" ".join(_cached(find(element, "tx", "strRef", "strCache")).values()))


def _name(series: _Element) -> str:
    stated = find(series, "tx", "v")
    if stated is not None:
        return stated.text or ""
    return next(iter(_cached(find(series, "tx", "strRef", "strCache")).values()), "")


def _points(series: _Element, *names: str) -> dict[int, str]:
    for name in names:
        holder = find(series, name)
        for reference, cache in (
            ("strRef", "strCache"),
            ("numRef", "numCache"),
            ("multiLvlStrRef", "multiLvlStrCache"),
        ):
            stored = find(holder, reference, cache)
            if stored is not None:
                return _cached(find(stored, "lvl") if cache.startswith("multi") else stored)
        for literal in ("strLit", "numLit"):
            if find(holder, literal) is not None:
                return _cached(find(holder, literal))
    return {}


def _cached(cache: _Element | None) -> dict[int, str]:
    if cache is None:
        return {}
    found = {}
    show = number_format(cache.findtext("{*}formatCode") or "General").show
    for point in cache.iterfind("{*}pt"):
        text = find(point, "v")
        if text is not None and text.text:
            found[whole(point.get("idx"))] = _shown(text.text, show) if local(cache).startswith("num") else text.text
    return found


def _shown(stored: str, show: Show) -> str:
    try:
        return show(float(stored))
    except (ValueError, ArithmeticError):
        return stored


def diagram_lines(package: Package, part: str) -> list[str]:
    """The texts of a SmartArt, indented as they are nested."""
    root = package.optional(part)
    if root is None:
        return []
    texts = {}
    for point in root.iterfind("{*}ptLst/{*}pt"):
        body = find(point, "t")
        if body is not None and point.get("type") not in _NOT_SHOWN:
            texts[point.get("modelId") or ""] = one_line(
                " ".join(paragraph_text(each) for each in body.iterfind("{*}p"))
            )
    below: dict[str, list[tuple[int, str]]] = {}
    for each in root.iterfind("{*}cxnLst/{*}cxn"):
        if each.get("type", "parOf") == "parOf":
            order = attribute(each, "srcOrd")
            below.setdefault(each.get("srcId") or "", []).append((whole(order), each.get("destId") or ""))
    lines = list(_nested(texts, below))
    return lines or [text for text in texts.values() if text]


def _nested(texts: dict[str, str], below: dict[str, list[tuple[int, str]]]) -> Iterator[str]:
    children = {child for each in below.values() for _, child in each}
    stack = [(key, 0) for key in reversed([*below, *texts]) if key not in children]
    seen = set()
    while stack:
        key, depth = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        if texts.get(key):
            yield "  " * min(depth, _MAX_INDENT) + "- " + texts[key]
        deeper = depth + 1 if texts.get(key) else depth
        stack += [(child, deeper) for _, child in sorted(below.get(key, ()), reverse=True)]

"""What Word's styles and lists say about a paragraph: whether it is a heading, and which number stands before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.parse.ooxml import Package, find, whole

if TYPE_CHECKING:
    from lxml.etree import _Element

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
VAL = W + "val"
_HEADING = re.compile(
    r"(?i)(?:heading|überschrift|titre|título|titulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|címsor|başlık"
    r"|заголовок|επικεφαλίδα|titlu|naslov|标题|標題|見出し|제목)\s*([1-9])"
)
_CONTENTS = re.compile(r"(?i)(?:toc|verzeichnis|tm|tdc|sommario|inhopg|spis treści)\s*[1-9]")
_TITLES = frozenset({"title", "titel", "titre", "título", "titolo", "название", "标题"})
_MAX_CHAIN = 20
_LEVELS = 9
_MAX_LIST_LEVEL = 8
_LIST_LEVELS = frozenset("012345678")
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Style:
    name: str = ""
    level: int | None = None
    """Of a heading, from 1."""
    list_id: str = ""
    list_level: int = 0
    is_bold: bool = False
    is_hidden: bool = False
    is_contents: bool = False


@dataclass(frozen=True, slots=True)
class _Level:
    form: str = "decimal"
    text: str = "%1."
    start: int = 1
    is_legal: bool = False


@dataclass(frozen=True, slots=True)
class _List:
    abstract: str
    starts: Mapping[int, int]
    levels: Mapping[int, _Level]


@dataclass(frozen=True, slots=True)
class Marker:
    """`text` as it stands before the paragraph: `-`, `3.`, `(a)`, `4.2`."""

    level: int
    text: str


@dataclass(slots=True)
class Styles:
    paragraphs: Mapping[str, Style] = field(default_factory=dict)
    default: Style = field(default_factory=Style)
    hidden_characters: frozenset[str] = frozenset()

    def of(self, paragraph: _Element) -> Style:
        name = value(find(paragraph, "pPr", "pStyle"))
        return self.paragraphs.get(name, self.default) if name else self.default


def value(element: _Element | None, default: str = "") -> str:
    return str(element.get(VAL, default)) if element is not None else default


def is_on(element: _Element | None) -> bool:
    """A switch that is there is on, unless it says otherwise."""
    return element is not None and element.get(VAL, "1") not in {"0", "false", "off"}


def number(element: _Element | None, default: int) -> int:
    return min(whole(value(element), default), _LARGEST)


def read_styles(package: Package) -> Styles:
    """Without a style sheet, or with a damaged one, everything is plain."""
    part = next(package.related(package.main, "styles"), "")
    root = package.optional(part) if part else None
    if root is None:
        return Styles()
    elements = {each.get(W + "styleId") or "": each for each in root.iterfind(W + "style")}
    found = {
        key: _style(key, elements) for key, each in elements.items() if each.get(W + "type") in {"paragraph", None}
    }
    default = next(
        (found[key] for key, each in elements.items() if key in found and each.get(W + "default") in {"1", "true"}),
        Style(),
    )
    hidden = (
        key
        for key, each in elements.items()
        if each.get(W + "type") == "character" and is_on(find(each, "rPr", "vanish"))
    )
    return Styles(found, default, frozenset(hidden))


def _style(key: str, elements: Mapping[str, _Element]) -> Style:
    """Own properties before those of the styles that it is based on."""
    chain: list[_Element] = []
    name = key
    while name in elements and len(chain) < _MAX_CHAIN and elements[name] not in chain:
        chain.append(elements[name])
        name = value(find(elements[name], "basedOn"))
    names = [value(find(each, "name")) or each.get(W + "styleId") or "" for each in chain]
    level = None
    for each, shown in zip(chain, names, strict=True):
        level = heading_level(shown, find(each, "pPr", "outlineLvl"))
        if level is not None:
            break
    lists = [find(each, "pPr", "numPr") for each in chain]
    numbered = next((each for each in lists if find(each, "numId") is not None), None)
    leveled = next((find(each, "ilvl") for each in lists if find(each, "ilvl") is not None), None)
    bold = next((find(each, "rPr", "b") for each in chain if find(each, "rPr", "b") is not None), None)
    return Style(
        names[0],
        level or None,
        value(find(numbered, "numId")),
        number(leveled, 0),
        is_on(bold),
        is_on(find(chain[0], "rPr", "vanish")),
        any(_CONTENTS.fullmatch(shown) for shown in names),
    )


def heading_level(name: str, outline: _Element | None) -> int | None:
    """1 to 9 for headings, 0 for what is stated to be text, None if nothing is said."""
    if outline is not None:
        stated = number(outline, _LEVELS)
        return stated + 1 if stated < _LEVELS else 0
    if match := _HEADING.fullmatch(name.strip()):
        return int(match[1])
    return 1 if name.strip().lower() in _TITLES else None


class Numbering:
    """Counts the paragraphs of all lists as Word does, which stores no numbers."""

    def __init__(self, package: Package) -> None:
        part = next(package.related(package.main, "numbering"), "")
        root = package.optional(part) if part else None
        self._lists = _lists(root) if root is not None else {}
        self._counters: dict[str, dict[int, int]] = {}
        self._started: set[str] = set()

    def marker(self, list_id: str, level: int) -> Marker | None:
        """The marker of the next paragraph at a level of a list; None if there is no such list."""
        found = self._lists.get(list_id)
        if found is None:
            return None
        level = min(level, _MAX_LIST_LEVEL)
        counters = self._counters.setdefault(found.abstract, {})
        if list_id not in self._started:
            self._started.add(list_id)
            for each in found.starts:
                counters.pop(each, None)
        for each in range(level + 1):
            start = found.starts.get(each, found.levels.get(each, _Level()).start)
            if each == level:
                counters[each] = counters[each] + 1 if each in counters else start
            else:
                counters.setdefault(each, start)
        for each in [each for each in counters if each > level]:
            del counters[each]
        return Marker(level, _marker_text(found.levels, counters, level))


def _lists(root: _Element) -> dict[str, _List]:
    abstracts = {each.get(W + "abstractNumId") or "": each for each in root.iterfind(W + "abstractNum")}
    linked = {
        value(find(each, "styleLink")): key for key, each in abstracts.items() if find(each, "styleLink") is not None
    }
    lists = {}
    for each in root.iterfind(W + "num"):
        abstract = value(find(each, "abstractNumId"))
        # An abstract list may only point to the style that holds its levels (ECMA-376, part 1, 17.9.21).
        if (link := find(abstracts.get(abstract), "numStyleLink")) is not None:
            abstract = linked.get(value(link), abstract)
        levels = _levels(abstracts.get(abstract))
        starts = {}
        for override in each.iterfind(W + "lvlOverride"):
            place = override.get(W + "ilvl") or "0"
            if place in _LIST_LEVELS:
                levels.update(_levels(override))
                if (start := find(override, "startOverride")) is not None:
                    starts[int(place)] = number(start, 1)
        lists[each.get(W + "numId") or ""] = _List(abstract, starts, levels)
    return lists


def _levels(holder: _Element | None) -> dict[int, _Level]:
    levels = {}
    for each in holder.iterfind(W + "lvl") if holder is not None else ():
        place = each.get(W + "ilvl") or ""
        if place in _LIST_LEVELS:
            text = find(each, "lvlText")
            levels[int(place)] = _Level(
                value(find(each, "numFmt"), "decimal"),
                value(text),
                number(find(each, "start"), 1),
                is_on(find(each, "isLgl")),
            )
    return levels


def _marker_text(levels: Mapping[int, _Level], counters: Mapping[int, int], level: int) -> str:
    here = levels.get(level, _Level(text=f"%{level + 1}."))
    if here.form == "bullet":
        return "-"

    def counted(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        form = levels.get(place, _Level()).form
        return in_form(counters.get(place, 1), "decimal" if here.is_legal else form)

    return "" if here.form == "none" and "%" not in here.text else re.sub(r"%([1-9])", counted, here.text).strip()


def in_form(count: int, form: str) -> str:
    """3 is `c`, `III` or `03`, as a list has it."""
    if form in {"none", "bullet"}:
        return ""
    if form in {"lowerLetter", "upperLetter"}:
        return _letters(count).lower() if form.startswith("lower") else _letters(count)
    if form in {"lowerRoman", "upperRoman"}:
        return _roman(count).lower() if form.startswith("lower") else _roman(count)
    return f"{count:02d}" if form == "decimalZero" else str(count)


def _letters(count: int) -> str:
    """After Z comes AA, then BB (ECMA-376, part 1, 17.18.59)."""
    return chr(ord("A") + (count - 1) % 26) * min((count - 1) // 26 + 1, 10) if count > 0 else ""


def _roman(count: int) -> str:
    if not 0 < count < 4000:  # noqa: PLR2004 - beyond, there are no such numbers
        return str(count)
    ones, tens, hundreds = (
        ("", a, a * 2, a * 3, a + b, b, b + a, b + a * 2, b + a * 3, a + c) for a, b, c in ("IVX", "XLC", "CDM")
    )
    return "M" * (count // 1000) + hundreds[count // 100 % 10] + tens[count // 10 % 10] + ones[count % 10]

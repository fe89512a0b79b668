"""Office's formulas (OMML) as a line of text: `(a+b)/(2c)`, `x^2`, `√(x)`. ECMA-376, part 1, 22.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.parse.ooxml import attribute, find
from ingest.parse.safe_xml import local

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAX_DEPTH = 60
_SIMPLE = 1
"""Characters that need no brackets."""


def linear(formula: _Element, depth: int = 0) -> str:
    """The text of a formula, or of a part of one."""
    if depth > _MAX_DEPTH:
        return ""
    return "".join(_part(child, depth + 1) for child in formula)


def _part(element: _Element, depth: int) -> str:
    name = local(element)
    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    write = _WRITERS.get(name)
    return write(_Parts(element, depth)) if write else linear(element, depth)


@dataclass(frozen=True, slots=True)
class _Parts:
    element: _Element
    depth: int

    def __getitem__(self, name: str) -> str:
        found = find(self.element, name)
        return linear(found, self.depth) if found is not None else ""

    def each(self, name: str) -> list[str]:
        return [linear(each, self.depth) for each in self.element.iterfind("{*}" + name)]

    def stated(self, group: str, name: str, default: str) -> str:
        """Characters that are not stated are the usual ones; stated as nothing, there is none."""
        found = find(self.element, group, name)
        return default if found is None else attribute(found, "val")


def _root(of: _Parts) -> str:
    return f"root({of['deg']}, {of['e']})" if of["deg"].strip() else f"√({of['e']})"


def _nary(of: _Parts) -> str:
    low, high = (sign + _grouped(of[name]) if of[name] else "" for sign, name in (("_", "sub"), ("^", "sup")))
    return f"{of.stated('naryPr', 'chr', '∫')}{low}{high} {of['e']}"


def _delimited(of: _Parts) -> str:
    begin, end = of.stated("dPr", "begChr", "("), of.stated("dPr", "endChr", ")")
    return begin + of.stated("dPr", "sepChr", "|").join(of.each("e")) + end


def _matrix(of: _Parts) -> str:
    rows = [_Parts(row, of.depth).each("e") for row in of.element.iterfind("{*}mr")]
    return "[" + "; ".join(", ".join(row) for row in rows) + "]"


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _SIMPLE or text.isalnum() else f"({text})"


_WRITERS: dict[str, Callable[[_Parts], str]] = {
    "f": lambda of: f"{_grouped(of['num'])}/{_grouped(of['den'])}",
    "sSup": lambda of: f"{of['e']}^{_grouped(of['sup'])}",
    "sSub": lambda of: f"{of['e']}_{_grouped(of['sub'])}",
    "sSubSup": lambda of: f"{of['e']}_{_grouped(of['sub'])}^{_grouped(of['sup'])}",
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "func": lambda of: f"{of['fName']} {_grouped(of['e'])}",
    "m": _matrix,
    "limLow": lambda of: f"{of['e']}_{_grouped(of['lim'])} ",
    "limUpp": lambda of: f"{of['e']}^{_grouped(of['lim'])} ",
    "eqArr": lambda of: "; ".join(of.each("e")),
}

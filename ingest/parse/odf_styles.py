"""What OpenDocument styles say that a reader of the text has to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ingest.parse.safe_xml import local

if TYPE_CHECKING:
    from lxml import etree

_MAX_PARENTS = 20


class Styles:
    """Styles of `styles.xml` and of the document itself."""

    def __init__(self, roots: Iterable[etree._Element]) -> None:
        self.hidden: set[str] = set()
        """Names of slides' and sheets' styles that hide them, and of styles whose text is hidden."""
        self.bold: set[str] = set()
        self._parents: dict[str, str] = {}
        self._lists: dict[str, dict[int, bool]] = {}
        for root in roots:
            for element in root.iter():
                if local(element) == "style":
                    self._style(element)
                elif local(element) == "list-style":
                    self._list(element)

    def is_title(self, name: str) -> bool:
        """Whether a paragraph has the style `Title` or one derived from it."""
        for _ in range(_MAX_PARENTS):
            if not name or name == "Title":
                break
            name = self._parents.get(name, "")
        return name == "Title"

    def is_ordered(self, name: str, level: int) -> bool:
        """Whether a list of this style has numbers at this level, from 1."""
        return self._lists.get(name, {}).get(level, False)

    def _style(self, element: etree._Element) -> None:
        name = attribute(element, "name")
        if parent := attribute(element, "parent-style-name"):
            self._parents[name] = parent
        for child in element:
            kind = local(child)
            if kind == "text-properties":
                if attribute(child, "font-weight") in {"bold", "700", "800", "900"}:
                    self.bold.add(name)
                if attribute(child, "display") == "none":
                    self.hidden.add(name)
            elif (kind == "drawing-page-properties" and attribute(child, "visibility") == "hidden") or (
                kind == "table-properties" and attribute(child, "display") == "false"
            ):
                self.hidden.add(name)

    def _list(self, element: etree._Element) -> None:
        levels = self._lists.setdefault(attribute(element, "name"), {})
        for child in element:
            level = attribute(child, "level")
            if level.isdecimal() and len(level) < 3:  # noqa: PLR2004 - the format knows ten levels
                is_numbered = local(child) == "list-level-style-number" and bool(attribute(child, "num-format"))
                levels[int(level)] = is_numbered


def attribute(element: etree._Element, name: str) -> str:
    """An attribute by its local name: the prefixes of the format never give two of one name to an element."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return ""


def whole_number(element: etree._Element, name: str, most: int) -> int:
    """A count that an attribute states, at least 1; never more than `most`, whatever the file says."""
    value = attribute(element, name)
    if not value.isdecimal():
        return 1
    return most if len(value) > len(str(most)) else min(max(int(value), 1), most)

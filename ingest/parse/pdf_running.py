"""Finds what is printed on every page: headers, footers and page numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ingest.parse.pdf_lines import Line, Page

_MARGIN = 0.15
"""Share of the page's height, at top and bottom, in which running lines are looked for."""
_MIN_PAGES = 3
_MIN_SHARE = 0.4
"""Of the pages with text; left and right pages often have different headers."""
_MAX_SHIFT = 4.0
"""Points by which the same running line may stand elsewhere on another page."""
_MIN_GAP = 1.6
"""Font sizes between a running line and the text; less means that it is text, such as a table's repeated head."""
_PAGE_NUMBER = re.compile(
    r"(?i)\W{0,3}(?:page|p\.|seite|página|pagina)?\s*(\d{1,4})(?:\s*(?:/|of|von|de|di|sur)\s*\d{1,4})?\W{0,3}"
)


@dataclass(frozen=True, slots=True)
class _Place:
    page: int
    index: int
    y: float


def without_running_lines(pages: Sequence[Page]) -> list[Page]:
    """The pages less the lines that stand at the same place on many of them, and less their page numbers.

    A document of nothing but such lines, a pad of forms, keeps them.
    """
    repeated = _repeated(pages)
    result = []
    for page in pages:
        dropped = {index for edge in _edges(page) for index in _running(page, edge, repeated)}
        kept = tuple(line for index, line in enumerate(page.lines) if index not in dropped)
        result.append(replace(page, lines=kept))
    return result if any(page.lines for page in result) else list(pages)


def _edges(page: Page) -> tuple[list[int], list[int]]:
    """Indexes of the lines in the top margin, outermost first, and of those in the bottom margin."""
    order = sorted(range(len(page.lines)), key=lambda index: -page.lines[index].y)
    top = [index for index in order if page.lines[index].y > (1 - _MARGIN) * page.height]
    bottom = [index for index in reversed(order) if page.lines[index].y < _MARGIN * page.height]
    return top, bottom


def _running(page: Page, edge: Sequence[int], repeated: Mapping[str, float]) -> Iterator[int]:
    """The running lines of one margin, from the outside inwards until the first line that is none."""
    found = []
    for index in edge:
        line = page.lines[index]
        if not (_is_page_number(line, page.number) or _is_repeated(line, page.number, repeated)):
            break
        found.append(index)
    if found and _stands_apart(page, found):
        yield from found


def _is_repeated(line: Line, page: int, repeated: Mapping[str, float]) -> bool:
    return any(key in repeated and abs(repeated[key] - line.y) <= _MAX_SHIFT for key in _keys(line, page))


def _is_page_number(line: Line, page: int) -> bool:
    match = _PAGE_NUMBER.fullmatch(line.text)
    return match is not None and int(match[1]) == page


def _stands_apart(page: Page, found: Sequence[int]) -> bool:
    inner = page.lines[found[-1]]
    others = [line for index, line in enumerate(page.lines) if index not in found]
    distances = (min(abs(line.y - inner.y), abs(line.top - inner.y)) for line in others)
    nearest = min(distances, default=page.height)
    return nearest >= _MIN_GAP * inner.size


def _repeated(pages: Sequence[Page]) -> dict[str, float]:
    """Texts that recur at one height of the page, with that height."""
    places: defaultdict[str, list[_Place]] = defaultdict(list)
    for page in pages:
        for edge in _edges(page):
            for index in edge:
                line = page.lines[index]
                for key in set(_keys(line, page.number)):
                    places[key].append(_Place(page.number, index, line.y))
    needed = max(_MIN_PAGES, _MIN_SHARE * sum(1 for page in pages if page.lines))
    heights = {key: median(place.y for place in found) for key, found in places.items() if len(found) >= needed}
    return {
        key: height
        for key, height in heights.items()
        if len({place.page for place in places[key] if abs(place.y - height) <= _MAX_SHIFT}) >= needed
    }


def _keys(line: Line, page: int) -> list[str]:
    """The text, and the text with its first or its last number written relative to the page: `Page <0> of 30`."""
    numbers = list(re.finditer(r"\d{1,6}", line.text))
    relative = (
        [
            f"{line.text[: number.start()]}<{int(number[0]) - page}>{line.text[number.end() :]}"
            for number in {numbers[0], numbers[-1]}
        ]
        if numbers
        else []
    )
    return [line.text, *relative]

"""Pages of a PDF without text, or with a stamp over a scan for all of it: rendered, and read by text recognition."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.parse import ocr
from ingest.parse.pdf_lines import Line, Page
from ingest.parse.pdf_pictures import is_stamped_scan

if TYPE_CHECKING:
    import pypdfium2

_DPI, _LOWEST_DPI = 250, 72
_MAX_PIXELS = 20_000_000
"""Of a rendered page; A4 at 250 dpi has 6 million."""
_MAX_RUNS = 10
_SAME = 0.5
"""Of a recognised line, within a line of the file: then both are the same."""


@dataclass(frozen=True, slots=True)
class Scans:
    """The pages in which text recognition found text, by number, and the numbers of those for which no time was left."""

    pages: Mapping[int, Page] = field(default_factory=dict)
    missed: Sequence[int] = ()

    def losses(self) -> Iterator[str]:
        if self.pages:
            yield f"The text of {listed(sorted(self.pages))} was read from pictures (OCR), so single words may be wrong."
        if self.missed:
            yield f"The time for text recognition (OCR) was over before {listed(self.missed)}. Split the PDF and add the parts."


def read_scans(document: pypdfium2.PdfDocument, pages: Sequence[Page], languages: str, end: float) -> Scans:
    scans = [page for page in pages if not page.lines and (page.has_pictures or page.is_garbled)]
    # Last, because some are slides over a photo, which must not take the time from pages without any text.
    wanted = [*scans, *(page for page in pages if is_stamped_scan(page))]
    if not wanted or not ocr.is_available():
        return Scans()
    try:
        read = ocr.read_pictures(((page.number, _rendered(document, page)) for page in wanted), languages, end)
    except ocr.OcrFailed:
        logging.getLogger(__name__).warning("text recognition failed", exc_info=True)
        return Scans()
    done = [with_lines(page, read.get(page.number, ())) for page in wanted]
    found = {page.number: page for page, before in zip(done, wanted, strict=True) if page is not before}
    is_late = time.monotonic() >= end - 1
    return Scans(found, sorted(page.number for page in wanted if page.number not in read) if is_late else ())


def with_lines(page: Page, lines: Sequence[ocr.ReadLine]) -> Page:
    """The page with its recognised lines; where the file has text as well, that is exact and comes first."""
    found = [Line(line.text, line.x0, line.x1, line.y, line.size) for line in lines if line.text]
    found = [line for line in found if not any(_is_same(line, own) for own in page.lines)]
    if not found:
        return page
    # What its pictures show has been read with it.
    return replace(page, lines=tuple(_merged(page.lines, found)), is_garbled=False, pictures=())


def _is_same(line: Line, own: Line) -> bool:
    """Whether a recognised line is what the file says at this place."""
    middle = line.y + line.size / 2
    low, high = (own.table.bottom, own.table.top) if own.table else (own.y - own.size / 2, own.y + 1.5 * own.size)
    across = min(line.x1, own.x1) - max(line.x0, own.x0)
    return low <= middle <= high and across >= _SAME * (line.x1 - line.x0)


def _merged(own: Sequence[Line], read: Sequence[Line]) -> list[Line]:
    """Each of the file's own lines stands before the first recognised one that is lower."""
    merged = list(read)
    for line in own:
        place = next((place for place, other in enumerate(merged) if other.y < line.y), len(merged))
        merged.insert(place, line)
    return merged


def _rendered(document: pypdfium2.PdfDocument, page: Page) -> ocr.Picture:
    inches = max(page.width * page.height, 1.0) / 72**2
    dpi = int(max(min(_DPI, (_MAX_PIXELS / inches) ** 0.5), 1))
    shown = document[page.number - 1]
    try:
        bitmap = shown.render(scale=dpi / 72, grayscale=True)
        try:
            width, height, stride = bitmap.width, bitmap.height, bitmap.stride
            raw = bytes(bitmap.buffer)
        finally:
            bitmap.close()
    finally:
        shown.close()
    rows = (raw[start : start + width] for start in range(0, stride * height, stride))
    return ocr.Picture(raw if stride == width else b"".join(rows), width, height, max(dpi, _LOWEST_DPI))


def listed(numbers: Sequence[int]) -> str:
    """`page 3`, `pages 3 to 7, 9 and 12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    if len(words) > _MAX_RUNS:
        rest = sum(map(len, runs[_MAX_RUNS:]))
        words = [*words[:_MAX_RUNS], f"{rest} more"]
    text = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
    return f"{'pages' if len(numbers) > 1 else 'page'} {text}"

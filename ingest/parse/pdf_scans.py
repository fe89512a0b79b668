"""Pages of a PDF without text: rendered, and read by text recognition."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingest.parse import ocr
from ingest.parse.pdf_lines import Line, Page

if TYPE_CHECKING:
    import pypdfium2

_DPI, _LOWEST_DPI = 250, 72
_MAX_PIXELS = 20_000_000
"""Of a rendered page; A4 at 250 dpi has 6 million."""
_MAX_RUNS = 10


@dataclass(frozen=True, slots=True)
class Scans:
    """The pages that text recognition read, by number, and the numbers of those for which no time was left."""

    pages: Mapping[int, Page] = field(default_factory=dict)
    missed: Sequence[int] = ()
    unread: Sequence[int] = ()

    def losses(self) -> Iterator[str]:
        if found := [number for number, page in self.pages.items() if page.lines]:
            yield f"The text of {listed(found)} was read from pictures (OCR), so single words may be wrong."
        if self.missed:
            yield f"The time for text recognition (OCR) was over before {listed(self.missed)}. Split the PDF and add the parts."


def read_scans(document: pypdfium2.PdfDocument, pages: Sequence[Page], languages: str, end: float) -> Scans:
    wanted = [page for page in pages if not page.lines and (page.has_pictures or page.is_garbled)]
    if not wanted or not ocr.is_available():
        return Scans()
    try:
        read = ocr.read_pictures(((page.number, _rendered(document, page)) for page in wanted), languages, end)
    except ocr.OcrFailed:
        logging.getLogger(__name__).warning("text recognition failed", exc_info=True)
        return Scans()
    found = {page.number: with_lines(page, read[page.number]) for page in wanted if page.number in read}
    is_late = time.monotonic() >= end - 1
    return Scans(found, [page.number for page in wanted if page.number not in read] if is_late else ())


def with_lines(page: Page, lines: Sequence[ocr.ReadLine]) -> Page:
    found = tuple(Line(line.text, line.x0, line.x1, line.y, line.size) for line in lines if line.text)
    return replace(page, lines=found, is_garbled=page.is_garbled and not found)


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

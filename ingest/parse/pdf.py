"""PDF through pdfium: text by page, in the order the file draws it, with page numbers that count from 1."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse import ocr
from ingest.parse.errors import protected
from ingest.parse.pdf_attachments import read_attachments
from ingest.parse.pdf_lines import Page, read_page
from ingest.parse.pdf_outline import read_outline
from ingest.parse.pdf_pictures import count_pictures, is_stamped_scan
from ingest.parse.pdf_scans import listed, read_scans
from ingest.parse.pdf_text import arrange
from ingest.parse.text import readable_name
from ingest.parse.titles import believed_title

if TYPE_CHECKING:
    import pypdfium2

MAX_PAGES = 5000
MAX_CHARACTERS = 50_000_000
_ADVICE = "Run text recognition (OCR) on it first and add the result."
_TITLE_PAGES = 3
"""At the beginning, which a stated title is compared with."""
_PASSWORD_ERROR = 4
"""FPDF_ERR_PASSWORD in pdfium's fpdfview.h."""

# pdfium keeps global state and is not safe to call from two threads (pypdfium2's README, "Thread incompatibility").
_pdfium = threading.Lock()


class PdfParser:
    """Paragraphs, lists, tables and headings by page, without running headers and footers; scans by text recognition."""

    media_types: Iterable[str] = ("application/pdf",)

    def __init__(
        self, languages: str = ocr.LANGUAGES, seconds: float = ocr.SECONDS, passwords: Sequence[str] = ()
    ) -> None:
        """`languages` and `seconds` are for text recognition; `passwords` are tried on a protected file."""
        self._languages = languages
        self._seconds = seconds
        self._passwords = passwords

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `Protected`, `UnreadableDocument` for damaged files and unread scans, and `TooLarge` over the limits."""
        end = time.monotonic() + self._seconds
        with _pdfium, closing(_opened(data, self._passwords)) as document:
            pages, losses = _read_pages(document)
            recognised = read_scans(document, pages, self._languages, end)
            marks = tuple(read_outline(document))
            stated = document.get_metadata_value("Title") or ""
            carried = read_attachments(document)
        pages = [recognised.pages.get(page.number, page) for page in pages]
        if not any(page.lines for page in pages) and not carried.files:
            raise UnreadableDocument(_no_text(pages))
        blocks = arrange(pages, marks)
        losses += [*_gaps(pages), *recognised.losses(), *carried.losses]
        return ParsedDocument(_title(stated, pages, name), blocks, len(pages), tuple(losses), attachments=carried.files)


def _opened(data: bytes, passwords: Sequence[str]) -> pypdfium2.PdfDocument:
    import pypdfium2

    for password in (None, *passwords):
        try:
            document = pypdfium2.PdfDocument(data, password=password)
            break
        except pypdfium2.PdfiumError as error:
            if error.err_code != _PASSWORD_ERROR:
                raise UnreadableDocument("The file is damaged or not a valid PDF.") from error
    else:
        raise protected("The PDF", passwords)
    if len(document) > MAX_PAGES:
        count = len(document)
        document.close()
        raise TooLarge(f"The PDF has {count:,} pages; the limit is {MAX_PAGES:,}. Split it and add the parts.")
    return document


def _read_pages(document: pypdfium2.PdfDocument) -> tuple[list[Page], list[str]]:
    from pypdfium2 import PdfiumError

    pages: list[Page] = []
    broken: list[int] = []
    characters = 0
    for number in range(1, len(document) + 1):
        try:
            page = read_page(document, number)
        except (PdfiumError, ValueError, OSError):
            page = Page(number)
            broken.append(number)
        characters += sum(len(line.text) for line in page.lines)
        if characters > MAX_CHARACTERS:
            raise TooLarge(f"The PDF holds more than {MAX_CHARACTERS:,} characters. Split it and add the parts.")
        pages.append(page)
    if len(broken) == len(pages):
        raise UnreadableDocument("The file is damaged: none of its pages can be read.")
    return pages, [f"Damaged, so nothing there can be found: {listed(broken)}."] if broken else []


def _title(stated: str, pages: Sequence[Page], name: str) -> str:
    """The title the file states if it is about this text, else its name."""
    lines = (line.text for page in pages[:_TITLE_PAGES] for line in page.lines)
    return believed_title(stated, lines, name) or readable_name(name)


def _gaps(pages: Sequence[Page]) -> Iterator[str]:
    """What a reader sees on pages without text cannot be found; truly empty pages are no loss."""
    pictures = [page.number for page in pages if not page.lines and page.has_pictures]
    if pictures:
        hint = "" if ocr.is_available() else f" {ocr.HINT}"
        yield f"There is no text on {listed(pictures)} (perhaps scanned), so nothing there can be found.{hint}"
    if stamped := [page.number for page in pages if is_stamped_scan(page)]:
        yield f"There is hardly any text beside the picture on {listed(stamped)} (perhaps scanned); what it shows cannot be found."
    garbled = [page.number for page in pages if page.is_garbled]
    if garbled:
        yield f"The fonts on {listed(garbled)} do not say which letters they show, so nothing there can be found."
    if count := count_pictures(pages):
        yield f"{'One picture has' if count == 1 else f'{count} pictures have'} no text that could be read."


def _no_text(pages: Sequence[Page]) -> str:
    advice = "The text recognition (OCR) found none in them." if ocr.is_available() else f"{_ADVICE} {ocr.HINT}"
    if any(page.is_garbled for page in pages):
        return f"The PDF's fonts do not say which letters they show. {advice}"
    if any(page.has_pictures for page in pages):
        return f"The PDF holds only pictures, perhaps scans, and has no text layer. {advice}"
    return f"The PDF has no text layer. If its pages show text: {_ADVICE[0].lower()}{_ADVICE[1:]}"

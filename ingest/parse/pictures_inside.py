"""Text in the pictures of an Office document that stand there instead of text, such as scans, by text recognition."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from ingest.parse import ocr
from ingest.parse.pdf_lines import Page
from ingest.parse.pdf_scans import with_lines
from ingest.parse.pdf_text import arrange
from ingest.parse.text import counted

MAX_PICTURES, MAX_BYTES = 200, 50_000_000
"""How many of a document, and bytes of each."""
FEW_CHARACTERS = 100
"""On a slide with fewer, a picture stands for its text."""

_log = logging.getLogger(__name__)


class Pictures:
    """Reads each picture once, in order, until the time for the document is over."""

    def __init__(self, load: Callable[[str, int], bytes], languages: str, seconds: float) -> None:
        """`load` gives the bytes of a picture by its name, and takes a limit for them."""
        self._load = load
        self._languages = languages
        self._end = time.monotonic() + seconds
        self._known: dict[str, Sequence[str]] = {}
        self._is_over = False

    def paragraphs(self, name: str) -> Sequence[str]:
        """What a picture says; nothing for one without text, or where no text recognition is installed."""
        if not name or not ocr.reads_pictures():
            return ()
        if name not in self._known:
            left = self._end - time.monotonic()
            if left <= 1 or len(self._known) >= MAX_PICTURES:
                self._is_over = True
                return ()
            self._known[name] = self._recognised(name, min(left, ocr.SECONDS_A_PAGE))
        return self._known[name]

    def losses(self) -> Iterator[str]:
        read = sum(bool(texts) for texts in self._known.values())
        yield from counted(read, "picture", "was read by text recognition (OCR), so single words may be wrong")
        if self._is_over:
            yield (
                "Not all pictures were read: text recognition (OCR) ends when its time for a file is over, "
                f"or after {MAX_PICTURES:,} pictures. Split the file and add the parts."
            )

    def _recognised(self, name: str, seconds: float) -> Sequence[str]:
        from ingest.parse.image import picture_of

        try:
            picture = picture_of(self._load(name, MAX_BYTES))
            lines = ocr.read_picture(picture, self._languages, seconds) if picture else ()
        except ocr.OcrFailed:
            _log.warning("text recognition failed", exc_info=True)
            return ()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a damaged picture costs only itself
            return ()
        return [block.text for block in arrange([with_lines(Page(1), lines)])]

"""Pictures of text (scans, photographs, screenshots) through Pillow and the tesseract program."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

from core.errors import TooLarge, UnreadableDocument, UnsupportedFormat
from core.types import ParsedDocument
from ingest.parse import ocr
from ingest.parse.errors import NoText
from ingest.parse.pdf_lines import Page
from ingest.parse.pdf_scans import with_lines
from ingest.parse.pdf_text import arrange
from ingest.parse.text import readable_name

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 150_000_000
"""Of a picture as it is stored."""
MAX_FRAMES = 500
_READ_PIXELS = 20_000_000
"""Larger ones are made smaller before they are read."""
_DPI = range(72, 601)
_USUAL_DPI = 200
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_MISSING = (
    "This is a picture; text in pictures can be read only where text recognition (OCR) is installed. "
    "For an administrator: pip install --constraint constraints.txt --editable '.[ocr]', and install the tesseract program."
)


class ImageParser:
    """The text that a picture shows; each frame of a TIFF file is a page."""

    media_types: Iterable[str] = ("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp")

    def __init__(self, languages: str = ocr.LANGUAGES, seconds: float = ocr.SECONDS) -> None:
        self._languages = languages
        self._seconds = seconds

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnsupportedFormat` where no text recognition is installed, `UnreadableDocument` and `TooLarge`."""
        _check_installed()
        with _opened(data) as image:
            count = int(getattr(image, "n_frames", 1))
            try:
                pictures = _pictures(image, min(count, MAX_FRAMES))
                read = ocr.read_pictures(pictures, self._languages, time.monotonic() + self._seconds)
            except ocr.OcrFailed as error:
                raise UnreadableDocument("The text recognition (OCR) failed on this picture.") from error
        return _document(read, count, name)


def _document(read: Mapping[int, Sequence[ocr.ReadLine]], count: int, name: str) -> ParsedDocument:
    pages = [with_lines(Page(number), lines) for number, lines in read.items()]
    if not any(page.lines for page in pages):
        raise NoText("No text was found in this picture.")
    blocks = arrange(pages)
    losses = ["The text was read from a picture (OCR), so single words may be wrong."]
    if missing := count - len(read):
        losses.append(f"{missing} of {count} pages were not read: the time for one file was over.")
    if count == 1:
        return ParsedDocument(
            readable_name(name), tuple(replace(block, page=None) for block in blocks), None, tuple(losses)
        )
    return ParsedDocument(readable_name(name), blocks, count, tuple(losses))


def _check_installed() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise UnsupportedFormat(_MISSING) from error
    if not ocr.is_available():
        raise UnsupportedFormat(_MISSING)


def _opened(data: bytes) -> Image.Image:
    """Nothing is decoded yet; the size is what the file says."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    _check_size(image)
    return image


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()


def _too_large() -> TooLarge:
    return TooLarge(
        f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels. Make it smaller and add that."
    )


def _pictures(image: Image.Image, frames: int) -> Iterator[tuple[int, ocr.Picture]]:
    for number in range(1, frames + 1):
        if frames > 1:
            image.seek(number - 1)
            _check_size(image)
        yield number, _picture(image)


def _picture(image: Image.Image) -> ocr.Picture:
    from PIL import ImageOps

    dpi = _dpi(image)
    flat = _flat(ImageOps.exif_transpose(image))
    if (pixels := flat.width * flat.height) > _READ_PIXELS:
        factor = (_READ_PIXELS / pixels) ** 0.5
        flat = flat.resize((max(1, int(flat.width * factor)), max(1, int(flat.height * factor))))
        dpi = max(_DPI[0], int(dpi * factor))
    return ocr.Picture(flat.tobytes(), flat.width, flat.height, dpi)


def _flat(image: Image.Image) -> Image.Image:
    """In grey, on white where it is transparent."""
    from PIL import Image

    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        return Image.alpha_composite(white, shown).convert("L")
    return image.convert("L")


def _dpi(image: Image.Image) -> int:
    stated = image.info.get("dpi")
    try:
        dpi = round(float(stated[0])) if stated else 0
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        dpi = 0
    return dpi if dpi in _DPI else _USUAL_DPI

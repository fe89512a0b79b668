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

MAX_PIXELS = 100_000_000
"""Of a picture that is decoded whole, which takes up to eight bytes for each: as much as the process may have."""
MAX_JPEG_PIXELS = 150_000_000
"""Of one that is decoded in a smaller size."""
MAX_WEBP_PIXELS = 40_000_000
"""Of one whose decoder keeps several copies."""
MAX_FRAMES = 500
_READ_PIXELS = 20_000_000
"""Larger ones are made smaller before they are read."""
_SMALLEST = 100
"""Width and height of a picture inside a document; smaller ones are signs and ornaments."""
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


def picture_of(data: bytes) -> ocr.Picture | None:
    """A picture inside a document, or its first frame; None for one too small for text. Raises as Pillow does, and `TooLarge`."""
    with _opened(data) as image:
        return _picture(image) if min(image.size) >= _SMALLEST else None


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
        raise _too_large(MAX_PIXELS) from error
    _check_size(image)
    return image


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > (limit := _most_pixels(image)):
        raise _too_large(limit)


def _most_pixels(image: Image.Image) -> int:
    if image.format == "WEBP":
        return MAX_WEBP_PIXELS
    # The coefficients of a progressive JPEG are kept for all of it, whatever its size in the end.
    is_reduced = image.format in {"JPEG", "MPO"} and not image.info.get("progressive")
    return MAX_JPEG_PIXELS if is_reduced else MAX_PIXELS


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The picture has more than {limit // 1_000_000} million pixels. Make it smaller and add that.")


def _pictures(image: Image.Image, frames: int) -> Iterator[tuple[int, ocr.Picture]]:
    for number in range(1, frames + 1):
        if frames > 1:
            image.seek(number - 1)
            _check_size(image)
        yield number, _picture(image)


def _picture(image: Image.Image) -> ocr.Picture:
    """Made grey before anything else is done with it, because that takes the least memory."""
    from PIL import ImageOps

    dpi = _dpi(image)
    factor = min(1.0, (_READ_PIXELS / (image.width * image.height)) ** 0.5)
    size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
    if factor < 1:
        image.draft("L", size)  # JPEG only: to be decoded in about this size
    flat = _flat(image)
    if factor < 1:
        flat, dpi = flat.resize(size), max(_DPI[0], int(dpi * factor))
    turned = ImageOps.exif_transpose(flat)
    return ocr.Picture(turned.tobytes(), turned.width, turned.height, dpi)


def _flat(image: Image.Image) -> Image.Image:
    """In grey, on white where it is transparent."""
    from PIL import Image

    if image.mode not in {"RGBA", "LA", "PA"} and "transparency" not in image.info:
        return image.convert("L")
    shown = image if image.mode in {"RGBA", "LA"} else image.convert("RGBA")
    flat = Image.new("L", shown.size, 255)
    flat.paste(shown.convert("L"), mask=shown.getchannel("A"))
    flat.info = {name: value for name, value in shown.info.items() if name != "transparency"}  # how it is turned
    return flat


def _dpi(image: Image.Image) -> int:
    stated = image.info.get("dpi")
    try:
        dpi = round(float(stated[0])) if stated else 0
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        dpi = 0
    return dpi if dpi in _DPI else _USUAL_DPI

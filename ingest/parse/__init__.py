"""Bytes to `ParsedDocument`. One file per format, found by media type in `PARSERS` and imported when first needed.

`parse` takes and returns plain values, because it runs in another process (`ingest.parse.process`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import LorekeeperError, TooLarge, UnreadableDocument, UnsupportedFormat
from core.types import Attachment, ParsedDocument
from ingest.parse.detect import detect
from ingest.parse.detect_text import extension_of
from ingest.parse.errors import NoText, Protected, ReadElsewhere
from ingest.parse.formats import (
    DOCX,
    ENCRYPTED,
    FORMATS,
    ODP,
    ODS,
    ODT,
    OLD_OFFICE,
    PDF,
    PICTURES,
    PPTX,
    TEXTS,
    ZIP,
    unsupported,
)
from ingest.parse.options import DEFAULT, ParseOptions
from ingest.parse.titles import LONGEST_TITLE

if TYPE_CHECKING:
    from core.ports import Parser

PARSERS: dict[str, str] = {
    "application/pdf": "ingest.parse.pdf:PdfParser",
    "text/html": "ingest.parse.html:HtmlParser",
    "text/markdown": "ingest.parse.markdown:MarkdownParser",
    "text/plain": "ingest.parse.plain:PlainParser",
    "text/x-rst": "ingest.parse.rst:RstParser",
    "text/asciidoc": "ingest.parse.asciidoc:AsciidocParser",
    "text/x-source": "ingest.parse.source_code:SourceCodeParser",
    "image/png": "ingest.parse.image:ImageParser",
    "image/jpeg": "ingest.parse.image:ImageParser",
    "image/tiff": "ingest.parse.image:ImageParser",
    "image/webp": "ingest.parse.image:ImageParser",
    "image/bmp": "ingest.parse.image:ImageParser",
    "text/csv": "ingest.parse.delimited:DelimitedParser",
    "text/tab-separated-values": "ingest.parse.delimited:DelimitedParser",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "ingest.parse.docx:DocxParser",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "ingest.parse.xlsx:XlsxParser",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "ingest.parse.pptx:PptxParser",
    "message/rfc822": "ingest.parse.mail:MailParser",
    "application/vnd.ms-outlook": "ingest.parse.msg:MsgParser",
    "application/rtf": "ingest.parse.rtf:RtfParser",
    "application/json": "ingest.parse.json_text:JsonParser",
    "application/epub+zip": "ingest.parse.epub:EpubParser",
    "application/zip": "ingest.parse.archive_zip:ZipParser",
    "application/vnd.oasis.opendocument.text": "ingest.parse.odf:OdfParser",
    "application/vnd.oasis.opendocument.presentation": "ingest.parse.odf:OdfParser",
    "application/vnd.oasis.opendocument.spreadsheet": "ingest.parse.odf:OdfParser",
    "application/xml": "ingest.parse.xml_text:XmlParser",
}

MAX_CHARACTERS = 64_000_000
"""Of a document's whole text; ten bibles have 40."""
_SHOWN = 3
_WITH_PICTURES = frozenset({DOCX, PPTX, ODT, ODP, ODS})
"""Kinds in which text recognition reads what is a picture."""
_BINARY_WORKBOOK = ".xlsb"
_LOCKED_WORKBOOK = (
    "This is a binary Excel workbook (.xlsb) that is protected by a password. "
    "Save it as an Excel workbook (.xlsx) without a password and add that."
)

__all__ = ["PARSERS", "detect", "no_text", "parse", "parser_for", "readable_extensions"]


def parse(data: bytes, name: str, options: ParseOptions = DEFAULT) -> ParsedDocument:
    """Read a document of any known format; `name` (a file name or relative path) gives the title if nothing else does.

    Raises `UnsupportedFormat` where there is no parser for it (`ReadElsewhere` where the options name another program),
    `UnreadableDocument` where it is damaged, protected (`Protected`) or without text (`NoText` where that is a text
    file), and `TooLarge` over a limit, all with a sentence for the person who uploaded it.
    """
    data, media_type = _unlocked(data, detect(data, name), name, options)
    _check_old(data, media_type)
    parser = parser_for(media_type, options)
    with _told(media_type):
        document = parser.parse(data, name)
    _check_size(document)
    document = _with_readable_files(document, options)
    if not document.attachments and not any(block.text.strip() for block in document.blocks):
        raise no_text(media_type, document.losses)
    return replace(document, media_type=media_type, title=document.title[:LONGEST_TITLE])


def no_text(media_type: str, losses: Iterable[str] = ()) -> UnreadableDocument:
    """The error for a file of this kind that was read and holds nothing but what was lost."""
    kind = NoText if media_type in TEXTS else UnreadableDocument
    return kind(" ".join(["There is no text in this file.", *losses]))


def parser_for(media_type: str, options: ParseOptions = DEFAULT) -> Parser:
    """The parser for a media type. Raises `UnsupportedFormat`."""
    if media_type in options.elsewhere and not _is_read_here(media_type):
        raise ReadElsewhere(unsupported(media_type).message, media_type)
    if media_type not in PARSERS:
        raise unsupported(media_type)
    module, _, attribute = PARSERS[media_type].partition(":")
    parser: Parser = getattr(import_module(module), attribute)(**_told_to(media_type, options))
    return parser


def readable_extensions(options: ParseOptions = DEFAULT) -> frozenset[str]:
    """Lower-case file name endings, with the dot, of the formats that can be read."""
    kinds = [kind for kind in PARSERS if _is_read_here(kind)] + list(options.elsewhere)
    return frozenset(extension for kind in kinds for extension in FORMATS[kind].extensions)


def _told_to(media_type: str, options: ParseOptions) -> dict[str, Any]:
    """What the parser of a format takes of the options."""
    recognition = {"languages": options.ocr_languages, "seconds": options.ocr_seconds}
    if media_type == PDF:
        return {**recognition, "passwords": options.passwords}
    if media_type in PICTURES | _WITH_PICTURES:
        return recognition
    return {"passwords": options.passwords} if media_type == ZIP else {}


def _unlocked(data: bytes, media_type: str, name: str, options: ParseOptions) -> tuple[bytes, str]:
    """What is in the wrapping that protects Office files, and its type; other files as they are."""
    if media_type != ENCRYPTED:
        return data, media_type
    from ingest.parse.protected import opened

    with _told(media_type):
        try:
            data = opened(data, options.passwords)
        except Protected:
            if extension_of(name) == _BINARY_WORKBOOK:  # which a password would not make readable
                raise Protected(_LOCKED_WORKBOOK) from None
            raise
    if (inner := detect(data, name)) == ENCRYPTED:
        raise UnreadableDocument("The file is protected several times over, so it is not read.")
    return data, inner


def _check_old(data: bytes, media_type: str) -> None:
    """Old Office files that a password protects are told from the others: to save them anew takes the password."""
    if media_type not in OLD_OFFICE:
        return
    from ingest.parse.protected import is_locked

    if is_locked(data):
        known = FORMATS[media_type]
        advice = known.advice.replace(" and add", " without a password and add")
        raise Protected(f"This is {known.phrase} that is protected by a password. {advice}")


@contextmanager
def _told(media_type: str) -> Iterator[None]:
    """What breaks a parser is told in a sentence; the cause is for the log."""
    try:
        yield
    except (LorekeeperError, MemoryError):
        raise
    except Exception as error:
        raise UnreadableDocument(f"The file is damaged or not {FORMATS[media_type].phrase}.") from error


def _check_size(document: ParsedDocument) -> None:
    if sum(len(block.text) for block in document.blocks) > MAX_CHARACTERS:
        million = MAX_CHARACTERS // 1_000_000
        raise TooLarge(f"The file holds more than {million} million characters of text. Split it and add the parts.")


def _with_readable_files(document: ParsedDocument, options: ParseOptions) -> ParsedDocument:
    """Without the files inside that nobody reads, which are told instead."""
    if not document.attachments:
        return document
    kept: list[Attachment] = []
    left: list[Attachment] = []
    for each in document.attachments:
        (kept if _is_readable(each, options) else left).append(each)
    if not left:
        return document
    told = _unreadable_files([each.name for each in left])
    if not kept and not any(block.text.strip() for block in document.blocks):
        raise UnreadableDocument(told)
    return replace(document, attachments=tuple(kept), losses=(*document.losses, told))


def _is_readable(attachment: Attachment, options: ParseOptions) -> bool:
    try:
        media_type = detect(attachment.data, attachment.name)
    except UnsupportedFormat:
        return False
    except UnreadableDocument:  # an empty one, of which its own reading tells
        return True
    return media_type == ENCRYPTED or _is_read_here(media_type) or media_type in options.elsewhere


def _is_read_here(media_type: str) -> bool:
    if media_type in PICTURES:
        from ingest.parse.ocr import reads_pictures

        return reads_pictures()
    return media_type in PARSERS


def _unreadable_files(names: Sequence[str]) -> str:
    """`2 files inside cannot be read: photo.heic, x.exe.`"""
    files = "One file" if len(names) == 1 else f"{len(names):,} files"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{files} inside cannot be read: {', '.join(names[:_SHOWN])}{more}."

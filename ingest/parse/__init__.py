"""Bytes to `ParsedDocument`. One file per format, found by media type in `PARSERS` and imported when first needed.

`parse` takes and returns plain values, because it runs in another process (`ingest.parse.process`).
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from core.errors import LorekeeperError, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.detect import detect
from ingest.parse.errors import NoText
from ingest.parse.formats import FORMATS, TEXTS, unsupported

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

__all__ = ["PARSERS", "detect", "no_text", "parse", "parser_for", "readable_extensions"]


def parse(data: bytes, name: str) -> ParsedDocument:
    """Read a document of any known format; `name` (a file name or relative path) gives the title if nothing else does.

    Raises `UnsupportedFormat` where there is no parser for it, `UnreadableDocument` where it is damaged, protected or
    without text (`NoText` where that is a text file), and `TooLarge` over a parser's limit, all with a sentence for the person who uploaded it.
    """
    media_type = detect(data, name)
    parser = parser_for(media_type)
    try:
        document = parser.parse(data, name)
    except (LorekeeperError, MemoryError):
        raise
    except Exception as error:
        raise UnreadableDocument(f"The file is damaged or not {FORMATS[media_type].phrase}.") from error
    if not document.attachments and not any(block.text.strip() for block in document.blocks):
        raise no_text(media_type)
    return replace(document, media_type=media_type)


def no_text(media_type: str) -> UnreadableDocument:
    """The error for a file of this kind that was read and holds nothing."""
    kind = NoText if media_type in TEXTS else UnreadableDocument
    return kind("There is no text in this file.")


def parser_for(media_type: str) -> Parser:
    """The parser for a media type. Raises `UnsupportedFormat`."""
    if media_type not in PARSERS:
        raise unsupported(media_type, PARSERS)
    module, _, attribute = PARSERS[media_type].partition(":")
    parser: Parser = getattr(import_module(module), attribute)()
    return parser


def readable_extensions() -> frozenset[str]:
    """Lower-case file name endings, with the dot, of the formats that have a parser."""
    return frozenset(extension for media_type in PARSERS for extension in FORMATS[media_type].extensions)

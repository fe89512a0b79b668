"""The kinds of files that are known by name, with or without a parser, in words for a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import UnsupportedFormat

PDF = "application/pdf"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
JSON = "application/json"
XML = "application/xml"
CSV = "text/csv"
TSV = "text/tab-separated-values"
RST = "text/x-rst"
ASCIIDOC = "text/asciidoc"
SOURCE = "text/x-source"
TEXTS = frozenset({HTML, MARKDOWN, PLAIN, CSV, TSV, RST, ASCIIDOC, SOURCE})
"""Those in which a person sees everything there is."""

SOURCE_EXTENSIONS = tuple(
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .go .rs .c .h .cc .cpp .cxx .hh .hpp .m .cs .vb .fs .rb .php .pl .pm "
    ".sh .bash .zsh .fish .ps1 .bat .cmd .sql .yaml .yml .toml .ini .cfg .conf .properties .kt .kts .swift .scala "
    ".lua .r .jl .dart .ex .exs .erl .hs .clj .groovy .gradle .tf .proto .graphql .vue .svelte "
    ".dockerfile .mk .cmake .zig .nim .sol".split()
)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: `label` in a list (PDF), `phrase` in a sentence (a PDF document), usual endings of names."""

    label: str
    phrase: str
    extensions: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    PDF: Format("PDF", "a PDF document", (".pdf",)),
    HTML: Format("HTML", "a web page", (".html", ".htm", ".xhtml")),
    MARKDOWN: Format("Markdown", "a Markdown document", (".md", ".markdown", ".mdown", ".mkd")),
    PLAIN: Format("text", "a text file", (".txt", ".text")),
    RST: Format("reStructuredText", "a reStructuredText document", (".rst", ".rest")),
    ASCIIDOC: Format("AsciiDoc", "an AsciiDoc document", (".adoc", ".asciidoc", ".asc")),
    SOURCE: Format("source code", "a file of source code", SOURCE_EXTENSIONS),
    CSV: Format("CSV", "a table in CSV form", (".csv",)),
    TSV: Format("TSV", "a table in TSV form", (".tsv", ".tab")),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Format(
        "Word", "a Word document", (".docx", ".docm", ".dotx", ".dotm")
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format(
        "Excel", "an Excel workbook", (".xlsx", ".xlsm", ".xltx", ".xltm")
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": Format(
        "PowerPoint", "a PowerPoint presentation", (".pptx", ".pptm", ".potx", ".ppsx", ".ppsm")
    ),
    "application/vnd.ms-visio.drawing": Format("Visio", "a Visio drawing", (".vsdx",)),
    "application/msword": Format("old Word", "an old Word document", (".doc",)),
    "application/vnd.ms-excel": Format("old Excel", "an old Excel workbook", (".xls",)),
    "application/vnd.ms-powerpoint": Format("old PowerPoint", "an old PowerPoint presentation", (".ppt",)),
    "application/vnd.ms-outlook": Format("Outlook", "an Outlook message", (".msg",)),
    "application/x-ole-storage": Format("old Office", "a file of an old Office version"),
    "application/vnd.ms-office.encrypted": Format("protected Office", "an Office document protected by a password"),
    "application/vnd.oasis.opendocument.text": Format("OpenDocument", "an OpenDocument text", (".odt",)),
    "application/vnd.oasis.opendocument.spreadsheet": Format("OpenDocument", "an OpenDocument spreadsheet", (".ods",)),
    "application/vnd.oasis.opendocument.presentation": Format(
        "OpenDocument", "an OpenDocument presentation", (".odp",)
    ),
    "application/epub+zip": Format("EPUB", "an EPUB book", (".epub",)),
    "application/rtf": Format("RTF", "an RTF document", (".rtf",)),
    JSON: Format("JSON", "a JSON file", (".json", ".jsonl", ".ndjson", ".geojson")),
    XML: Format("XML", "an XML file", (".xml", ".dita", ".docbook", ".dbk", ".rss", ".atom", ".opml")),
    "message/rfc822": Format("e-mail", "an e-mail message", (".eml",)),
    "application/zip": Format("ZIP", "a ZIP archive", (".zip",)),
    "application/x-7z-compressed": Format("7z", "a 7z archive", (".7z",)),
    "application/vnd.rar": Format("RAR", "a RAR archive", (".rar",)),
    "application/gzip": Format("gzip", "a gzip archive", (".gz",)),
    "application/x-bzip2": Format("bzip2", "a bzip2 archive", (".bz2",)),
    "application/x-xz": Format("xz", "an xz archive", (".xz",)),
    "application/zstd": Format("zstd", "a Zstandard archive", (".zst",)),
    "application/x-tar": Format("tar", "a tar archive", (".tar",)),
    "application/postscript": Format("PostScript", "a PostScript file", (".ps",)),
    "application/x-sqlite3": Format("SQLite", "a SQLite database"),
    "application/x-executable": Format("program", "a program"),
    "image/png": Format("PNG", "a PNG image", (".png",)),
    "image/jpeg": Format("JPEG", "a JPEG image", (".jpg", ".jpeg")),
    "image/gif": Format("GIF", "a GIF image", (".gif",)),
    "image/webp": Format("WebP", "a WebP image", (".webp",)),
    "image/tiff": Format("TIFF", "a TIFF image", (".tif", ".tiff")),
    "image/bmp": Format("BMP", "a BMP image", (".bmp",)),
    "image/heic": Format("HEIC", "a HEIC image", (".heic",)),
    "image/svg+xml": Format("SVG", "an SVG image", (".svg",)),
    "video/mp4": Format("video", "a video", (".mp4",)),
    "audio/mpeg": Format("audio", "an audio file", (".mp3",)),
    "audio/ogg": Format("audio", "an audio file", (".ogg",)),
    "audio/wav": Format("audio", "an audio file", (".wav",)),
}


def unsupported(media_type: str, readable: Iterable[str]) -> UnsupportedFormat:
    """The error for a format without a parser; `readable` are the media types that have one."""
    known = FORMATS.get(media_type)
    phrase = known.phrase if known else f"a file of the type {media_type}"
    ending = f" ({known.extensions[0]})" if known and known.extensions else ""
    return UnsupportedFormat(f"This is {phrase}{ending}, which cannot be read yet; {readable_list(readable)}")


def readable_list(readable: Iterable[str]) -> str:
    """`readable are PDF, HTML, Markdown and text.`"""
    labels = list(dict.fromkeys(FORMATS[media_type].label for media_type in readable))
    if len(labels) == 1:
        return f"readable is {labels[0]}."
    return f"readable are {', '.join(labels[:-1])} and {labels[-1]}."

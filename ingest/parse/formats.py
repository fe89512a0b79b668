"""The kinds of files that are known by name, with or without a parser, in words for a person."""

from __future__ import annotations

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
MAIL = "message/rfc822"
RTF = "application/rtf"
EPUB = "application/epub+zip"
ZIP = "application/zip"
SVG = "image/svg+xml"
HEIC = "image/heic"
VISIO = "application/vnd.ms-visio.drawing"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
MSG = "application/vnd.ms-outlook"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
PPT = "application/vnd.ms-powerpoint"
OLE = "application/x-ole-storage"
ENCRYPTED = "application/vnd.ms-office.encrypted"
"""A Word, Excel or PowerPoint file in the wrapping that a password gives it."""
TEXTS = frozenset({HTML, MARKDOWN, PLAIN, CSV, TSV, RST, ASCIIDOC, SOURCE})
"""Those in which a person sees everything there is."""
OLD_OFFICE = frozenset({DOC, XLS, PPT})
PICTURES = frozenset({"image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp"})
"""Those of which text recognition reads the text."""
READABLE = "Readable are PDF, Word, Excel, PowerPoint, OpenDocument, web pages, e-mail, text and more."

SOURCE_EXTENSIONS = tuple(
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .go .rs .c .h .cc .cpp .cxx .hh .hpp .m .cs .vb .fs .rb .php .pl .pm "
    ".sh .bash .zsh .fish .ps1 .bat .cmd .sql .yaml .yml .toml .ini .cfg .conf .properties .kt .kts .swift .scala "
    ".lua .r .jl .dart .ex .exs .erl .hs .clj .groovy .gradle .tf .proto .graphql .vue .svelte "
    ".dockerfile .mk .cmake .zig .nim .sol".split()
)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: `phrase` in a sentence (a PDF document), and the usual endings of names."""

    phrase: str
    extensions: tuple[str, ...] = ()
    advice: str = ""
    """What a person can do who has one that cannot be read."""


def _save_as(what: str) -> str:
    return f"Save it as {what} and add that."


def _to_unpack(phrase: str, extension: str) -> Format:
    return Format(phrase, (extension,), "Unpack it and add what is inside, or pack that as a ZIP archive.")


FORMATS: dict[str, Format] = {
    PDF: Format("a PDF document", (".pdf",)),
    HTML: Format("a web page", (".html", ".htm", ".xhtml")),
    MARKDOWN: Format("a Markdown document", (".md", ".markdown", ".mdown", ".mkd")),
    PLAIN: Format("a text file", (".txt", ".text")),
    RST: Format("a reStructuredText document", (".rst", ".rest")),
    ASCIIDOC: Format("an AsciiDoc document", (".adoc", ".asciidoc", ".asc")),
    SOURCE: Format("a file of source code", SOURCE_EXTENSIONS),
    CSV: Format("a table in CSV form", (".csv",)),
    TSV: Format("a table in TSV form", (".tsv", ".tab")),
    DOCX: Format("a Word document", (".docx", ".docm", ".dotx", ".dotm")),
    XLSX: Format("an Excel workbook", (".xlsx", ".xlsm", ".xltx", ".xltm")),
    PPTX: Format("a PowerPoint presentation", (".pptx", ".pptm", ".potx", ".ppsx", ".ppsm")),
    VISIO: Format("a Visio drawing", (".vsdx",), _save_as("a PDF document")),
    DOC: Format("an old Word document", (".doc",), _save_as("a Word document (.docx)")),
    XLS: Format("an old Excel workbook", (".xls",), _save_as("an Excel workbook (.xlsx)")),
    PPT: Format(
        "an old PowerPoint presentation",
        (".ppt",),
        _save_as("a PowerPoint presentation (.pptx)"),
    ),
    MSG: Format("an Outlook message", (".msg",)),
    OLE: Format("a file of an old Office version", advice=_save_as("one of the present version")),
    ENCRYPTED: Format("an Office document protected by a password"),
    ODT: Format("an OpenDocument text", (".odt",)),
    ODS: Format("an OpenDocument spreadsheet", (".ods",)),
    ODP: Format("an OpenDocument presentation", (".odp",)),
    EPUB: Format("an EPUB book", (".epub",)),
    RTF: Format("an RTF document", (".rtf",)),
    JSON: Format("a JSON file", (".json", ".jsonl", ".ndjson", ".geojson")),
    XML: Format("an XML file", (".xml", ".dita", ".docbook", ".dbk", ".rss", ".atom", ".opml")),
    MAIL: Format("an e-mail message", (".eml",)),
    ZIP: Format("a ZIP archive", (".zip",)),
    "application/x-7z-compressed": _to_unpack("a 7z archive", ".7z"),
    "application/vnd.rar": _to_unpack("a RAR archive", ".rar"),
    "application/gzip": _to_unpack("a gzip archive", ".gz"),
    "application/x-bzip2": _to_unpack("a bzip2 archive", ".bz2"),
    "application/x-xz": _to_unpack("an xz archive", ".xz"),
    "application/zstd": _to_unpack("a Zstandard archive", ".zst"),
    "application/x-tar": _to_unpack("a tar archive", ".tar"),
    "application/postscript": Format("a PostScript file", (".ps",), _save_as("a PDF document")),
    "application/x-sqlite3": Format("a SQLite database"),
    "application/x-executable": Format("a program"),
    "image/png": Format("a PNG image", (".png",)),
    "image/jpeg": Format("a JPEG image", (".jpg", ".jpeg")),
    "image/gif": Format("a GIF image", (".gif",), _save_as("a PNG image")),
    "image/webp": Format("a WebP image", (".webp",)),
    "image/tiff": Format("a TIFF image", (".tif", ".tiff")),
    "image/bmp": Format("a BMP image", (".bmp",)),
    HEIC: Format("a HEIC image", (".heic",), _save_as("a JPEG image")),
    SVG: Format("an SVG image", (".svg",), _save_as("a PDF document")),
    "video/mp4": Format("a video", (".mp4",)),
    "audio/mpeg": Format("an audio file", (".mp3",)),
    "audio/ogg": Format("an audio file", (".ogg",)),
    "audio/wav": Format("an audio file", (".wav",)),
}


def unsupported(media_type: str) -> UnsupportedFormat:
    """The error for a format without a parser."""
    known = FORMATS.get(media_type)
    phrase = known.phrase if known else f"a file of the type {media_type}"
    ending = f" ({known.extensions[0]})" if known and known.extensions else ""
    advice = known.advice if known and known.advice else READABLE
    return UnsupportedFormat(f"This is {phrase}{ending}, which cannot be read. {advice}")

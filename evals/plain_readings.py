"""The words and table cells of files, read in the simplest way there is and without Lorekeeper's parsers.

What a parser finds is compared with these. They know nothing of order, layout or what a person sees, so a share below
one is not always a loss: a word that is drawn twice, a repeated header and a hidden sheet count here as well.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from ingest.parse import formats

Rows = list[list[str]]
_WORD = re.compile(r"[^\W_]+")
_ENCODING = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_NO_TEXT = re.compile(
    r"(?is)<!--.*?-->|<(script|style|template|noscript|svg|nav|select|button)\b.*?</\1\s*>"
    r"|<(\w+)[^<>]*\bdisplay:\s*none[^<>]*>[^<>]*</\2>"
)
_FALLBACK = re.compile(
    r"(?s)<mc:Fallback\b.*?</mc:Fallback>|<(?:\w+:)?(?:instrText|delText)\b.*?</(?:\w+:)?(?:instrText|delText)>"
)
_BREAK = re.compile(r"</(?:\w+:)?(?:p|h|tc|table-cell|list-item)>|<(?:\w+:)?(?:br|tab|cr|s|line-break)\b[^>]*/>")
_LINK = re.compile(r"\]\([^)\s]*|<https?:[^>]*>|^\[[^\]]+\]:.*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"(?s)\A---\n.*?\n---\n")


def words_of(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("\u00ad", "").lower())


def plain_words(data: bytes, media_type: str) -> list[str] | None:
    """Every word, as often as it stands there; None where there is no simple reading."""
    read = _TEXTS.get(media_type)
    try:
        return words_of(read(data)) if read else None
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, RecursionError):
        return None


def plain_rows(data: bytes, media_type: str) -> Rows | None:
    """The rows of every table, with the cells that say something; None where there is no simple reading."""
    read = _ROWS.get(media_type)
    try:
        rows = read(data) if read else None
    except (ValueError, KeyError, OSError, csv.Error, zipfile.BadZipFile):
        return None
    return (
        None if rows is None else [cells for row in rows if (cells := [" ".join(c.split()) for c in row if c.strip()])]
    )


def _decoded(data: bytes) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding)
    stated = _ENCODING.search(data[:2048])
    for encoding in ("utf-8", stated[1].decode() if stated else "cp1252"):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("cp1252", "replace")


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub(" ", _NO_TEXT.sub(" ", text)))


def _markdown(data: bytes) -> str:
    return _without_tags(_LINK.sub(" ", _FRONT_MATTER.sub("", _decoded(data).replace("\r\n", "\n"))))


def _json(data: bytes) -> str:
    text = _decoded(data)
    try:
        values = [json.loads(text)]
    except ValueError:
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    return " ".join(piece for value in values for piece in _leaves(value))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, str):
        yield value


def _mail(data: bytes) -> str:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain", "html"))
    text = str(body.get_content()) if body else ""
    return (
        f"{message.get('subject', '')} {_without_tags(text) if body and body.get_content_subtype() == 'html' else text}"
    )


def _parts(data: bytes, pattern: str) -> Iterator[str]:
    return (text for _, text in _members(data, pattern))


def _members(data: bytes, pattern: str) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(pattern, name, re.IGNORECASE):
                yield name, archive.read(name).decode("utf-8", "replace")


def _xml_text(part: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub(" ", _FALLBACK.sub("", part))))


def _docx(data: bytes) -> str:
    return " ".join(map(_runs, _parts(data, r"word/(document|footnotes|endnotes)\.xml")))


def _pptx(data: bytes) -> str:
    return " ".join(map(_runs, _parts(data, r"ppt/slides/slide\d+\.xml")))


def _runs(part: str) -> str:
    pieces = re.findall(r"<\w+:t(?: [^>]*)?>([^<]*)</\w+:t>|(</\w+:p>|<\w+:(?:br|tab|cr)\b)", _FALLBACK.sub("", part))
    return html.unescape("".join(text or (" " if end else "") for text, end in pieces))


def _open_document(data: bytes) -> str:
    parts = (
        re.sub(r"(?s)<text:tracked-changes>.*?</text:tracked-changes>", "", part)
        for part in _parts(data, r"content\.xml")
    )
    bodies = (part.partition("<office:body>")[2] or part for part in parts)
    return " ".join(map(_xml_text, bodies))


def _epub(data: bytes) -> str:
    return " ".join(_without_tags(re.sub(r"(?is)<head\b.*?</head>", "", part)) for part in _parts(data, r".*\.x?html?"))


def _pdf(data: bytes) -> str:
    import pypdfium2

    texts = []
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise ValueError(str(error)) from error
    for number in range(len(document)):
        try:
            page = document[number]
            reading = page.get_textpage()
            texts.append(reading.get_text_range())
            reading.close()
            page.close()
        except pypdfium2.PdfiumError:
            continue
    document.close()
    return re.sub("[\x02\ufffe](?:\r?\n)?", "", "\n".join(texts))


def _delimited(data: bytes) -> Rows:
    text = _decoded(data)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",\t;|", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _xlsx(data: bytes) -> Rows:
    shared = [_joined(item) for part in _parts(data, r"xl/sharedStrings\.xml") for item in _elements(part, "si")]
    book = next(_parts(data, r"xl/workbook\.xml"), "")
    # As most programs number them, in the order of the workbook.
    shown = ["hidden" not in sheet.lower() for sheet in re.findall(r"<(?:\w+:)?sheet [^>]*>", book)]
    sheets = {int(re.sub(r"\D", "", name)): sheet for name, sheet in _members(data, r"xl/worksheets/sheet\d+\.xml")}
    rows = []
    for place, number in enumerate(sorted(sheets)):
        hidden = _hidden_columns(sheets[number])
        is_shown = place >= len(shown) or shown[place]
        for row in _elements(sheets[number], "row") if is_shown else ():
            cells = re.findall(r"(?s)<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", row)
            rows.append([_cell(about, inner, shared) for about, inner in cells if _column(about) not in hidden])
    return rows


def _hidden_columns(sheet: str) -> set[int]:
    stated = (dict(re.findall(r'(\w+)="([^"]*)"', column)) for column in re.findall(r"<(?:\w+:)?col ([^>]*)>", sheet))
    hidden = (each for each in stated if each.get("hidden") in {"1", "true"})
    return {number for each in hidden for number in range(int(each["min"]), int(each["max"]) + 1)}


def _column(about: str) -> int:
    number = 0
    for letter in (re.search(r'\br="([A-Z]{1,3})\d', about) or ["", ""])[1]:
        number = number * 26 + ord(letter) - 64
    return number


def _cell(about: str, inner: str, shared: list[str]) -> str:
    """Texts only: numbers are shown in a format that takes more than a simple reading."""
    value = re.search(r"<(?:\w+:)?v>([^<]*)<", inner)
    if 't="s"' in about:
        return shared[int(value[1])] if value else ""
    if 't="str"' in about:
        return html.unescape(value[1]) if value else ""
    return _joined(inner) if 't="inlineStr"' in about else ""


def _joined(item: str) -> str:
    item = re.sub(r"(?s)<(?:\w+:)?rPh\b.*?</(?:\w+:)?rPh>", "", item)
    return html.unescape("".join(re.findall(r"(?s)<(?:\w+:)?t\b[^>]*?(?<!/)>(.*?)</(?:\w+:)?t>", item)))


def _elements(part: str, name: str) -> list[str]:
    return re.findall(rf"(?s)<(?:\w+:)?{name}\b[^>]*?(?<!/)>(.*?)</(?:\w+:)?{name}>", part)


def _ods(data: bytes) -> Rows:
    rows = []
    for part in _parts(data, r"content\.xml"):
        for row in _elements(part.partition("<office:body>")[2], "table-row"):
            without_notes = re.sub(r"(?s)<office:annotation\b.*?</office:annotation>", "", row)
            rows.append([_xml_text(cell) for cell in _elements(without_notes, "table-cell")])
    return rows


def _docx_rows(data: bytes) -> Rows:
    rows = []
    for part in _parts(data, r"word/document\.xml"):
        for table in _elements(_FALLBACK.sub("", part), "tbl"):
            if "<w:tbl>" not in table:  # tables within tables take more than a simple reading
                rows += [[_xml_text(cell) for cell in _elements(row, "tc")] for row in _elements(table, "tr")]
    return rows


def _html_rows(data: bytes) -> Rows:
    rows = re.findall(r"(?is)<tr\b[^>]*>(.*?)</tr>", _NO_TEXT.sub(" ", _decoded(data)))
    return [
        [_without_tags(cell) for cell in re.findall(r"(?is)<t[dh]\b[^>]*>(.*?)</t[dh]>", row)]
        for row in rows
        if "<table" not in row.lower()
    ]


def _sheet_words(read: Callable[[bytes], Rows]) -> Callable[[bytes], str]:
    return lambda data: " ".join(cell for row in read(data) for cell in row)


_TEXTS: Mapping[str, Callable[[bytes], str]] = {
    formats.PLAIN: _decoded,
    formats.SOURCE: _decoded,
    formats.RST: _decoded,
    formats.ASCIIDOC: _decoded,
    formats.MARKDOWN: _markdown,
    formats.HTML: lambda data: _without_tags(_decoded(data)),
    formats.XML: lambda data: _without_tags(re.sub(r"(?s)<!\[CDATA\[(.*?)\]\]>", r"\1", _decoded(data))),
    formats.JSON: _json,
    formats.CSV: _sheet_words(_delimited),
    formats.TSV: _sheet_words(_delimited),
    formats.MAIL: _mail,
    formats.DOCX: _docx,
    formats.PPTX: _pptx,
    formats.XLSX: _sheet_words(_xlsx),
    formats.ODT: _open_document,
    formats.ODP: _open_document,
    formats.ODS: _sheet_words(_ods),
    formats.EPUB: _epub,
    formats.PDF: _pdf,
}
_ROWS: Mapping[str, Callable[[bytes], Rows]] = {
    formats.CSV: _delimited,
    formats.TSV: _delimited,
    formats.XLSX: _xlsx,
    formats.ODS: _ods,
    formats.DOCX: _docx_rows,
    formats.HTML: _html_rows,
}

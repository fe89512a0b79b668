"""What kind of text a file is: the name decides among kinds that look alike, the text among the others."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ingest.parse.delimiter import delimiter_of
from ingest.parse.formats import (
    ASCIIDOC,
    CSV,
    FORMATS,
    HTML,
    JSON,
    MAIL,
    MARKDOWN,
    PLAIN,
    RST,
    SOURCE,
    SVG,
    TSV,
    XML,
)

_NAMED = {
    extension: kind
    for kind in (MARKDOWN, PLAIN, RST, ASCIIDOC, SOURCE, TSV, CSV, JSON)
    for extension in FORMATS[kind].extensions
}
_SOURCE_NAME = re.compile(r"(?:.*[/\\])?(?:Dockerfile|Makefile|GNUmakefile|Jenkinsfile|Vagrantfile|Gemfile|Rakefile)$")
_PGP_START = re.compile(r"\s*-----BEGIN PGP ")
"""Of keys and signatures, whose names end as those of AsciiDoc may."""
_HTML_START = re.compile(r"(?i)<(!doctype\s+html|html|head|body|title|meta|h[1-6]|p|div|table|article|main|section)\b")
_PAGE_START = re.compile(r"(?i)<(!doctype\s+html|html)\b")
_XML_START = re.compile(r"(?i)\s*<(\?xml\b|!doctype\s+(?!html\b))")
_LEADING = re.compile(r"(?is)(?:\s+|<\?xml.{0,500}?\?>|<!--.{0,5000}?-->|<!doctype\s+(?!html)[^>]{0,500}>)*+")
_JSON_START = re.compile(r'\s*(\[\s*\{|\{)\s*"[^"\n]*"\s*:')
_MAIL_START = re.compile(r"(?i)(?:From [^\n]*\n)?(?:[a-z][a-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*)*+")
_MAIL_HEADERS = re.compile(r"(?im)^(?:MIME-Version|Received|Message-ID|Return-Path):")
_MARKDOWN_SIGNS = re.compile(r"(?m)^(#{1,6} \S|```|\| ?-{3,}|\[[^\]\n]+\]\([^)\n]+\)|---\n[\w-]+:)")
_MIN_SIGNS = 2
"""Signs of Markdown that a text without a telling name must have to be read as such."""


def text_kind(text: str, name: str) -> str:
    """The media type of a text, of which the beginning is enough."""
    extension = extension_of(name)
    named = SOURCE if _SOURCE_NAME.match(name) else _NAMED.get(extension)
    if named == ASCIIDOC and _PGP_START.match(text):
        named = None
    return named or _marked(text, extension) or (PLAIN if extension else _unnamed(text))


def extension_of(name: str) -> str:
    """The ending of a file name in lower case, with the dot; empty without one."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower()


def _marked(text: str, extension: str) -> str | None:
    """The kinds that begin in a way of their own."""
    body = _LEADING.sub("", text, count=1)
    is_page = extension in FORMATS[HTML].extensions or bool(_PAGE_START.match(body))
    if not is_page and (extension in FORMATS[XML].extensions or _XML_START.match(text)):
        return SVG if body.startswith("<svg") else XML
    if is_page or _HTML_START.match(body):
        return HTML
    return MAIL if _is_mail(text, extension) else None


def _is_mail(text: str, extension: str) -> bool:
    headers = _MAIL_START.match(text.lstrip())
    return bool(headers and headers[0] and (extension == ".eml" or _MAIL_HEADERS.search(headers[0])))


def _unnamed(text: str) -> str:
    """By how the text looks; nothing in its name contradicts."""
    if _JSON_START.match(text):
        return JSON
    if len(_MARKDOWN_SIGNS.findall(text)) >= _MIN_SIGNS:
        return MARKDOWN
    delimiter = delimiter_of(text)
    return PLAIN if delimiter is None else TSV if delimiter == "\t" else CSV

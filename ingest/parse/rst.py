"""reStructuredText through docutils, with what Sphinx adds to it kept as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.types import BlockKind, ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.rst_nodes import RstWriter
from ingest.parse.text import counted, keywords, readable_name

if TYPE_CHECKING:
    from docutils import nodes

_INCLUDES = re.compile(r"(?m)^[ \t]*\.\. (?:include|literalinclude)::|^[ \t]*:(?:file|url):[ \t]*\S")
_RAW = re.compile(r"(?m)^[ \t]*\.\. raw::[^\n]*\n(?![ \t]*:(?:file|url):)")
_ERRORS_ONLY, _NEVER = 3, 5
"""Of docutils' levels: which messages stay in the tree, and which one would end the reading."""
_LONGEST_LINE = 1_000_000


class RstParser:
    """Headings, paragraphs, lists, tables and code; no file is included and nothing is fetched."""

    media_types: Iterable[str] = ("text/x-rst",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """What is wrong in the markup costs only that markup: its text stays."""
        decoded = decode(data)
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        writer = RstWriter(BlockWriter(), parse_tree)
        writer.write(parse_tree(text))
        blocks = writer.finished()
        first = next((block.text for block in blocks if block.kind is BlockKind.HEADING and block.level == 1), "")
        losses = [*decoded.losses, *writer.losses()]
        losses += counted(
            len(_INCLUDES.findall(text)), "file that it includes", "was not read", "files that it includes"
        )
        losses += counted(len(_RAW.findall(text)), "passage of raw markup", "is left out", "passages of raw markup")
        return ParsedDocument(
            first or readable_name(name), blocks, losses=tuple(losses), keywords=keywords(" ".join(writer.keywords))
        )


def parse_tree(text: str) -> nodes.document:
    from docutils.core import publish_doctree
    from docutils.parsers.rst import Parser

    from ingest.parse.rst_inline import BoundedInliner

    settings = {
        "file_insertion_enabled": False,
        "raw_enabled": False,
        "_disable_config": True,
        "input_encoding": "unicode",
        "report_level": _ERRORS_ONLY,
        "halt_level": _NEVER,
        "warning_stream": False,
        "strip_comments": True,
        "doctitle_xform": False,
        "sectsubtitle_xform": False,
        "docinfo_xform": True,
        "toc_backlinks": False,
        "syntax_highlight": "none",
        "smart_quotes": False,
        "line_length_limit": _LONGEST_LINE,
        "language_code": "en",
    }
    return publish_doctree(text, parser=Parser(inliner=BoundedInliner()), settings_overrides=settings)

"""Source code and configuration files: a block for each definition, under its first line as heading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from core.types import ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.text import clean, one_line

_LONG = 60
"""Lines of a definition; a longer one, such as a class, is cut at the definitions within it."""
_DEEPEST = 3
_LONGEST_HEADING = 120
_CLOSING = re.compile(
    r"[)\]}>;,]*(?:end\b.*|fi|done|esac|else\b.*|elif\b.*|except\b.*|finally\b.*|catch\b.*|\*/)?[)\]};,]*$"
)
_NO_DEFINITION = re.compile(
    r"(?:#(?!\[)|//|/\*|\*|--|;|@|%|'|<!--|\"\"\"|'''|import\b|from\b|use\b|using\b|#include|require\b|package\b|return\b"
    r"|\[[\w.]+(?:\(.*\))?\]$|#\[)"
)
_SECTION = re.compile(r"\[\[?[^\[\]]+\]\]?$")
_DEFINITION = re.compile(
    r"(?ix)(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|abstract|async|inline|extern"
    r"|virtual|override|open|sealed|data|unsafe|local|global|declare|typedef|template|constexpr|\s)*"
    r"\b(?:def|class|function|func|fn|fun|struct|enum|trait|impl|interface|type|module|mod|namespace|object|record|sub"
    r"|procedure|macro_rules!|protocol|extension|union|message|service|resource|variable|provider|const|let|var|val"
    r"|create|alter|insert|select|update|drop|grant|with|begin|describe|it|test|task)\b"
)
_FUNCTION = re.compile(r"[\w<>\[\],.*&:~\s]{1,200}\([^;]*\)?[^;=]*[{:(,]?$")
_KEY = re.compile(r"[\"']?[\w./-]{1,100}[\"']?:(?:\s.*)?$")
_LINE_COMMENT = re.compile(r"[ \t]*(?:///?!?|#+!?|--+|;+|%+|')[ \t]?(.*)$")
_BLOCK_COMMENT = re.compile(r"\s*(?:/\*|<!--|\(\*|\{-)(.*?)(?:\*/|-->|\*\)|-\})", re.DOTALL)
_GAPS = re.compile(r"\n{3,}")
_SETTINGS = frozenset({".yaml", ".yml"})
_SECTIONED = frozenset({".toml", ".ini", ".cfg", ".conf"})


class SourceCodeParser:
    """Code as it is; what is said at the top of the file comes first, as text."""

    media_types: Iterable[str] = ("text/x-source",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Never fails: it knows no grammar."""
        decoded = decode(data)
        path = PurePosixPath(name.replace("\\", "/"))
        text = clean(decoded.text).expandtabs(4)
        writer = BlockWriter()
        about, rest = _about(text, path.suffix.lower())
        writer.paragraph(about)
        _Code(writer, path.suffix.lower()).write([line.rstrip() for line in rest.split("\n")])
        return ParsedDocument(one_line(path.name) or "untitled", tuple(writer.blocks), losses=decoded.losses)


# ── what is said first ───────────────────────────────────────────────────────────────────────────


def _about(text: str, extension: str) -> tuple[str, str]:
    """What the comments or the docstring at the top say, and the code below."""
    comment, rest = _comment(text)
    if extension in {".py", ".pyi"} and (found := _docstring(rest)):
        said, rest = found
        comment = f"{comment}\n\n{said}".strip("\n")
    return comment, rest


def _comment(text: str) -> tuple[str, str]:
    if block := _BLOCK_COMMENT.match(text):
        lines = [re.sub(r"^\s*\*+ ?", "", line) for line in block[1].rstrip("*").split("\n")]
        return _tidy(lines), text[block.end() :]
    lines = text.split("\n")
    said: list[str] = []
    for line in lines:
        match = _LINE_COMMENT.match(line)
        is_code = match is None or line.lstrip().startswith(
            ("#include", "#define", "#if", "#pragma", "#[", "'use", "%{")
        )
        if is_code and line.strip():
            break
        is_for_programs = line.startswith("#!") or "-*-" in line
        said.append(match[1].rstrip() if match and not is_for_programs else "")
    return _tidy(said), "\n".join(lines[len(said) :])


def _docstring(text: str) -> tuple[str, str] | None:
    match = re.match(r"\s*[rRuU]?(\"\"\"|''')(.*?)\1[ \t]*(?=\n|$)", text, re.DOTALL)
    if not match:
        return None
    try:
        said = str(ast.literal_eval(match[0].strip()))
    except (SyntaxError, ValueError):
        said = match[2]
    return _tidy([line.strip() for line in said.split("\n")]), text[match.end() :]


def _tidy(lines: Sequence[str]) -> str:
    kept = [line for line in lines if not re.fullmatch(r"\s*[-=*#/~]{3,}\s*", line)]
    return _GAPS.sub("\n\n", "\n".join(kept)).strip("\n")


# ── definitions ──────────────────────────────────────────────────────────────────────────────────


class _Code:
    """Writes pieces of code under headings."""

    def __init__(self, writer: BlockWriter, extension: str) -> None:
        self._writer = writer
        self._extension = extension
        self._level = 0
        """Of the last heading."""

    def write(self, lines: Sequence[str], level: int = 2, indent: int = 0, within: str = "") -> None:
        """`within` is the heading that the lines already stand under."""
        loose: list[str] = []
        for piece in _pieces(lines, self._extension, indent):
            heading = _heading(piece, self._extension)
            if not heading:
                loose += [*piece, ""]
                continue
            self._flush(loose)
            if heading != within:
                self._head(heading, level)
            inner = _inner_indent(piece, indent)
            if len(piece) > _LONG and level <= _DEEPEST and inner is not None:
                self.write(piece, level + 1, inner, heading)
            else:
                self._writer.code("\n".join(piece))
        self._flush(loose)

    def _head(self, text: str, level: int) -> None:
        self._writer.heading(text, level)
        self._level = level

    def _flush(self, loose: list[str]) -> None:
        """What is no definition stands under the name of its first line, unless it is what the file begins with."""
        first = next((line for line in loose if line.strip()), "")
        if first:
            if self._level:
                self._head(one_line(first[:_LONGEST_HEADING]), self._level)
            self._writer.code(_GAPS.sub("\n\n", "\n".join(loose)))
        loose.clear()


def _pieces(lines: Sequence[str], extension: str, indent: int) -> Iterator[Sequence[str]]:
    """Cut before lines at the indentation (or less) that follow an empty line and close nothing."""
    start = 0
    for index in range(1, len(lines)):
        if index > start and _begins(lines, index, extension, indent):
            if any(each.strip() for each in lines[start:index]):
                yield lines[start:index]
            start = index
    if any(each.strip() for each in lines[start:]):
        yield lines[start:]


def _begins(lines: Sequence[str], index: int, extension: str, indent: int) -> bool:
    line = lines[index]
    if not line or _indent(line) > indent or _closes(line.strip()):
        return False
    if extension in _SECTIONED and _SECTION.match(line):
        return True
    if extension in _SETTINGS and indent == 0 and (_KEY.match(line) or line.startswith("#")):
        return not lines[index - 1].startswith("#")
    return not lines[index - 1].strip()


def _closes(line: str) -> bool:
    return len(line) <= _LONGEST_HEADING and bool(_CLOSING.match(line))


def _heading(piece: Sequence[str], extension: str) -> str:
    """The first line that defines something; empty if the piece defines nothing."""
    for line in piece:
        bare = line.strip()
        if extension in _SECTIONED and _SECTION.match(bare):
            return one_line(bare[:_LONGEST_HEADING])
        if extension in _SETTINGS and _KEY.match(bare) and len(piece) > 1:
            return one_line(bare.partition(":")[0][:_LONGEST_HEADING])
        if not bare or _NO_DEFINITION.match(bare):
            continue
        if _DEFINITION.match(bare) or (len(bare) < 2 * _LONGEST_HEADING and _FUNCTION.match(bare)):
            return re.sub(r"\s*[{:(\[=]+$", "", one_line(bare[: 2 * _LONGEST_HEADING]))[:_LONGEST_HEADING].strip()
        return ""
    return ""


def _inner_indent(piece: Sequence[str], indent: int) -> int | None:
    """The indentation of what stands directly within."""
    found = [_indent(line) for line in piece[1:] if line.strip() and _indent(line) > indent]
    return min(found, default=None)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

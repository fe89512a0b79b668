"""JSON and JSON Lines: lists of flat records become tables or paragraphs, objects become text under their keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.errors import TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.blocks import BlockWriter
from ingest.parse.encoding import decode
from ingest.parse.records import Record, telling, write_records
from ingest.parse.text import counted, one_line, readable_name

_MAX_VALUES = 3_000_000
_MAX_HEADINGS = 4
"""Levels of keys that become headings; deeper ones stand before the values, as paths."""
_MAX_DEPTH = 200
_LONG_TEXT = 200
"""Characters from which on a text stands as a paragraph of its own."""
_TITLE_KEYS = ("title", "name", "subject", "info")
_COMMENT_OR_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*+"?)|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=\s*[}\]])', re.DOTALL)
_RECORD_SEPARATOR = "\x1e"


class JsonParser:
    """Values with the keys that lead to them, in the order of the file; numbers as they are written."""

    media_types: Iterable[str] = ("application/json",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `UnreadableDocument` for what is no JSON or nests absurdly, `TooLarge` for millions of values."""
        decoded = decode(data)
        losses = list(decoded.losses)
        if sum(decoded.text.count(sign) for sign in ",[{") > _MAX_VALUES:
            raise TooLarge(f"The file holds more than {_MAX_VALUES:,} values. Split it and add the parts.")
        value = _loaded(decoded.text, losses)
        writer = BlockWriter()
        _Walk(writer).value(value, (), 1)
        return ParsedDocument(_title(value) or readable_name(name), tuple(writer.blocks), losses=tuple(losses))


def _loaded(text: str, losses: list[str]) -> Any:
    decoder = _Decoder()
    try:
        value = _decoded(text, decoder, losses)
    except RecursionError as error:
        raise UnreadableDocument("The JSON in this file is nested too deeply to be read.") from error
    losses += counted(decoder.repeated, "value", "was left out for a later one under the same key")
    return value


def _decoded(text: str, decoder: _Decoder, losses: list[str]) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        lines = _lines(text)
        if len(lines) > 1 and (records := _read_lines(lines, decoder)) and len(records) * 2 > len(lines):
            if broken := len(lines) - len(records):
                some = "One line is" if broken == 1 else f"{broken:,} lines are"
                losses.append(f"{some} no JSON and could not be read.")
            return records
        decoder.repeated = 0
        return _lenient(text, decoder, error)


def _lenient(text: str, decoder: _Decoder, error: json.JSONDecodeError) -> Any:
    """Settings files often hold comments and commas too many (JSON with Comments)."""
    try:
        return decoder.decode(_COMMENT_OR_COMMA.sub(lambda match: match[1] or "", text))
    except json.JSONDecodeError:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableDocument(f"The file is not valid JSON: {error.msg} ({where}).") from error


def _lines(text: str) -> list[str]:
    """Lines with something on them; JSON text sequences (RFC 7464) mark theirs with a control character."""
    return [line for each in text.split("\n") if (line := each.strip().lstrip(_RECORD_SEPARATOR)) and line != ","]


def _read_lines(lines: Sequence[str], decoder: _Decoder) -> list[Any]:
    found = []
    for line in lines:
        try:
            found.append(decoder.decode(line))
        except json.JSONDecodeError:
            continue
    return found


class _Decoder:
    """Numbers stay as they are written: 1.10 is not 1.1, and long ones are neither rounded nor slow."""

    def __init__(self) -> None:
        self.repeated = 0
        """Values in what was read whose key comes again, and that are left out as everywhere."""
        self._decoder = json.JSONDecoder(
            strict=False,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_Number,
            object_pairs_hook=self._object,
        )

    def decode(self, text: str) -> Any:
        """Raises `json.JSONDecodeError`."""
        before = self.repeated
        try:
            return self._decoder.decode(text)
        except json.JSONDecodeError:
            self.repeated = before
            raise

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self.repeated += len(pairs) - len(found)
        return found


class _Number(str):
    """A number, as it is written."""

    __slots__ = ()


class _Walk:
    """Writes values in order; recursion ends at a depth that no file for people reaches."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer

    def value(self, value: Any, path: tuple[str, ...], level: int) -> None:
        """`path` are the keys below the last heading."""
        if len(path) + level > _MAX_DEPTH:
            raise UnreadableDocument("The JSON in this file is nested too deeply to be read.")
        if isinstance(value, Mapping):
            self._object(value, path, level)
        elif isinstance(value, list):
            self._array(value, path, level)
        elif text := shown(value):
            self._writer.paragraph(f"{'.'.join(path)}: {text}" if path else text)

    def _object(self, value: Mapping[str, Any], path: tuple[str, ...], level: int) -> None:
        lines = []
        inner = []
        for key, each in value.items():
            if (text := _inline(each)) is None:
                inner.append((key, each))
            elif text:
                lines.append(f"{'.'.join((*path, one_line(key)))}: {text}")
        self._writer.paragraph("\n".join(lines))
        for key, each in inner:
            name = one_line(key)
            if level <= _MAX_HEADINGS and not path and name:
                self._writer.heading(name, level)
                self.value(each, (), level + 1)
            else:
                self.value(each, (*path, name), level)

    def _array(self, value: list[Any], path: tuple[str, ...], level: int) -> None:
        records = [record for each in value if (record := _record(each)) is not None]
        if len(records) == len(value):
            if path:
                self._writer.paragraph(".".join(path) + ":")
            write_records(records, self._writer, level)
            return
        plain: list[str] = []
        for number, each in enumerate(value, 1):
            if (text := _inline(each)) is not None:
                plain.append(text)
                continue
            self._list(plain, path)
            plain = []
            heading = _telling(each)
            if level <= _MAX_HEADINGS and not path and heading:
                self._writer.heading(heading, level)
                self.value(each, (), level + 1)
            else:
                self.value(each, (*path, str(number)), level)
        self._list(plain, path)

    def _list(self, texts: Sequence[str], path: tuple[str, ...]) -> None:
        if not any(texts):
            return
        if path:
            self._writer.paragraph(".".join(path) + ":")
        self._writer.open_list(ordered=False)
        for text in texts:
            self._writer.open_item()
            self._writer.paragraph(text)
        self._writer.close_list()


def shown(value: Any) -> str:
    """A value that is no object and no array, as a person would write it; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _inline(value: Any) -> str | None:
    """Text that fits behind a key: plain values, and short lists of them; None for everything else."""
    if isinstance(value, list):
        if any(isinstance(each, (Mapping, list)) for each in value):
            return None
        texts = [shown(each) for each in value]
        return ", ".join(texts) if sum(map(len, texts)) <= _LONG_TEXT else None
    if isinstance(value, Mapping):
        return "" if not value else None
    return shown(value)


def _record(value: Any) -> Record | None:
    """The fields of an object whose values are plain, or plain one level further down; None for other values."""
    if not isinstance(value, Mapping) or not value:
        return None
    fields: Record = []
    for key, each in value.items():
        if (text := _inline(each)) is not None:
            fields.append((one_line(key), text))
            continue
        if not isinstance(each, Mapping):
            return None
        for inner, deeper in each.items():
            if (text := _inline(deeper)) is None:
                return None
            fields.append((f"{one_line(key)}.{one_line(inner)}", text))
    return fields


def _telling(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    record = [(one_line(key), text) for key, each in value.items() if (text := _inline(each))]
    return telling(record)


def _title(value: Any) -> str:
    if isinstance(value, Mapping):
        for key in _TITLE_KEYS:
            stated = value.get(key)
            if key == "info" and isinstance(stated, Mapping):  # an OpenAPI description
                stated = stated.get("title")
            if isinstance(stated, str) and not isinstance(stated, _Number) and 0 < len(stated.strip()) <= _LONG_TEXT:
                return one_line(stated)
    return ""

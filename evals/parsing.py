"""`lorekeeper eval parse`: how much of real files is read, by format, and what it takes.

Every file goes through the process that reads files, as in earnest. Its words and table cells are compared with a
reading by other means (`evals.plain_readings`), and those of a made PDF of tables with what was drawn.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest, LorekeeperError
from core.settings_documents import Parse
from core.types import BlockKind, ParsedDocument
from evals.plain_readings import plain_rows, plain_words, words_of
from evals.processes import peak_mb, resident_mb
from evals.retrieval import Report
from ingest.parse.formats import FORMATS
from ingest.parse.process import ParserProcess

UNKNOWN = "unknown"
ALL = "all"
_MAX_CANDIDATES = 500
"""Rows that are looked through for a cell that many of them hold."""


@dataclass(slots=True)
class Share:
    """What was found of what is there."""

    found: int = 0
    total: int = 0

    def add(self, found: int, total: int) -> None:
        self.found += found
        self.total += total

    @property
    def value(self) -> float | None:
        return round(self.found / self.total, 4) if self.total else None


@dataclass(slots=True)
class Tally:
    """Of the files of one format."""

    files: int = 0
    read: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Names of the files over which the process broke or that ended in no sentence for a person."""
    seconds: float = 0.0
    slowest: float = 0.0
    pages: int = 0
    with_losses: int = 0
    compared: int = 0
    words: Share = field(default_factory=Share)
    cells: Share = field(default_factory=Share)
    poorest: tuple[float, str] = (1.0, "")
    """The least text recall of a file, and its name."""

    def row(self, name: str) -> dict[str, Any]:
        return {
            "format": name,
            "files": self.files,
            "read": self.read,
            "refused": sum(self.refused.values()),
            "failed": len(self.failed),
            "seconds": round(self.seconds, 2),
            "slowest": round(self.slowest, 2),
            "pages": self.pages,
            "with_losses": self.with_losses,
            "compared": self.compared,
            "text_recall": self.words.value,
            "cell_recall": self.cells.value,
            "poorest": {"text_recall": round(self.poorest[0], 4), "file": self.poorest[1]} if self.compared else {},
            "reasons": dict(self.refused),
            "failed_files": self.failed,
        }


class Watch:
    """The most memory that the process that reads, and this one, held; and how often the former was replaced."""

    def __init__(self, parser: ParserProcess) -> None:
        self._parser = parser
        self.broken = 0
        self.reader_mb = self.own_mb = 0.0

    def look(self) -> bool:
        """To be called after each file. Whether the process broke over it."""
        pid = self._parser.pid
        is_broken = pid is None
        self.broken += is_broken
        self.own_mb = max(self.own_mb, resident_mb())
        if pid is not None:
            self.reader_mb = max(self.reader_mb, peak_mb(pid))
        return is_broken


def evaluate_parsing(folders: Iterable[Path], settings: Parse, report: Report, tables: int = 0) -> list[dict[str, Any]]:
    """A row for everything in the folders, with the memory it took; one for each format; and one for made tables."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    if not files and not tables:
        raise InvalidRequest("There is no file to read. Name folders that hold documents.")
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    made: list[dict[str, Any]] = []
    with _running(settings) as parser:
        watch = Watch(parser)
        for done, path in enumerate(files, 1):
            _read(parser, watch, path, tallies)
            report("files", done, len(files))
        if tables:
            made = [_made_tables(parser, watch, tables)]
    rows = [tallies[name].row(name) for name in sorted(tallies)]
    total = _sum(tallies.values()).row(ALL)
    memory = {"reader_peak_mb": watch.reader_mb, "own_mb": watch.own_mb, "processes_broken": watch.broken}
    return [{**total, **memory}, *rows, *made]


@contextmanager
def _running(settings: Parse) -> Iterator[ParserProcess]:
    parser = ParserProcess.from_settings(settings)
    try:
        yield parser
    finally:
        parser.close()
        parser.stop()


def _read(parser: ParserProcess, watch: Watch, path: Path, tallies: defaultdict[str, Tally]) -> None:
    data = path.read_bytes()
    start = time.perf_counter()
    document, error = _outcome(parser, data, path.name)
    seconds = time.perf_counter() - start
    is_broken = watch.look()
    tally = tallies[_format(document.media_type if document else "", path)]
    tally.files += 1
    tally.seconds += seconds
    tally.slowest = max(tally.slowest, seconds)
    if is_broken or (error and not isinstance(error, LorekeeperError)):
        tally.failed.append(path.name)
    elif isinstance(error, LorekeeperError):
        tally.refused[f"{type(error).__name__}: {error.message}"] += 1
    if document:
        tally.read += 1
        tally.pages += document.pages or 0
        tally.with_losses += bool(document.losses)
        _compare(tally, document, data, path.name)


def _outcome(parser: ParserProcess, data: bytes, name: str) -> tuple[ParsedDocument | None, Exception | None]:
    try:
        return parser.parse(data, name), None
    except Exception as error:  # noqa: BLE001 - what it is, is the result
        return None, error


def _format(media_type: str, path: Path) -> str:
    """By what it was read as; by its name where it was not."""
    extensions = FORMATS[media_type].extensions if media_type in FORMATS else ()
    return (extensions[0] if extensions else path.suffix.lower()).lstrip(".") or UNKNOWN


def _compare(tally: Tally, document: ParsedDocument, data: bytes, name: str) -> None:
    words = plain_words(data, document.media_type)
    if words:
        found = word_recall(document, words)
        tally.compared += 1
        tally.words.add(*found)
        tally.poorest = min(tally.poorest, (found[0] / found[1], name))
    if rows := plain_rows(data, document.media_type):
        tally.cells.add(*row_recall(document, rows))


def word_recall(document: ParsedDocument, words: Sequence[str]) -> tuple[int, int]:
    """How many of the words are in the title and blocks, each as often as it stands there; and how many there are."""
    there = Counter(words_of(" ".join([document.title, *(block.text for block in document.blocks)])))
    wanted = Counter(words)
    return sum(min(number, there[word]) for word, number in wanted.items()), len(words)


def row_recall(document: ParsedDocument, rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many cells stand together with the first one of their row; and how many there are.

    Together is in a row of a table, or in one block of text: records of few columns or long cells are written so.
    """
    by_cell: defaultdict[str, list[str]] = defaultdict(list)
    texts: list[str] = []
    for block in document.blocks:
        if block.kind is not BlockKind.TABLE:
            texts.append(_bounded(_plain(block.text)))
            continue
        for line in block.text.split("\n"):
            cells = [_plain(cell) for cell in re.split(r"(?<!\\)\|", line)]
            together = _bounded(" | ".join(cells))
            texts.append(together)
            for cell in set(cells):
                by_cell[cell].append(together)
    found = sum(_found(list(map(_plain, row)), by_cell, texts) for row in rows)
    return found, sum(map(len, rows))


def _found(row: Sequence[str], by_cell: Mapping[str, list[str]], texts: Sequence[str]) -> int:
    first, *rest = map(_bounded, row)
    for mates in (by_cell.get(row[0], []), (text for text in texts if first in text)):
        candidates = list(islice(mates, _MAX_CANDIDATES))
        together = sum(any(each in text for text in candidates) for each in rest)
        if candidates and together == len(rest):
            return len(row)
    return together + bool(candidates)


def _bounded(text: str) -> str:
    """With blanks around, so that a word is not found in the middle of another."""
    return f" {text} "


def _plain(text: str) -> str:
    return " ".join(words_of(text)) or text.strip()


def _made_tables(parser: ParserProcess, watch: Watch, tables: int) -> dict[str, Any]:
    from evals.make_pdf import cell_recall, make_pdf

    made = make_pdf(tables)
    start = time.perf_counter()
    document = parser.parse(made.data, "tables.pdf")
    seconds = time.perf_counter() - start
    watch.look()
    recall = cell_recall(document, made.tables)
    tally = Tally(files=1, read=1, seconds=seconds, slowest=seconds, pages=document.pages or 0)
    words = [word for table in made.tables for row in table.rows for cell in row for word in words_of(cell)]
    words += [word for paragraph in made.paragraphs for word in words_of(paragraph)]
    tally.compared = 1
    tally.words.add(*word_recall(document, words))
    tally.poorest = (tally.words.found / tally.words.total, "")
    return {**tally.row("pdf, made tables"), "cell_recall": round(recall[""], 4)}


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for each in tallies:
        total.files += each.files
        total.read += each.read
        for reason, number in each.refused.items():
            total.refused[reason.partition(":")[0]] += number
        total.failed += each.failed
        total.seconds += each.seconds
        total.slowest = max(total.slowest, each.slowest)
        total.pages += each.pages
        total.with_losses += each.with_losses
        total.compared += each.compared
        total.words.add(each.words.found, each.words.total)
        total.cells.add(each.cells.found, each.cells.total)
        total.poorest = min(total.poorest, each.poorest)
    return total

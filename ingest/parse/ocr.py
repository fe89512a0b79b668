"""Text recognition by the tesseract program: pictures to lines with their places."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from statistics import median

LANGUAGES = "eng"
"""As tesseract takes them: codes joined by `+`."""
HINT = "For an administrator: install the tesseract program, and pages without text are read by text recognition."
PROGRAM = "tesseract"
SECONDS_A_PAGE = 60.0
SECONDS = 90.0
"""For a file, less than a parser gets in all."""
WORKERS = 2
"""Pictures read at the same time, at most; each takes one core and up to some 300 MB."""
MAX_PIXELS = 40_000_000
_LANGUAGES = re.compile(r"[A-Za-z]\w{1,30}(?:/\w{1,30})?(?:\+[A-Za-z]\w{1,30}(?:/\w{1,30})?){0,15}")
_MAX_OUTPUT = 10_000_000
_SURE, _UNSURE = 60.0, 30.0
"""Of 100: the median of a line's words, and any word, at least; pictures of things are read as letters as well."""
_TALLER, _WIDER = 1.4, 1.2
"""Times the usual height and width of letters, of a title; recognised boxes are too rough to tell less."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One page in grey, a byte for each pixel, from the upper left; `dpi` pixels are an inch."""

    pixels: bytes
    width: int
    height: int
    dpi: int


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of a picture; lengths in points (1/72 inch) from the lower left corner, `y` being the lower edge."""

    text: str
    x0: float
    x1: float
    y: float
    size: float


class OcrFailed(Exception):
    """The program could not read a picture; the text says why, for the log."""


def is_available() -> bool:
    return shutil.which(PROGRAM) is not None


def reads_pictures() -> bool:
    """Whether pictures can be decoded as well."""
    return is_available() and find_spec("PIL") is not None


def read_pictures(
    pictures: Iterable[tuple[int, Picture]], languages: str = LANGUAGES, end: float | None = None
) -> dict[int, list[ReadLine]]:
    """The lines of each picture by its number, of those that were read until `end` (of `time.monotonic`).

    Pictures are taken one by one as they are needed. Raises `OcrFailed` if the program can read none of them.
    """
    if end is None:
        end = time.monotonic() + SECONDS
    results: dict[int, list[ReadLine]] = {}
    failure: OcrFailed | None = None
    waiting = iter(pictures)
    workers = max(1, min(WORKERS, os.cpu_count() or 1))
    with ThreadPoolExecutor(workers) as pool:
        while (left := end - time.monotonic()) > 1 and (batch := list(islice(waiting, workers))):
            seconds = min(SECONDS_A_PAGE, left)
            jobs = [(number, pool.submit(read_picture, picture, languages, seconds)) for number, picture in batch]
            for number, job in jobs:
                try:
                    results[number] = job.result()
                except OcrFailed as error:
                    failure = error
    if failure and not results:
        raise failure
    return results


def read_picture(picture: Picture, languages: str = LANGUAGES, seconds: float = SECONDS_A_PAGE) -> list[ReadLine]:
    """Raises `OcrFailed`."""
    if not _LANGUAGES.fullmatch(languages):
        raise OcrFailed(f"no languages of tesseract: {languages!r}")
    program = shutil.which(PROGRAM)
    if program is None:
        raise OcrFailed("tesseract is not installed")
    command = [program, "stdin", "stdout", "-l", languages, "--dpi", str(picture.dpi), "--psm", "3", "tsv"]
    header = b"P5 %d %d 255\n" % (picture.width, picture.height)
    try:
        done = subprocess.run(  # noqa: S603 - the program by its path, arguments as a list
            command,
            input=header + picture.pixels,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OcrFailed(str(error)) from error
    if done.returncode:
        raise OcrFailed(done.stderr[-500:].decode("utf-8", "replace"))
    return list(_lines(done.stdout[:_MAX_OUTPUT].decode("utf-8", "replace"), picture))


def _lines(table: str, picture: Picture) -> Iterator[ReadLine]:
    """From tesseract's table of words, whose rows have the numbers of block, paragraph and line."""
    words: defaultdict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = row.get("text")
        if text and text.strip() and float(row["conf"]) >= _UNSURE:
            words[row["block_num"], row["par_num"], row["line_num"]].append(row)
    sure = {key: line for key, line in words.items() if median(float(word["conf"]) for word in line) >= _SURE}
    if not sure:
        return
    usual = median(map(_height, sure.values())), median(map(_letter_width, sure.values()))
    for line in sure.values():
        yield _line(line, picture, usual)


def _line(words: Sequence[dict[str, str]], picture: Picture, usual: tuple[float, float]) -> ReadLine:
    points = 72 / picture.dpi
    height = _height(words)
    is_title = height >= _TALLER * usual[0] and _letter_width(words) >= _WIDER * usual[1]
    right = max(int(word["left"]) + int(word["width"]) for word in words)
    bottom = max(int(word["top"]) + int(word["height"]) for word in words)
    return ReadLine(
        " ".join(word["text"].strip() for word in words),
        x0=min(int(word["left"]) for word in words) * points,
        x1=right * points,
        y=(picture.height - bottom) * points,
        size=round((height if is_title else usual[0]) * points, 1),
    )


def _height(words: Sequence[dict[str, str]]) -> float:
    return float(median(int(word["height"]) for word in words))


def _letter_width(words: Sequence[dict[str, str]]) -> float:
    return sum(int(word["width"]) for word in words) / sum(len(word["text"].strip()) for word in words)

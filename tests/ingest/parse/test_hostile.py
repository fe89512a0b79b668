"""Files made to break whoever reads them, and damaged ones: each ends in a document or in a sentence for a person.

All go through one real process with the usual limits, which has to live or to be replaced.
"""

from __future__ import annotations

import random
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import LorekeeperError, TooLarge, UnreadableDocument
from core.types import ParsedDocument
from ingest.parse.process import ParserProcess
from ingest.parse.sandbox import MEMORY_BYTES
from tests.ingest.parse import bombs
from tests.ingest.parse.samples import TEXT, samples

MB = 1_000_000
SENTENCES = re.compile(r"[A-Z0-9“][^\n]{5,400}[.)]")


class Watched:
    """A process whose every answer is checked."""

    def __init__(self, parser: ParserProcess) -> None:
        self._parser = parser

    def read(self, data: bytes, name: str) -> ParsedDocument | LorekeeperError:
        result = self._outcome(data, name)
        if isinstance(result, LorekeeperError):
            assert SENTENCES.fullmatch(result.message), result.message
            assert not re.search(r"Traceback|Error\b|0x|\.py\b|None", result.message), result.message
        assert self.peak() < MEMORY_BYTES + 100 * MB  # code and what is read of it come on top
        return result

    def _outcome(self, data: bytes, name: str) -> ParsedDocument | LorekeeperError:
        try:
            return self._parser.parse(data, name)
        except (UnreadableDocument, TooLarge) as error:
            return error

    def refused(self, data: bytes, name: str) -> LorekeeperError:
        result = self.read(data, name)
        assert isinstance(result, LorekeeperError)
        return result

    def peak(self) -> int:
        """Bytes of memory that the process had at most, while it lives."""
        try:
            status = Path(f"/proc/{self._parser.pid}/status").read_text()
        except OSError:
            return 0
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 if "VmHWM:" in status else 0


@pytest.fixture(scope="module")
def process() -> Iterator[ParserProcess]:
    with closing(ParserProcess(seconds=60)) as parser:
        yield parser
        parser.stop()


@pytest.fixture
def reader(process: ParserProcess) -> Iterator[Watched]:
    """Whatever a test makes it read, the next file is read as ever, and this process has not grown by it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield Watched(process)
    assert process.parse(TEXT.encode(), "a.txt").blocks[0].text == TEXT
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 700 * MB


@pytest.mark.parametrize("name", samples())
def test_each_sample_is_read(reader: Watched, name: str) -> None:
    result = reader.read(samples()[name], name)
    assert isinstance(result, ParsedDocument)
    everything = " ".join(
        [*(block.text for block in result.blocks), *(each.data.decode() for each in result.attachments)]
    )
    assert TEXT in everything


class TestBombs:
    def test_a_flat_one(self, reader: Watched) -> None:
        assert "zip bomb" in reader.refused(bombs.flat_zip(), "a.zip").message

    @pytest.mark.parametrize("name", ["zeros.txt", "word/document.xml", "xl/workbook.xml", "content.xml"])
    def test_one_that_lies_about_its_size(self, reader: Watched, name: str) -> None:
        reader.refused(bombs.lying_zip(name=name), "a.zip")

    def test_archives_in_archives(self, reader: Watched) -> None:
        result = reader.read(bombs.nested_zip(), "a.zip")
        assert isinstance(result, ParsedDocument)
        assert len(result.attachments) == 10

    def test_members_that_share_their_bytes(self, reader: Watched) -> None:
        reader.refused(bombs.overlapping_zip(), "a.zip")

    def test_more_members_than_there_should_be(self, reader: Watched) -> None:
        assert isinstance(reader.refused(bombs.crowded_zip(), "a.zip"), TooLarge)

    @pytest.mark.parametrize("name", bombs.in_every_format("laughs"))
    def test_entities_within_entities(self, reader: Watched, name: str) -> None:
        result = reader.read(bombs.in_every_format("laughs")[name], name)
        if isinstance(result, ParsedDocument):
            assert sum(len(block.text) for block in result.blocks) < 10_000

    @pytest.mark.parametrize("name", bombs.in_every_format("outside"))
    def test_files_and_addresses_from_outside(self, reader: Watched, name: str) -> None:
        result = reader.read(bombs.in_every_format("outside")[name], name)
        if isinstance(result, ParsedDocument):
            assert not any("root:" in block.text for block in result.blocks)

    @pytest.mark.parametrize("name", bombs.nested())
    def test_depth(self, reader: Watched, name: str) -> None:
        reader.read(bombs.nested()[name], name)

    @pytest.mark.parametrize("name", bombs.repetitive())
    def test_repetition(self, reader: Watched, name: str) -> None:
        result = reader.read(bombs.repetitive()[name], name)
        assert isinstance(result, ParsedDocument) or "took longer" not in result.message

    @pytest.mark.parametrize("name", bombs.wide())
    def test_width(self, reader: Watched, name: str) -> None:
        result = reader.read(bombs.wide()[name], name)
        if isinstance(result, ParsedDocument):
            assert sum(len(block.text) for block in result.blocks) < 64 * MB

    @pytest.mark.parametrize(
        "data", [bombs.looping_pdf(), bombs.endless_pdf(), bombs.claiming_pdf()], ids=["loop", "tree", "count"]
    )
    def test_pages_without_end(self, reader: Watched, data: bytes) -> None:
        reader.refused(data, "a.pdf")

    @pytest.mark.slow
    def test_a_hundred_megabytes_of_xml_in_a_few_kilobytes(self, reader: Watched) -> None:
        data = bombs.large_docx()
        assert len(data) < MB
        reader.refused(data, "a.docx")

    @pytest.mark.slow
    def test_xml_whose_tree_is_larger_than_memory(self, reader: Watched) -> None:
        assert isinstance(reader.refused(bombs.dense_docx(), "a.docx"), TooLarge)


@pytest.mark.parametrize("name", samples())
def test_files_that_end_too_early(reader: Watched, name: str) -> None:
    data = samples()[name]
    for share in (0.02, 0.25, 0.5, 0.75, 0.95):
        reader.read(data[: int(len(data) * share)], name)


@pytest.mark.parametrize("name", samples())
def test_one_format_in_the_clothes_of_another(reader: Watched, name: str) -> None:
    """The beginning of one file before the body of another."""
    for other, data in samples().items():
        if other != name and len(data) < 20_000:
            reader.read(samples()[name][:60] + data[60:], name)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """With a few bytes changed, taken out, doubled or put in; inside of a zip container's members where it is one."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 2, 5, 20))):
        at, length = chance.randrange(len(result)), chance.choice((1, 2, 8, 100))
        kind = chance.randrange(5)
        if kind == 0:
            result[at] = chance.randrange(256)
        elif kind == 1 and len(result) > length:
            del result[at : at + length]
        elif kind == 2:
            result[at:at] = result[at : at + length] * chance.choice((1, 3))
        elif kind == 3:
            result[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"99999999"))
        else:
            result[at:at] = chance.choice((b"<", b">", b"&#0;", b"\\", b'"', b"(" * 50, b"\0", b"\xed\xa0\x80", b"-1"))
    return bytes(result)


def fuzzed(name: str, chance: random.Random) -> bytes:
    data = samples()[name]
    if not data.startswith(b"PK") or chance.random() < 0.3:
        return mutated(data, chance)
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        part = chance.choice([each for each in archive.namelist() if archive.getinfo(each).file_size])
        content = archive.read(part)
    return bombs.replaced(data, part, mutated(content, chance))


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("runs", [30, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_changed_at_random(reader: Watched, name: str, runs: int) -> None:
    for seed in range(runs):
        data = fuzzed(name, random.Random(f"{name} {seed}"))
        try:
            reader.read(data, name)
        except Exception as error:
            raise AssertionError(f"{name} with the seed {seed}") from error

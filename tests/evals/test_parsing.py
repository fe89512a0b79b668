"""How much of files is read: the comparison by itself, and small files of every format through the real process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.settings_documents import Parse
from core.types import Block, BlockKind, ParsedDocument
from evals.commands import app
from evals.parsing import evaluate_parsing, row_recall, word_recall
from evals.plain_readings import plain_rows, plain_words
from ingest.parse import PARSERS, formats, parse
from tests.ingest.parse.office import packed, workbook
from tests.ingest.parse.samples import TEXT, samples

WITHOUT_A_SIMPLE_READING = {formats.MSG, formats.RTF, formats.ZIP, *formats.PICTURES}


def document(*blocks: Block, title: str = "") -> ParsedDocument:
    return ParsedDocument(title, blocks)


def unheard(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, data in samples().items():
        (folder / name).write_bytes(data)
    (folder / "inner").mkdir()
    (folder / "inner" / "b.txt").write_text("Ninety days.")
    (folder / "setup.exe").write_bytes(b"MZ" + bytes(100))
    (folder / "empty.txt").write_bytes(b"")
    return folder


def test_words_count_as_often_as_they_stand_there() -> None:
    read = document(Block("You have THIRTY days;"), title="Leave days")
    assert word_recall(read, ["days", "days", "thirty", "leave"]) == (4, 4)
    assert word_recall(read, ["days", "days", "days", "sick"]) == (2, 4)


class TestRows:
    TABLE = document(Block("| Country | Days |\n| --- | --- |\n| DE | 30 \\| 31 |\n| FR | 25 |", BlockKind.TABLE))

    def test_cells_of_one_row_are_found_together(self) -> None:
        assert row_recall(self.TABLE, [["Country", "Days"], ["DE", "30 | 31"], ["FR", "25"]]) == (6, 6)

    def test_cells_of_different_rows_are_not(self) -> None:
        assert row_recall(self.TABLE, [["DE", "25"]]) == (1, 2)
        assert row_recall(self.TABLE, [["IT", "25"]]) == (0, 2)

    def test_rows_may_be_written_as_text(self) -> None:
        assert row_recall(document(Block("Country: DE\nDays: 30")), [["DE", "30"]]) == (2, 2)
        assert row_recall(document(Block("Country: DE"), Block("Days: 30")), [["DE", "30"]]) == (1, 2)

    def test_a_word_is_not_found_in_the_middle_of_another(self) -> None:
        assert row_recall(document(Block("30 days, DEU")), [["DE", "3"]]) == (0, 2)


@pytest.mark.parametrize("name", samples())
def test_the_simple_reading_finds_what_the_samples_say(name: str) -> None:
    media_type = parse(samples()[name], name).media_type
    words = plain_words(samples()[name], media_type)
    assert (words is None) == (media_type in WITHOUT_A_SIMPLE_READING)
    if words is not None:
        assert {"thirty", "days"} <= set(words)


def test_hidden_sheets_and_columns_are_not_compared() -> None:
    cell = '<c r="{0}1" t="inlineStr"><is><t>{0}</t></is></c>'
    row = f'<row r="1">{cell.format("A")}{cell.format("B")}{cell.format("AA")}</row>'
    data = workbook(f'<cols><col min="2" max="2" hidden="1"/></cols><sheetData>{row}</sheetData>')
    assert plain_rows(data, formats.XLSX) == [["A", "AA"]]


@pytest.mark.parametrize("media_type", PARSERS)
def test_what_is_damaged_is_not_compared(media_type: str) -> None:
    for data in (b"", b"PK\x03\x04", b"\xff\xfe\xff", packed({"a": b"x"})[:-10]):
        plain_words(data, media_type)
        plain_rows(data, media_type)


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, object]]:
    found = evaluate_parsing([folder], Parse(), unheard, tables=4)
    assert found[0]["format"] == "all"
    return {str(row["format"]): row for row in found}


class TestAll:
    def test_everything_is_counted(self, rows: dict[str, dict[str, object]]) -> None:
        files = len(samples()) + 3
        total = rows["all"]
        assert (total["files"], total["read"], total["refused"], total["failed"]) == (files, files - 2, 2, 0)
        assert total["reasons"] == {"UnsupportedFormat": 1, "NoText": 1}
        assert total["processes_broken"] == 0
        assert float(str(total["reader_peak_mb"])) > 20

    def test_each_format_has_a_row(self, rows: dict[str, dict[str, object]]) -> None:
        assert {"pdf", "docx", "xlsx", "pptx", "odt", "eml", "html", "exe"} <= set(rows)
        assert rows["txt"]["files"] == 3
        assert rows["exe"]["text_recall"] is None
        assert "This is a program" in str(rows["exe"]["reasons"])

    @pytest.mark.parametrize("name", ["docx", "pptx", "odt", "odp", "txt", "html", "eml", "xml", "csv", "tsv"])
    def test_samples_are_read_whole(self, rows: dict[str, dict[str, object]], name: str) -> None:
        assert rows[name]["text_recall"] == 1.0

    @pytest.mark.parametrize("name", ["xlsx", "ods", "csv", "tsv", "html", "docx"])
    def test_so_are_their_tables(self, rows: dict[str, dict[str, object]], name: str) -> None:
        assert rows[name]["cell_recall"] == 1.0

    def test_made_tables_are_compared_with_what_was_drawn(self, rows: dict[str, dict[str, object]]) -> None:
        made = rows["pdf, made tables"]
        assert float(str(made["cell_recall"])) > 0.9
        assert float(str(made["text_recall"])) > 0.9


def test_the_command_prints_rows_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREKEEPER_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "a.txt").write_text(TEXT)
    done = CliRunner().invoke(app, ["parse", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    total, row = map(json.loads, done.stdout.splitlines())
    assert (total["format"], row["format"], row["text_recall"]) == ("all", "txt", 1.0)
    shown = CliRunner().invoke(app, ["parse", str(tmp_path)])
    assert "text_recall" in shown.stdout

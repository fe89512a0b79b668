from __future__ import annotations

import pytest

from core.types import BlockKind, ParsedDocument
from ingest.parse import delimited, detect, parse
from ingest.parse.errors import NoText


def read(text: str, name: str = "leave.csv") -> ParsedDocument:
    return parse(text.encode(), name)


def tables(document: ParsedDocument) -> list[str]:
    return [block.text for block in document.blocks if block.kind is BlockKind.TABLE]


def test_every_piece_has_the_names_of_the_columns_and_says_which_rows_it_holds() -> None:
    document = read("Name,Days\n" + "".join(f"Person {n},{n}\n" for n in range(1, 51)))
    headings = [block.text for block in document.blocks if block.kind is BlockKind.HEADING]
    assert headings == ["rows 2–21", "rows 22–41", "rows 42–51"]
    assert all(table.startswith("| Name | Days |\n| --- | --- |\n") for table in tables(document))
    assert tables(document)[1].split("\n")[2] == "| Person 21 | 21 |"
    assert document.title == "Leave"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_how_evenly_it_cuts(delimiter: str) -> None:
    rows = [["City", "Note, short", "Price"], ["Bonn", "first; then", "1,50"], ["Köln", "a|b", "2,75"]]
    text = "\n".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows)
    assert tables(read(text))[0].split("\n")[2] == "| Bonn | first; then | 1,50 |"


def test_a_stated_delimiter_is_believed() -> None:
    assert tables(read("sep=;\nA;B\n1,5;2,5\n"))[0] == "| A | B |\n| --- | --- |\n| 1,5 | 2,5 |"


def test_quoted_cells_may_hold_delimiters_lines_and_quotes() -> None:
    document = read('Name,Text\nBob,"He said ""no"", twice\nand left"\n')
    assert tables(document) == ['| Name | Text |\n| --- | --- |\n| Bob | He said "no", twice and left |']


def test_a_quote_that_nobody_closes_does_not_swallow_the_rest() -> None:
    document = read('Part,Size\n"Pipe,5\nBolt,3\n')
    assert tables(document)[0].split("\n")[2:] == ['| "Pipe | 5 |', "| Bolt | 3 |"]


def test_signs_for_inches_are_no_quotes() -> None:
    assert tables(read('Part,Size\nPipe,5"\nBolt,3\n'))[0].split("\n")[2:] == ['| Pipe | 5" |', "| Bolt | 3 |"]


def test_other_encodings_are_read() -> None:
    document = parse("Straße;Ort\nHauptstraße 1;Köln\nMühlweg 2;Düren\n".encode("cp1252"), "orte.csv")
    assert "| Hauptstraße 1 | Köln |" in tables(document)[0]
    assert document.losses


def test_without_a_header_columns_have_letters() -> None:
    assert tables(read("1,2\n3,4\n"))[0] == "| A | B |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"


def test_a_title_above_the_table_is_no_header() -> None:
    document = read("Overtime of 2024\n\nName,Hours\nBob,3\nAnna,4\n")
    assert [(block.kind, block.text) for block in document.blocks][:2] == [
        (BlockKind.HEADING, "Overtime of 2024"),
        (BlockKind.HEADING, "rows 4–5"),
    ]
    assert tables(document)[0].startswith("| Name | Hours |")


def test_rows_after_an_empty_line_keep_their_columns_names() -> None:
    document = read("Name,Hours\nBob,3\n\nAnna,4\nCleo,5\n")
    assert tables(document)[1] == "| Name | Hours |\n| --- | --- |\n| Anna | 4 |\n| Cleo | 5 |"


@pytest.mark.parametrize("below", ["2024,,\nAlice,5,", ",5,", "Alice,5,\nBob,6,"])
def test_names_with_an_empty_line_below_stay(below: str) -> None:
    (table,) = tables(read(f"Name,Amount,Comment\n,,\n{below}\n"))
    assert table.startswith("| Name | Amount | Comment |")


def test_lines_without_a_delimiter_are_one_column() -> None:
    assert tables(read("Words\nLorem, ipsum\ndolor\nsit\namet\n"))[0].split("\n")[2] == "| Lorem, ipsum |"


def test_pipes_in_cells_do_not_cut_them() -> None:
    assert tables(read("A,B\nx|y,1\n"))[0].split("\n")[2] == r"| x\|y | 1 |"


def test_long_rows_stand_alone() -> None:
    document = read("Name,Text\n" + "".join(f"{n},{'word ' * 200}\n" for n in range(3)))
    assert [block.text for block in document.blocks if block.kind is BlockKind.HEADING] == ["row 2", "row 3", "row 4"]


def test_more_cells_than_can_be_read_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_CELLS", 10)
    document = read("A,B\n" + "1,2\n" * 20)
    assert document.losses == ("The table is too large to be read whole: only the first 10 cells were read.",)


def test_an_absurdly_long_cell_is_cut_and_said_to_be() -> None:
    document = read(f"A,B\n{'x' * 200_000},1\n")
    assert max(len(block.text) for block in document.blocks) < 140_000
    assert document.losses == ("One cell is longer than 131,072 characters and was cut.",)


@pytest.mark.parametrize(
    ("text", "name", "media_type"),
    [
        ("a,b\n1,2\n", "x.csv", "text/csv"),
        ("a\tb\n1\t2\n", "x.tsv", "text/tab-separated-values"),
        ("a\tb\tc\n1\t2\t3\n4\t5\t6\n", "x", "text/tab-separated-values"),
        ("a,b,c\n1,2,3\n4,5,6\n", "x", "text/csv"),
        ("First, second, and third.\nThen, of course, more.\nA last line.\n", "x", "text/plain"),
        ("a,b,c\n1,2,3\n4,5,6\n", "x.txt", "text/plain"),
    ],
)
def test_tables_are_told_by_their_names_or_by_being_clearly_such(text: str, name: str, media_type: str) -> None:
    assert detect(text.encode(), name) == media_type


def test_nothing_but_delimiters_is_no_text() -> None:
    with pytest.raises(NoText):
        read(",,,\n,,,\n")

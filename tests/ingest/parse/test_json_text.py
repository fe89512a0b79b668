"""JSON: values with their keys, as passages that can be found and cited."""

from __future__ import annotations

import json

import pytest

from core.errors import TooLarge, UnreadableDocument
from core.types import BlockKind, ParsedDocument
from ingest.parse import detect, json_text, parse


def read(text: str, name: str = "data/staff.json") -> ParsedDocument:
    return parse(text.encode(), name)


def texts(document: ParsedDocument, kind: BlockKind = BlockKind.TEXT) -> list[str]:
    return [block.text for block in document.blocks if block.kind is kind]


def test_short_flat_records_become_a_table() -> None:
    document = read('[{"name":"Ann","days":30},{"name":"Bob","days":25.50,"note":"part | time"}]')
    assert texts(document, BlockKind.TABLE) == [
        "| name | days | note |\n| --- | --- | --- |\n| Ann | 30 |  |\n| Bob | 25.50 | part \\| time |"
    ]
    assert document.title == "Staff"


def test_long_tables_are_several_blocks_with_the_header_in_each() -> None:
    tables = texts(read(json.dumps([{"id": i, "days": i} for i in range(120)])), BlockKind.TABLE)
    assert len(tables) == 3
    assert all(table.startswith("| id | days |\n") for table in tables)


def test_long_records_become_paragraphs_under_what_they_are_called() -> None:
    document = read(json.dumps([{"id": i, "title": f"Rule {i}", "text": "word " * 80} for i in range(2)]))
    assert texts(document, BlockKind.HEADING) == ["Rule 0", "Rule 1"]
    assert texts(document)[1].startswith("id: 1\ntitle: Rule 1\ntext: word word")


def test_objects_become_headings_and_paths() -> None:
    document = read(
        '{"title":"Handbook","leave":{"days":30,"sick":{"call":"before 9","to":["HR","lead"]}},'
        '"a":{"b":{"c":{"d":{"e":{"f":1}}}}},"empty":{},"none":null}'
    )
    assert document.title == "Handbook"
    assert [(b.text, b.level) for b in document.blocks if b.kind is BlockKind.HEADING] == [
        ("leave", 1), ("sick", 2), ("a", 1), ("b", 2), ("c", 3), ("d", 4)
    ]  # fmt: skip
    assert texts(document) == ["title: Handbook", "days: 30", "call: before 9\nto: HR, lead", "e.f: 1"]


def test_lists_of_texts_and_mixed_lists() -> None:
    document = read(json.dumps(["first " * 40, "second", {"name": "Ann", "rows": [[1, 2], [3]]}, True]))
    assert texts(document, BlockKind.LIST)[0].endswith("- second")
    assert texts(document, BlockKind.HEADING) == ["Ann", "rows"]
    assert "- true" in texts(document, BlockKind.LIST)[-1]


def test_numbers_stay_as_they_are_written() -> None:
    document = read('{"a":1.10,"b":1e5,"c":' + "9" * 6000 + ',"d":-0,"e":NaN,"f":true}')
    assert texts(document)[0] == f"a: 1.10\nb: 1e5\nc: {'9' * 6000}\nd: -0\ne: NaN\nf: true"


class TestLines:
    def test_each_line_is_a_record_and_broken_ones_are_counted(self) -> None:
        document = read('{"a":1,"b":2}\n\n{"a":3,"b":4}\n{"a":5,\n\x1e{"a":6,"b":7}\n', "log.jsonl")
        assert texts(document, BlockKind.TABLE)[0].endswith("| 1 | 2 |\n| 3 | 4 |\n| 6 | 7 |")
        assert document.losses == ("One line is no JSON and could not be read.",)

    def test_lines_in_a_file_that_is_called_json(self) -> None:
        assert texts(read('{"a":1,"b":2}\n{"a":3,"b":4}'), BlockKind.TABLE)


def test_comments_and_commas_too_many_are_forgiven() -> None:
    document = read('// settings\n{"url": "http://x//y", /* which */ "days": [30, 31,],}')
    assert texts(document) == ["url: http://x//y\ndays: 30, 31"]


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2,"b":{"c":3,"c":4,"c":5}}', '{"a":1,"a":2,"b":{"c":3,"c":4,"c":5},}', '{"a":1,"a":2}\n{"b":3}\n{"c":4,"c":5,"c":6}'],
    ids=["plain", "with a comma too many", "lines"],
)  # fmt: skip
def test_keys_that_come_again_are_told(text: str) -> None:
    document = read(text)
    assert document.losses == ("3 values were left out for a later one under the same key.",)


@pytest.mark.parametrize("text", ["{", '{"a":1', "nothing", '{"a":1} and more', "[1,2"])
def test_what_is_no_json_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"not valid JSON: .* \(line 1, column \d+\)"):
        read(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300])
def test_endless_nesting_is_refused(text: str) -> None:
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        read(text)


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_MAX_VALUES", 10)
    with pytest.raises(TooLarge):
        read(json.dumps(list(range(20))))


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b'{"a": 1}', "settings", "application/json"),
        (b'[{"a": 1}]', "export", "application/json"),
        (b"[1] Smith, J. (2020)", "references", "text/plain"),
        (b"{name}, thank you", "letter", "text/plain"),
        (b'{"a": 1}', "example.txt", "text/plain"),
        (b'{"a": 1}\n{"a": 2}', "log.ndjson", "application/json"),
    ],
)
def test_it_is_told_by_content(data: bytes, name: str, kind: str) -> None:
    assert detect(data, name) == kind

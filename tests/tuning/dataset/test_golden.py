"""Golden questions: which documents they name, and what their answer is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.types import Document, DocumentStatus, Passage, Turn
from tuning.dataset.golden import GoldenQuestion, Names, draft, read_golden
from tuning.dataset.types import Draft, Kind

DOCUMENT = Document(
    "a" * 32,
    "hr",
    "Handbook",
    "file:///srv/Hand%20book.pdf",
    DocumentStatus.READY,
    "",
    "",
    0,
    datetime(2026, 1, 1, tzinfo=UTC),
)
FIRST = Passage("c1", DOCUMENT.id, "Handbook", "Annual leave is 13 days. Sick leave is 30 days.", "", 0.0, page=1)
SECOND = Passage("c2", DOCUMENT.id, "Handbook", "Travel needs the approval of a manager.", "", 0.0, page=2)
PASSAGES = {DOCUMENT.id: [FIRST, SECOND]}


def drafted(**changes: Any) -> Draft | str:
    question = replace(GoldenQuestion("q1", "How long is annual leave?", ("13 days",), ("Handbook",)), **changes)
    return draft(question, Names([DOCUMENT]), PASSAGES, "hr", "golden: set")


def answer(**changes: Any) -> str:
    found = drafted(**changes)
    assert isinstance(found, Draft)
    return found.answer


class TestDocuments:
    @pytest.mark.parametrize(
        "name", [DOCUMENT.id, "Handbook", "file:///srv/Hand%20book.pdf", "Hand book.pdf", "Hand book"]
    )
    def test_all_that_people_call_it_leads_to_it(self, name: str) -> None:
        assert Names([DOCUMENT]).find(name) == (DOCUMENT.id, None)

    def test_one_page_can_be_named(self) -> None:
        assert Names([DOCUMENT]).find("Hand book.pdf#page=2") == (DOCUMENT.id, 2)
        found = drafted(gold=("Hand book.pdf#page=1",))
        assert isinstance(found, Draft)
        assert found.chunks == {"c1"}

    def test_a_name_that_two_have_leads_nowhere(self) -> None:
        twin = replace(DOCUMENT, id="b" * 32, source="file:///elsewhere/other.pdf")
        assert Names([DOCUMENT, twin]).find("Handbook") is None

    def test_a_document_that_is_not_there_is_reported(self) -> None:
        assert "not indexed" in str(drafted(gold=("Handbook", "Unknown")))


class TestAnswers:
    def test_a_phrase_is_answered_with_the_sentence_that_holds_it(self) -> None:
        assert answer() == "Annual leave is 13 days."

    def test_a_phrase_that_stands_in_several_sentences_goes_to_the_one_with_the_questions_words(self) -> None:
        assert answer(text="How many days is sick leave?", answers=("days",)) == "Sick leave is 30 days."
        assert "several sentences" in str(drafted(text="How many?", answers=("days",)))

    def test_a_whole_answer_stays_without_its_own_marks(self) -> None:
        given = "Everybody has thirteen days of annual leave a year.[Hand_book.pdf#page=1]"
        assert answer(answers=(given,)) == "Everybody has thirteen days of annual leave a year."

    def test_an_answer_that_stands_nowhere_is_reported(self) -> None:
        assert "stands nowhere" in str(drafted(answers=("99 days",)))

    def test_a_question_that_a_person_found_unanswerable_has_none(self) -> None:
        found = drafted(answerable=False, gold=(), answers=())
        assert isinstance(found, Draft)
        assert (found.kind, found.answer) == (Kind.UNANSWERABLE, "")


class TestFile:
    def test_it_is_read_in_the_format_of_the_evaluations(self, tmp_path: Path) -> None:
        row = {"qid": 7, "question": "How long?", "gold_doc_ids": ["a"], "answers": ["13 days"], "answerable": True}
        row["history"] = [{"role": "user", "text": "Is there leave?"}]
        path = tmp_path / "golden.jsonl"
        path.write_text(json.dumps(row) + "\n\n")
        assert read_golden(path) == [
            GoldenQuestion("7", "How long?", ("13 days",), ("a",), (Turn("user", "Is there leave?"),), True)
        ]

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("{", "line 1, is not a golden question"),
            ('{"qid": 1}', "line 1, lacks question"),
            ('{"qid": 1, "question": 2}', "line 1, is not"),
            ('["qid"]', "line 1, is not"),
            ('{"qid": 1, "question": "?", "answers": "13 days"}', "line 1, is not .* lists of answers"),
            ('{"qid": 1, "question": "?", "gold_doc_ids": "leave.md"}', "line 1, is not .* lists of answers"),
            ('{"qid": 1, "question": "?", "history": [{"role": "system", "text": "Obey."}]}', "line 1, is not"),
        ],
    )
    def test_a_line_that_is_wrong_is_named(self, tmp_path: Path, line: str, said: str) -> None:
        path = tmp_path / "golden.jsonl"
        path.write_text(line)
        with pytest.raises(InvalidRequest, match=said):
            read_golden(path)

    def test_what_cannot_be_written_again_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "golden.jsonl"
        path.write_text('{"qid": 1, "question": "How\\ud800 long?\\u0000", "answers": ["13\\udfff days"]}')
        (question,) = read_golden(path)
        assert (question.text, question.answers) == ("How? long?", ("13? days",))

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="cannot be read as golden questions: No such file or directory"):
            read_golden(tmp_path / "none.jsonl")

    def test_a_file_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "golden.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
        with pytest.raises(InvalidRequest, match=r"golden\.xlsx cannot be read .*: it is not text in UTF-8"):
            read_golden(tmp_path / "golden.xlsx")


def test_a_file_from_windows_and_a_line_separator_in_a_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    row = {"qid": "1", "question": "How\u2028much leave?"}
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row, ensure_ascii=False).encode() + b"\r\n")
    assert [each.text for each in read_golden(path)] == ["How\u2028much leave?"]

"""General questions, and when a reply to one is right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.prompts import NO_ANSWER
from tuning.evaluation.general import is_right, read_general
from tuning.evaluation.types import GeneralQuestion


def asked(*answers: str, exact: bool = False) -> GeneralQuestion:
    return GeneralQuestion("?", answers, "", "en", exact)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("12", "The answer is 12."),
        ("Paris", "**Paris**, of course"),
        ("carbon dioxide", "It is Carbon Dioxide!"),
        ("H2O", "H₂O"),
        ("0.9", "0.9 is larger."),
        ("富士山", "日本で一番高い山は富士山です。"),
        ("42", "42です"),
        ("Häuser", "die häuser"),
    ],
)
def test_a_reply_that_holds_the_answer_is_right(answer: str, reply: str) -> None:
    assert is_right(asked("something else", answer), reply)


@pytest.mark.parametrize(("answer", "reply"), [("12", "112"), ("cat", "concatenate"), ("no", ""), ("0.9", "0.95")])
def test_a_part_of_a_word_or_number_is_not_the_answer(answer: str, reply: str) -> None:
    assert not is_right(asked(answer), reply)


def test_where_nothing_else_may_be_said_nothing_else_is_right() -> None:
    exact = asked("1, 2, 3", exact=True)
    assert is_right(exact, " 1, 2, 3.\n")
    assert not is_right(exact, "Here they are: 1, 2, 3")


def test_the_built_in_questions_are_many_of_several_kinds_and_languages() -> None:
    questions = read_general()
    assert len(questions) >= 100
    assert len({each.question for each in questions}) == len(questions)
    kinds, languages = (Counter(getattr(each, name) for each in questions) for name in ("kind", "language"))
    assert min(kinds.values()) >= 10
    assert len(kinds) >= 4
    assert {"en", "de", "fr", "es", "ja", "zh"} <= set(languages)


@pytest.mark.parametrize("question", read_general(), ids=lambda each: each.question[:40])
def test_a_built_in_answer_is_right_and_a_refusal_is_not(question: GeneralQuestion) -> None:
    assert all(is_right(question, answer) for answer in question.answers)
    assert not is_right(question, NO_ANSWER)


def test_a_file_of_ones_own_needs_only_questions_and_answers(tmp_path: Path) -> None:
    path = tmp_path / "general.jsonl"
    path.write_text(
        '{"question": "Why?", "answers": ["Because"]}\n\n{"question": "Go", "answers": ["ok"], "match": "exact"}\n'
    )
    first, second = read_general(path)
    assert (first.answers, first.is_exact, second.is_exact) == (("Because",), False, True)


def test_a_file_from_windows_and_a_line_separator_in_a_text_are_read(tmp_path: Path) -> None:
    path = tmp_path / "general.jsonl"
    path.write_bytes('{"question": "Why?\u2028Because?", "answers": ["yes"]}\r\n'.encode("utf-8-sig"))
    assert [each.question for each in read_general(path)] == ["Why?\u2028Because?"]


@pytest.mark.parametrize(
    "line", ["nonsense", "[]", '{"question": "Why?"}', '{"question": "Why?", "answers": []}',
             '{"question": "", "answers": ["x"]}', '{"question": "Why?", "answers": ["?"]}',
             '{"question": "Why?", "answers": "13"}'],
)  # fmt: skip
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "general.jsonl"
    path.write_text('{"question": "Why?", "answers": ["Because"]}\n' + line)
    with pytest.raises(InvalidRequest, match="line 2"):
        read_general(path)


def test_no_file_and_an_empty_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file or directory"):
        read_general(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InvalidRequest, match="no questions"):
        read_general(tmp_path / "empty.jsonl")

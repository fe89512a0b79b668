"""How an answer looks in a terminal, whatever the documents hold."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from rich.console import Console

from bots.terminal import converse, print_answer
from core.types import Answer, Citation, Event, Finished, Outcome, Question, Receipt, Signals, Status

CITATION = Citation(1, "Leave", "page 3, Vacation", "You accrue 13 days.", "d1")
ANSWER = Answer("q", Outcome.ANSWERED, "You accrue 13 days. [1]", (CITATION,), generator="chat:lore")
DRIVES_TERMINAL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e"


def printed(answer: Answer, *, why: bool = False) -> str:
    out = io.StringIO()
    print_answer(answer, why=why, console=Console(file=out, force_terminal=False, soft_wrap=True))
    return out.getvalue()


class Parrot:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        self.questions.append(question)
        yield Status("searching")
        yield Finished(replace(ANSWER, text=f"You asked: {question.text}"))

    async def ask(self, question: Question) -> Answer:
        raise NotImplementedError


def test_an_answer_has_its_sources_below() -> None:
    assert printed(ANSWER).splitlines() == [
        "You accrue 13 days. [1]",
        "",
        "Sources",
        "[1] Leave, page 3, Vacation",
        "    “You accrue 13 days.”",
    ]


def test_quoted_sentences_are_said_to_be_that_and_a_notice_is_shown() -> None:
    text = printed(replace(ANSWER, generator="extractive", notice="The model is down."))
    assert "The model is down." in text
    assert "no language model was used" in text


def test_a_no_answer_shows_the_closest_passages_as_such() -> None:
    text = printed(Answer("q", Outcome.NO_EVIDENCE, "I could not find this.", nearest=(CITATION,)))
    assert "Closest passages" in text
    assert "Sources" not in text
    assert "[1] Leave" in text


def test_a_document_cannot_drive_the_terminal_nor_use_its_markup() -> None:
    evil = f"{DRIVES_TERMINAL}[bold red]13\u00a0days[/]"
    text = printed(replace(ANSWER, text=evil, citations=(replace(CITATION, title=evil, locator="", quote=evil),)))
    assert not set(text) & set("\x1b\x07\x9b\r\u202e")
    assert text.count("[bold red]13 days[/]") == 3


def test_why_shows_what_the_answer_was_decided_on() -> None:
    receipt = Receipt(Signals(0.8, 0.7, 1.0), 0.9, 0.35, (), {"retrieve": 12.0})
    text = printed(replace(ANSWER, standalone="vacation days", why=receipt), why=True)
    assert "Looked up: vacation days" in text
    assert "Confidence 0.90, threshold 0.35: answer" in text
    assert "retrieve 12 ms" in text


@pytest.mark.parametrize("end", ["", "\n", "   \n"])
def test_a_conversation_is_one_thread_and_ends_with_an_empty_line_or_the_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"First?\nSecond?\n{end}"))
    parrot = Parrot()
    converse(parrot, "hr")
    out = capsys.readouterr().out
    assert out.index("You asked: First?") < out.index("You asked: Second?")
    assert len({question.thread for question in parrot.questions}) == 1
    assert len({question.id for question in parrot.questions}) == 2
    assert {question.scope.namespace for question in parrot.questions} == {"hr"}

"""Files on their way, and what commands tell, as messages of Discord."""

from __future__ import annotations

import pytest

from bots.chat.progress import FileProgress, Stage
from bots.chat.results import Action, Result, Row
from bots.discord.render import progress_message, result_message
from tests.bots.discord.rendering import HOSTILE, buttons_of, check, named

_NAMES = ["a.pdf", "<@1> @here " * 11, "*" * 200, "<" * 200, "`_~" * 60, "@everyone.pdf"]


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("number", [1, 10, 100, 500])
def test_discord_takes_it_however_many_files_there_are_and_whatever_they_are_called(name: str, number: int) -> None:
    check(progress_message([FileProgress(name[:200], Stage.FAILED, name * 3)] * number, "default"))


def test_each_file_is_named_with_its_mark() -> None:
    files = [
        FileProgress("a.pdf", Stage.READING),
        FileProgress("b.pdf", Stage.SEARCHABLE, "2 passages."),
        FileProgress("c.pdf", Stage.EMBEDDING, "120 of 300 passages, about 40 seconds left"),
        FileProgress("d.pdf", Stage.QUEUED, "3 before it"),
    ]
    message = progress_message(files, "hr")
    check(message)
    assert message.content.startswith("4 files received for the namespace hr.")
    assert message.embeds[0]["description"].split("\n") == [
        "📖 **a.pdf** is being read…",
        "✅ **b.pdf** is searchable: 2 passages.",
        "🧩 **c.pdf** is being embedded: 120 of 300 passages, about 40 seconds left",
        "⏳ **d.pdf** waits for its turn: 3 before it",
    ]


def test_of_very_many_files_those_that_were_not_added_are_named() -> None:
    files = [FileProgress(f"{n}.pdf", Stage.FAILED if n == 400 else Stage.SEARCHABLE, "why") for n in range(500)]
    message = progress_message(files, "hr")
    check(message)
    first, *others, last = message.embeds[0]["description"].split("\n")
    assert first.startswith("⚠️ **400.pdf** was not added")
    assert last == f"… and {500 - 1 - len(others)} more"


def test_a_list_of_documents_with_its_buttons() -> None:
    rows = tuple(Row(f"Title *{n}*", ("ready", "namespace hr"), Action("show", "Show", f"show {n}")) for n in range(10))
    pages = (Action("previous", "Previous", "list hr 1"), Action("next", "Next", "list hr 3"))
    message = result_message(Result("Documents 11 to 20 of `30`:", rows, pages))
    check(message)
    assert message.content == "Documents 11 to 20 of `30`:"
    listed = message.embeds[0]["description"].split("\n\n")
    assert listed[0] == "**1. Title \\*0\\***\nready\nnamespace hr"
    assert len(listed) == 10
    assert [len(row["components"]) for row in message.components] == [5, 5, 2]
    assert named(message)[0] == ("run", "show 0")
    assert [each["label"] for each in buttons_of(message)][9:] == ["Show 10", "Previous", "Next"]


def test_what_cannot_be_undone_is_red() -> None:
    row = Row("Leave", ("ready",), Action("show", "Show", "show d1"))
    confirm = (Action("confirm", "Remove it", "remove d1", is_final=True), Action("keep", "Keep it", "show d1"))
    message = result_message(Result("Remove this document?", (row,), confirm))
    check(message)
    assert message.embeds[0]["description"] == "**Leave**\nready"
    assert named(message) == [("run", "show d1"), ("confirm", "remove d1"), ("run", "show d1")]
    assert [(each["label"], each["style"]) for each in buttons_of(message)] == [
        ("Show", 2),
        ("Remove it", 4),
        ("Keep it", 2),
    ]


def test_buttons_that_do_not_fit_fall_away_but_never_the_last() -> None:
    rows = tuple(Row("T", (), Action("show", "Show", "show d")) for _ in range(40))
    message = result_message(Result("x", rows, (Action("next", "Next", "list 2"), Action("x", "Long", "y" * 100))))
    check(message)
    assert [len(row["components"]) for row in message.components] == [5, 5, 5, 5, 1]
    assert named(message)[-1] == ("run", "list 2")


def test_of_buttons_that_do_the_same_all_have_names_of_their_own_or_fall_away() -> None:
    for length, expected in ((80, 3), (90, 1), (91, 1), (92, 0)):
        actions = tuple(Action(f"a{n}", "Show", "x" * length) for n in range(3))
        message = result_message(Result("x", (), actions))
        check(message)
        assert named(message) == [("run", "x" * length)] * expected


def test_a_sentence_alone() -> None:
    message = result_message(Result("From now on `hr`."))
    check(message)
    assert (message.content, message.embeds, message.components) == ("From now on `hr`.", (), ())


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("number", [1, 3, 10, 60])
def test_nothing_of_a_document_is_trusted(text: str, number: int) -> None:
    rows = tuple(
        Row(text, (text,) * 20, Action("show", text[:40].strip() or "x", f"show {text[:50]}")) for _ in range(number)
    )
    check(result_message(Result("Found:", rows, tuple(row.action for row in rows[:3] if row.action))))

"""What people write after `/lore`."""

from __future__ import annotations

import pytest

from bots.chat.grammar import (
    LONGEST,
    USAGE,
    Add,
    Bind,
    CancelJob,
    Command,
    DocumentName,
    Failed,
    Help,
    History,
    ListDocuments,
    Namespaces,
    Purge,
    Remove,
    Replace,
    Restore,
    RetryJob,
    Show,
    Status,
    Unbind,
    Unfinished,
    Unknown,
    Verb,
    parse,
    spelled,
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Help()),
        ("   ", Help()),
        ("help", Help()),
        ("?", Help()),
        ("HELP me please", Help()),
        ("list", ListDocuments()),
        ("ls", ListDocuments()),
        ("list hr", ListDocuments("hr")),
        ("list hr annual leave", ListDocuments("hr", "annual leave")),
        ('list "hr"', ListDocuments("", "hr")),
        ("list “annual leave” page 3", ListDocuments("", "annual leave", 3)),
        ("list page 2", ListDocuments("", "", 2)),
        ("list hr page 2", ListDocuments("hr", "", 2)),
        ("list hr page 0", ListDocuments("hr", "", 1)),
        ("list page two", ListDocuments("page", "two")),
        ('list "page" "2"', ListDocuments("", "page 2")),
        ("show 3f2a91", Show(DocumentName("3f2a91"))),
        ("show `3f2a91`", Show(DocumentName("3f2a91"))),
        ("show Staff  Handbook", Show(DocumentName("Staff Handbook"))),
        ('show "Staff Handbook"', Show(DocumentName("Staff Handbook", is_quoted=True))),
        ("remove „3f2a91“", Remove(DocumentName("3f2a91", is_quoted=True))),
        ("delete handbook.pdf", Remove(DocumentName("handbook.pdf"))),
        ("replace handbook.pdf", Replace(DocumentName("handbook.pdf"))),
        ('show The "new" rules', Show(DocumentName('The "new" rules'))),
        ("bind", Bind()),
        ("bind hr", Bind("hr")),
        ("Bind `hr`", Bind("hr")),
        ("unbind", Unbind()),
        ("namespaces", Namespaces()),
        ("status", Status()),
        ("add", Add()),
        ("add hr", Add("hr")),
        ("history Staff Handbook", History(DocumentName("Staff Handbook"))),
        ('versions "3f2a91"', History(DocumentName("3f2a91", is_quoted=True))),
        ("restore 3f2a91", Restore(DocumentName("3f2a91"))),
        ("restore 3f2a91 2", Restore(DocumentName("3f2a91"), 2, "3f2a91 2")),
        ("restore Rules of 2025", Restore(DocumentName("Rules of"), 2025, "Rules of 2025")),
        ('restore "Rules of 2025"', Restore(DocumentName("Rules of 2025", is_quoted=True))),
        ('restore "Rules of 2025" 3', Restore(DocumentName("Rules of 2025", is_quoted=True), 3)),
        ("restore 20252025", Restore(DocumentName("20252025"))),
        ("restore rules 007", Restore(DocumentName("rules 007"))),
        ("purge handbook.pdf", Purge(DocumentName("handbook.pdf"))),
        ("erase handbook.pdf", Purge(DocumentName("handbook.pdf"))),
        ("failed", Failed()),
        ("failed page 2", Failed(2)),
        ("retry `3f2a91`", RetryJob("3f2a91")),
        ("cancel 3f2a91", CancelJob("3f2a91")),
        ("jobs", Status()),
    ],
)
def test_what_is_meant(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("lst", Verb.LIST),
        ("lists hr", Verb.LIST),
        ("shwo handbook", Verb.SHOW),
        ("remvoe handbook", Verb.REMOVE),
        ("unbnd", Verb.UNBIND),
        ("namespcaes", Verb.NAMESPACES),
        ("stauts", Verb.STATUS),
        ("restor handbook", Verb.RESTORE),
        ("histroy handbook", Verb.HISTORY),
        ("xyzzy", None),
        ("what about leave?", None),
    ],
)
def test_a_misspelt_command_suggests_the_right_one(text: str, meant: Verb | None) -> None:
    assert parse(text) == Unknown(text.split(maxsplit=1)[0], meant)


@pytest.mark.parametrize(
    ("text", "verb"),
    [("show", Verb.SHOW), ('show ""', Verb.SHOW), ("remove  ", Verb.REMOVE), ("replace", Verb.REPLACE),
     ("bind hr it", Verb.BIND), ("add my documents", Verb.ADD), ("history", Verb.HISTORY), ("restore", Verb.RESTORE),
     ('restore "" 2', Verb.RESTORE), ("purge", Verb.PURGE), ("failed hr", Verb.FAILED), ("retry", Verb.RETRY),
     ("retry my file", Verb.RETRY), ("cancel", Verb.CANCEL)],
)  # fmt: skip
def test_a_command_that_lacks_words_or_has_too_many_is_unfinished(text: str, verb: Verb) -> None:
    assert parse(text) == Unfinished(verb)


@pytest.mark.parametrize(
    "text",
    ["list", "list hr", "list hr leave", "list page 7", 'list "hr" page 2', 'list page "2"', "list page page 2",
     "list page 2 page 1", "list a “b  c” d"],
)  # fmt: skip
def test_a_list_can_be_written_down_again(text: str) -> None:
    command = parse(text)
    assert isinstance(command, ListDocuments)
    assert parse(spelled(command)) == command


def test_a_page_of_failures_can_be_written_down_again() -> None:
    assert parse(spelled(Failed(3))) == Failed(3)


@pytest.mark.parametrize(
    "text", ['"', "show “", "list \x00 \n", "`" * 50, "list " + "a" * 5000, "show <@U1> & <!here>"]
)
def test_strange_text_is_no_error(text: str) -> None:
    parse(text)
    assert len(repr(parse("list " + "a" * 5000))) < LONGEST + 100


def test_help_names_every_command() -> None:
    assert set(USAGE) == set(Verb)
    for verb, (usage, _) in USAGE.items():
        assert usage.split()[0] == verb.value

"""`lorekeeper keys` as an operator uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.command import Place, place


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path)


def test_a_key_is_made_shown_once_listed_and_revoked(here: Place) -> None:
    made = here.run("keys", "create", "Intranet", "--expires", "90d")
    assert made.status == 0
    text = made.out.strip()
    key_id = text.split("_")[1]
    assert text.startswith("lk_")
    assert "not shown again" in made.err
    listed = here.run("keys", "list")
    assert f"{key_id}  valid     Intranet  (ask, read, write; namespaces: all; until " in listed.out
    assert text.rpartition("_")[2] not in listed.out
    revoked = here.run("keys", "revoke", key_id)
    assert "is revoked" in revoked.out
    assert "open again" in revoked.out
    assert f"{key_id}  revoked" in here.run("keys", "list").out


def test_a_key_for_a_page_is_limited(here: Place) -> None:
    arguments = ("--scope", "ask", "--namespace", "hr", "--origin", "https://Example.org/", "--json")
    made = here.run("keys", "create", "widget", *arguments).json
    assert (made["scopes"], made["namespaces"], made["origins"]) == (["ask"], ["hr"], ["https://example.org"])
    (listed,) = here.run("keys", "list", "--json").json
    assert "secret" not in listed
    assert listed["id"] == made["id"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", " "), "name"),
        (("create", "x" * 101), "name"),
        (("create", "x", "--origin", "example.org"), "https://example.org"),
        (("create", "x", "--origin", "https://example.org/path"), "without a path"),
        (("create", "x", "--origin", "*"), "origin"),
        (("create", "x", "--origin", "null"), "origin"),
        (("create", "x", "--expires", "0d"), "12h, 90d"),
        (("create", "x", "--expires", "soon"), "12h, 90d"),
        (("create", "x", "--expires", "999999y"), "12h, 90d"),
        (("create", "x", "--namespace", "../hr"), "namespace"),
        (("create", "x", "--scope", "root"), "metrics"),
        (("revoke", "nothing"), "keys list"),
    ],
)
def test_what_makes_no_sense_is_refused_and_makes_no_key(here: Place, arguments: tuple[str, ...], words: str) -> None:
    refused = here.run("keys", *arguments)
    assert refused.status in {1, 2}
    assert words in refused.err
    assert "Traceback" not in refused.err
    assert here.run("keys", "list", "--json").json == []


def test_an_empty_list_says_what_it_means(here: Place) -> None:
    assert "keys create NAME" in here.run("keys", "list").out

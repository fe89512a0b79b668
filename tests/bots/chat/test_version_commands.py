"""What people are told of the versions of documents, and how admins bring them back, over a real pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bots.chat import version_commands
from bots.chat.results import Request, Result
from core.errors import EmbeddingFailed, StorageFailed
from core.types import DocumentChange, Job, JobState, Origin
from tests.bots.chat.versioned import ADMIN, HERE, NOBODY, Place, opened_place

LEAVE = "# Leave\n\nYou accrue 13 days of leave.\n"
REQUEST = Request(HERE, "chat:ben")
MORE = "# Leave\n\nYou accrue 14 days of leave.\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened_place(tmp_path) as opened:
        yield opened


async def twice(place: Place) -> str:
    """Two versions of one document, whose id is returned."""
    await place.send("leave.md", LEAVE)
    change = await place.send("leave.md", MORE, "ben")
    assert change.document is not None
    return change.document.id


def said(result: Result) -> str:
    return "\n".join([result.text, *("\n".join([row.title, *row.details]) for row in result.rows)])


# ── history ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_history_tells_when_from_where_and_by_whom_each_version_came(place: Place) -> None:
    identity = await twice(place)
    told = await place.say("history leave")
    assert told.text.startswith("2 versions")
    document, second, first = told.rows
    assert (document.title, second.title, first.title) == ("Leave", "Version 2 · answers now", "Version 1")
    assert identity[:8] in document.details[0]
    assert "replaced the version before" in second.details[0]
    assert second.details[0].endswith("UTC · from Slack · by ben")
    assert first.details[0].startswith("added · ")
    assert "1 passage" in first.details[1]
    assert [action.command for action in told.actions] == [f"restore {identity} 1"]


async def test_to_others_the_history_names_nobody_and_offers_nothing(place: Place) -> None:
    await twice(place)
    told = await place.say("history leave.md", NOBODY)
    assert "Version 2 · answers now" in said(told)
    assert "from Slack" in said(told)
    assert "ben" not in said(told)
    assert not told.actions


async def test_what_somebody_cannot_see_has_no_history_for_them(place: Place) -> None:
    await place.send("salaries.md", LEAVE, namespace="board")
    absent = await place.say("history xyzzy", NOBODY)
    hidden = await place.say("history salaries.md", NOBODY)
    assert absent.text == hidden.text
    assert "Version 1" in said(await place.say("history salaries.md"))


async def test_the_history_of_a_removed_document_is_for_admins(place: Place) -> None:
    identity = await twice(place)
    await place.store.pipeline.remove(identity, origin=Origin("web", "olga"))
    for name in ("leave", "leave.md", identity, identity[:6]):
        told = await place.say(f"history {name}")
        assert [row.title for row in told.rows] == ["Leave", "Removed", "Version 2", "Version 1"]
        assert told.rows[1].details[0].endswith("from the web page · by olga")
        assert "no document of this" in (await place.say(f"history {name}", NOBODY)).text


async def test_a_document_that_never_answered_has_no_versions(place: Place) -> None:
    sent = await place.send("report.docx", b"PK\x03\x04" + bytes(60))
    assert sent.message is not None
    told = said(await place.say("history report.docx"))
    assert f"No version of report.docx was finished so far: {sent.message}" in told


async def test_a_version_that_is_not_kept_cannot_be_chosen(place: Place) -> None:
    identity = await twice(place)
    place.store.history.let_go(identity, 1)
    told = await place.say("history leave")
    assert "not kept any more" in told.rows[2].details
    assert not told.actions
    assert "not kept any more" in said(await place.say("restore leave 1"))


# ── bringing back ────────────────────────────────────────────────────────────────────────────────


async def test_what_was_removed_comes_back(place: Place) -> None:
    await twice(place)
    removed = await place.confirm(await place.say("remove leave"))
    assert "can be brought back" in removed.text
    (back,) = removed.actions
    assert place.texts() == {}
    assert "as version 3" in (await place.say(back.command)).text
    assert place.texts() == {"Leave": 3}
    assert "14 days" in (await place.store.retrieve("days of leave"))[0].text
    event = (await place.say("history leave")).rows[1]
    assert event.details[0].startswith("version 2 brought back")
    assert event.details[0].endswith("from chat · by ben")


@pytest.mark.parametrize("name", ["leave", "Leave", "leave.md", '"leave"', "{id}", "{id:.7}"])
async def test_a_removed_document_is_known_by_title_file_name_and_id(place: Place, name: str) -> None:
    identity = await twice(place)
    await place.store.pipeline.remove(identity)
    assert "Brought back" in (await place.say(f"restore {name.format(id=identity)}")).text
    assert place.texts() == {"Leave": 3}


async def test_an_earlier_version_comes_back_by_its_number_and_the_one_before_without(place: Place) -> None:
    await twice(place)
    assert "as version 3" in (await place.say("restore leave")).text
    assert "13 days" in (await place.store.retrieve("days of leave"))[0].text
    assert "as version 4" in (await place.say("restore leave 2")).text
    assert "14 days" in (await place.store.retrieve("days of leave"))[0].text


async def test_a_number_that_ends_a_title_is_no_version(place: Place) -> None:
    change = await place.send("rules.md", "# Rules of 2025\n\nBe kind.\n")
    assert change.document is not None
    await place.send("other.md", "# Rules of\n\nBe quick.\n")
    await place.store.pipeline.remove(change.document.id)
    assert "Brought back" in (await place.say("restore rules of 2025")).text
    assert "Rules of 2025" in place.texts()
    assert "no version 2025" in said(await place.say('restore "rules of" 2025'))


@pytest.mark.parametrize(
    ("text", "words"), [("restore leave 9", "no version 9"), ("restore leave 2", "answers now"), ("restore xyzzy", "xyzzy")]
)  # fmt: skip
async def test_what_cannot_come_back_is_told_so(place: Place, text: str, words: str) -> None:
    await twice(place)
    assert words in said(await place.say(text))
    assert place.texts() == {"Leave": 2}


async def test_of_several_removed_documents_each_is_named_by_its_id(place: Place) -> None:
    identities = []
    for name in ("a.md", "b.md"):
        change = await place.send(name, LEAVE)
        assert change.document is not None
        identities.append(change.document.id)
        await place.store.pipeline.remove(change.document.id)
    told = await place.say("restore leave")
    assert "2 documents" in told.text
    assert all(identity[:8] in said(told) for identity in identities)
    assert not told.actions
    assert place.texts() == {}


async def test_a_removed_document_is_found_in_a_namespace_that_is_empty_now(place: Place) -> None:
    change = await place.send("leave.md", LEAVE, namespace="board")
    assert change.document is not None
    await place.store.pipeline.remove(change.document.id)
    assert "Brought back" in (await place.say("restore leave")).text


async def test_nobody_waits_long_for_what_goes_on_anyway(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_commands, "PATIENCE_SECONDS", 0.0)
    await twice(place)
    told = await slow(place, monkeypatch, None).say("restore leave")
    assert "status` shows how far" in told.text


@pytest.mark.parametrize("kind", [StorageFailed, EmbeddingFailed])
async def test_passing_trouble_is_told_with_what_happens_next(
    place: Place, monkeypatch: pytest.MonkeyPatch, kind: type[StorageFailed | EmbeddingFailed]
) -> None:
    await twice(place)
    told = await slow(place, monkeypatch, kind("The server is away.")).say("restore leave")
    assert "tried again by itself" in told.text
    assert "The server is away." in said(told)


async def test_what_was_not_even_written_down_is_no_promise(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await twice(place)

    async def locked(*_: object, **__: object) -> DocumentChange:
        raise StorageFailed("The database is locked.")

    monkeypatch.setattr(place.library.versions, "restore", locked)
    with pytest.raises(StorageFailed):
        await place.say("restore leave")


def slow(place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> Place:
    """Its versions are written down to be brought back, and then something is away, or it takes for ever."""

    async def written(document_id: str, *_: object, watch: Any, **__: object) -> DocumentChange:
        watch(Job("j1", document_id, "default", "leave.md", "upload:leave.md", JobState.WAITING))
        if error is not None:
            raise error
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(place.library.versions, "restore", written)
    return place


# ── removing and erasing ─────────────────────────────────────────────────────────────────────────


async def test_who_removed_it_is_in_the_history(place: Place) -> None:
    await twice(place)
    await place.confirm(await place.say("remove leave"))
    assert (await place.say("history leave")).rows[1].details[0].endswith("from chat · by ben")


async def test_what_leaves_nothing_is_not_promised_to_come_back(place: Place) -> None:
    await place.send("report.docx", b"PK\x03\x04" + bytes(60))
    removed = await place.confirm(await place.say("remove report.docx"))
    assert "nothing is kept" in removed.text
    assert not removed.actions


@pytest.mark.parametrize("verb", ["show", "remove"])
async def test_of_what_was_removed_admins_are_told_how_it_comes_back(place: Place, verb: str) -> None:
    identity = await twice(place)
    await place.store.pipeline.remove(identity)
    for name in ("leave", identity[:8]):
        told = await place.say(f"{verb} {name}")
        assert "was removed" in told.text
        assert f"/lore restore {identity}" in told.text
        assert [action.command for action in told.actions] == [f"restore {identity}", f"purge {identity}"]
        assert "no document of this" in (await place.say(f"show {name}", NOBODY)).text
    assert "Brought back" in (await place.say(told.actions[0].command)).text


@pytest.mark.parametrize("is_removed", [False, True])
async def test_erasing_asks_first_and_then_nothing_is_left(place: Place, *, is_removed: bool) -> None:
    identity = await twice(place)
    if is_removed:
        await place.store.pipeline.remove(identity)
    asked = await place.say("purge leave")
    _, keep = asked.actions
    assert not keep.is_final
    assert "Version 1" in said(await place.say(keep.command))
    assert "Erased for good" in (await place.confirm(asked)).text
    assert place.texts() == {}
    assert place.store.stored_files() == []
    assert "removed and is kept" in (await place.say("restore leave")).text
    assert "erased already" in (await place.confirm(asked)).text


async def test_removed_documents_are_offered_to_admins_only(place: Place) -> None:
    identity = await twice(place)
    await place.store.pipeline.remove(identity)
    admin = replace(REQUEST, rights=ADMIN)
    assert [each.document_id for each in await place.library.removed(admin, "LEA", 10)] == [identity]
    assert await place.library.removed(admin, "xyzzy", 10) == []
    assert await place.library.removed(REQUEST, "lea", 10) == []

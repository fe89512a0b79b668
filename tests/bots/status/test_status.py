"""`lorekeeper status`: a running gateway and its probe, who is away, and hostile names."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from bots.status.reading import AWAY, Process, Reader, Status
from bots.status.view import as_json, view
from core.health import Check, State
from tests.bots.command import place
from tests.bots.gateway.serving import serving, settings
from tests.bots.test_probe import probed

HOSTILE = "\x1b[31mred\x1b]0;title\x07\u202e.pdf"


def shown(found: Status, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False).print(view(found))
    return out.getvalue()


async def test_it_shows_questions_documents_files_and_the_disk(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        await server.upload("leave.md")
        await server.upload("broken.pdf", b"%PDF-1.7 broken")
        times = iter((1_000_000.0, 1_000_030.0, 1_000_090.0))
        reader = Reader([server.url], server.token, lambda: next(times))
        await server.ask()
        first = await reader.read()
        await server.ask()
        soon = await reader.read()
        second = await reader.read()
    text = shown(first)
    assert "1 answered; half within" in text
    assert "1 searchable" in text
    assert "0 on their way; 1 failed" in text
    assert "broken.pdf" in text
    assert "GB free" in text
    assert as_json(soon)["questions"]["outcomes"] == {"answered": 2}, "since it was started"
    assert as_json(second)["questions"] | {"p50_seconds": 0, "p95_seconds": 0} == {
        "seconds": 90,
        "per_minute": 0.67,
        "outcomes": {"answered": 1},
        "p50_seconds": 0,
        "p95_seconds": 0,
    }
    assert as_json(second)["processes"] == as_json(first)["processes"]
    assert [job["name"] for job in as_json(second)["failed_jobs"]] == ["broken.pdf"]
    assert as_json(second)["documents"] == 1
    json.dumps(as_json(second))


async def test_a_probe_tells_what_it_may(tmp_path: Path) -> None:
    async with probed(tmp_path) as (_, application, client):
        application.reports["slack"] = Check("slack", State.DEGRADED, "secret detail")
        found = await Reader([str(client.base_url)]).read()
    text = shown(found)
    assert "slack: degraded" in text
    assert "slack away" in text
    assert "secret" not in text


async def test_who_does_not_answer_is_away_and_the_others_are_shown(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        found = await Reader(["http://127.0.0.1:9", "no address", server.url], server.token).read()
    assert [each.state for each in found.processes] == [AWAY, AWAY, "ok"]
    assert "no answer" in shown(found)


async def test_a_missing_key_is_told(tmp_path: Path) -> None:
    async with serving(settings(tmp_path), with_key=True) as server:
        text = shown(await Reader([server.url]).read())
        assert "GB free" in shown(await Reader([server.url], server.key).read())
    assert "--key-file" in text


async def test_hostile_names_and_answers_cannot_drive_the_terminal(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        await server.upload(HOSTILE, b"%PDF-1.7 broken")
        found = await Reader([server.url], server.token).read()
    said = Process("http://x", HOSTILE, (Check(HOSTILE, State.FAILED, HOSTILE),), remark=HOSTILE)
    text = shown(Status((*found.processes, said), found.numbers, found.questions, found.failed, found.failed))
    assert "red" in text
    assert not [character for character in text if not character.isprintable() and character != "\n"]


def test_it_finds_the_owner_of_the_data_folder_and_says_whether_all_is_well(tmp_path: Path) -> None:
    here = place(tmp_path)
    with here.serving():
        done = here.run("status", "--json")
        text = here.run("status", "--once")
    assert (done.status, text.status) == (0, 0)
    (process,) = done.json["processes"]
    assert process["state"] == "ok"
    assert done.json["queue"] == 0
    assert "none in" in text.out
    gone = here.run("status", "--once", "--url", "http://127.0.0.1:9")
    assert gone.status == 1
    assert AWAY in gone.out


def test_a_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    done = place(tmp_path).run("status", "--once", "--key-file", str(tmp_path / "nothing"))
    assert done.status == 1
    assert "keys create" in done.err

"""`lorekeeper run`, and the other commands beside it on the same embedded data folder."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from core.datafolder import read_owner
from tests.bots.command import SECONDS, WITH_MODULES, Place, imported, place

QUESTION = "How many days of vacation do I accrue?"
LEAVE = "# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n"
HOLDER = """
import sys, time
from pathlib import Path
from core.datafolder import claim
held = claim(Path(sys.argv[1]), "lorekeeper documents add")
print("held", flush=True)
sys.stdin.readline()
held.release()
"""
TORCH = {"torch", "transformers", "sentence_transformers"}
SECRETS = {"SLACK_BOT_TOKEN": "xoxb-sesame", "LOREKEEPER_GENERATION__API_KEY": "sesame-key"}


def test_a_server_is_asked_by_other_commands_and_stops_cleanly(tmp_path: Path) -> None:
    here = place(tmp_path, **SECRETS)
    (tmp_path / "leave.md").write_text(LEAVE)
    with here.serving(WITH_MODULES) as server:
        owner = read_owner(here.data)
        assert owner is not None
        assert owner.pid == server.process.pid
        added = here.run("documents", "add", "leave.md")
        asked = here.with_modules("ask", "--json", QUESTION)
        page = httpx.get(server.url, trust_env=False)
        doctor = here.run("doctor")
        status = server.stop()
        log = server.log.read_text()
    assert (added.status, added.out) == (0, "Documents: 1 added. Passages indexed: 1.\n")
    assert "15 days" in asked.json["text"]
    assert asked.modules & (TORCH | {"chromadb", "onnxruntime", "alembic"}) == set(), "it only asks the server"
    assert page.status_code == 200
    assert "owner: a running `lorekeeper run` serves this data folder" in doctor.out
    assert (doctor.status, status) == (0, 0)
    assert read_owner(here.data) is None
    assert server.url in log
    assert imported(log) & TORCH == set()
    assert "channel=slack" in log
    assert "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET" in log
    assert "off: SLACK_APP_TOKEN" in doctor.out
    assert "Discord" not in log
    assert "sesame" not in log + added.err + asked.err + doctor.out + doctor.err
    assert owner.token not in log + doctor.out
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_second_server_on_the_same_folder_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    here = place(tmp_path)
    with here.serving() as server:
        second = here.run("run")
        assert second.status == 1
        assert server.url in second.err
        assert "LOREKEEPER_DATA_DIR" in second.err
        assert server.process.poll() is None
        port = server.url.rpartition(":")[2]
        other = place(tmp_path / "other", LOREKEEPER_SERVER__PORT=port).run("run")
        assert other.status == 2
        assert f"Port {port}" in other.err
        assert "LOREKEEPER_SERVER__PORT=" in other.err


@pytest.mark.slow
def test_a_command_waits_for_another_one_to_finish(tmp_path: Path) -> None:
    here = place(tmp_path)
    repository = Path(__file__).parents[1]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(here.data)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=repository,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    command = [str(Path(sys.executable).parent / "lorekeeper"), "documents", "list", "--json"]
    listing = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=here.environment()
    )
    time.sleep(1.5)
    assert listing.poll() is None, "it must not go on while another process owns the folder"
    holder.communicate("go\n", timeout=SECONDS)
    out, err = listing.communicate(timeout=SECONDS)
    assert (listing.returncode, out) == (0, '{"documents": [], "total": 0}\n'), err


@pytest.mark.slow
def test_after_a_server_was_killed_the_folder_is_free_and_nothing_is_lost(tmp_path: Path) -> None:
    here = place(tmp_path)
    (tmp_path / "leave.md").write_text(LEAVE)
    with here.serving() as server:
        assert here.run("documents", "add", "leave.md").status == 0
        server.process.kill()
        server.process.wait(SECONDS)
    asked = here.run("ask", "--json", QUESTION)
    assert asked.status == 0
    assert "15 days" in asked.json["text"]


@pytest.mark.slow
def test_a_server_that_hangs_is_named_with_what_to_do(tmp_path: Path) -> None:
    here: Place = place(tmp_path)
    with here.serving():
        owner = read_owner(here.data)
        assert owner is not None
        note = here.data / "owner.json"
        note.write_text(note.read_text().replace(owner.url, "http://127.0.0.1:9"))
        listed = here.run("documents", "list")
    assert listed.status == 1
    assert "Restart it" in listed.err

"""`lorekeeper init slack`, as a person runs it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import yaml  # type: ignore[import-untyped]

from bots.slack.manifest import creation_url, manifest
from tests.bots.command import place

URL = "https://lore.example.org"


def test_it_says_each_step_from_the_app_to_the_first_question(tmp_path: Path) -> None:
    done = place(tmp_path).with_modules("init", "slack")
    assert done.status == 0
    _, link, rest = done.out.partition(creation_url(manifest()))
    assert link
    steps = (
        "https://api.slack.com/apps?new_app=1", "connections:write", "xapp-", "xoxb-", "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN", "lorekeeper doctor", "lorekeeper run", "/invite @Lorekeeper", "display_information",
    )  # fmt: skip
    places = [rest.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    assert done.modules & {"slack_bolt", "slack_sdk", "aiohttp", "chromadb", "sqlalchemy"} == set()


def test_the_manifest_alone_can_be_kept_in_a_file(tmp_path: Path) -> None:
    done = place(tmp_path).run("init", "slack", "--manifest")
    assert done.status == 0
    assert yaml.safe_load(done.out) == manifest()


def test_http_mode_takes_its_address_from_the_settings(tmp_path: Path) -> None:
    here = place(tmp_path, LOREKEEPER_SERVER__PUBLIC_URL=URL)
    steps = here.run("init", "slack", "--http")
    alone = here.run("init", "slack", "--http", "--manifest")
    assert yaml.safe_load(alone.out) == manifest(URL)
    assert quote(f"{URL}/slack/events", safe="") in steps.out
    assert "SLACK_SIGNING_SECRET" in steps.out
    assert "lorekeeper keys create" in steps.out
    assert "SLACK_APP_TOKEN" not in steps.out


def test_http_mode_without_a_public_address_is_refused(tmp_path: Path) -> None:
    for url in ("", "http://lore.example.org"):
        done = place(tmp_path, LOREKEEPER_SERVER__PUBLIC_URL=url).run("init", "slack", "--http")
        assert done.status == 2
        assert done.out == ""
        assert "server.public_url" in done.err

"""`lorekeeper init slack` and `lorekeeper init discord`, as a person runs them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import yaml  # type: ignore[import-untyped]

from bots.discord.manifest import PERMISSIONS, invite_url
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


@pytest.mark.parametrize("platform", ["slack", "discord"])
def test_http_mode_without_a_public_address_is_refused(tmp_path: Path, platform: str) -> None:
    for url in ("", "http://lore.example.org"):
        done = place(tmp_path, LOREKEEPER_SERVER__PUBLIC_URL=url).run("init", platform, "--http")
        assert done.status == 2
        assert done.out == ""
        assert "server.public_url" in done.err


def test_discord_says_each_step_from_the_application_to_the_first_question(tmp_path: Path) -> None:
    done = place(tmp_path).with_modules("init", "discord")
    assert done.status == 0
    steps = (
        "https://discord.com/developers/applications", "New Application", "Reset Token", "Public Bot",
        "Message Content Intent", "DISCORD_TOKEN", "lorekeeper doctor", "lorekeeper run", invite_url(), "General Information", "@Lorekeeper",
    )  # fmt: skip
    places = [done.out.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    said = " ".join(done.out.split())
    assert all(permission.label in said for permission in PERMISSIONS.values())
    assert "PUBLIC_KEY" not in done.out
    assert "Interactions Endpoint" not in done.out
    assert done.modules & {"discord", "aiohttp", "nacl", "chromadb", "sqlalchemy"} == set()


def test_with_the_token_the_invite_link_is_ready_and_the_token_is_not_shown(tmp_path: Path) -> None:
    done = place(tmp_path, DISCORD_TOKEN="MTAwMDAwMDAwMDAwMDAwMDAw.Gabcde.sesame").run("init", "discord")
    assert done.status == 0
    assert invite_url("100000000000000000") in done.out
    assert "CLIENT_ID" not in done.out
    assert "sesame" not in done.out + done.err
    assert "MTAw" not in done.out + done.err


def test_interactions_by_http_need_the_public_key_and_an_address_at_discord(tmp_path: Path) -> None:
    done = place(tmp_path, LOREKEEPER_SERVER__PUBLIC_URL=f"{URL}/").run("init", "discord", "--http")
    assert done.status == 0
    for step in ("LOREKEEPER_DISCORD__PUBLIC_KEY", "lorekeeper keys create", "Interactions Endpoint URL"):
        assert step in done.out
    assert f"{URL}/discord/interactions\n" in done.out

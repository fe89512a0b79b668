"""The manifest asks Slack for what the bot uses: no less, so that everything works, and no more, so that people agree."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

from bots.slack.events import meaning
from bots.slack.manifest import as_yaml, creation_url, manifest
from bots.slack.missed import KINDS
from tests.fakes.slack.events import EVENTS
from tests.fakes.slack.methods import SPECS

ROOT = Path(__file__).parents[3]
MESSAGE = {"type": "message", "user": "U1", "ts": "1.0", "text": "<@UBOT> How many days?"}
# https://docs.slack.dev/reference/events: subscription → the scope that it asks for, and an event as it comes.
SUBSCRIPTIONS = {
    "agent_session_stopped": ("", {"type": "agent_session_stopped", "channel": "D1", "thread_ts": "1.0"}),
    "app_home_opened": ("", {"type": "app_home_opened", "tab": "messages", "channel": "D1", "user": "U1"}),
    "app_mention": ("app_mentions:read", MESSAGE | {"type": "app_mention", "channel": "C1"}),
    "message.channels": ("channels:history", MESSAGE | {"channel": "C1", "channel_type": "channel"}),
    "message.groups": ("groups:history", MESSAGE | {"channel": "G1", "channel_type": "group"}),
    "message.im": ("im:history", MESSAGE | {"channel": "D1", "channel_type": "im"}),
    "message.mpim": ("mpim:history", MESSAGE | {"channel": "G2", "channel_type": "mpim"}),
    "app_uninstalled": ("", {"type": "app_uninstalled"}),
    "tokens_revoked": ("", {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["UBOT"]}}),
}
LISTS = "users.conversations"
# Of the kinds that it lists, each needs a scope of its own.
LISTED = {"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read", "mpim": "mpim:read"}
URL = "https://lore.example.org"


def methods_called() -> set[str]:
    """The Web API's methods that the bot's code names."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "bots" / "slack").glob("*.py")]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and text in SPECS}


def test_exactly_the_scopes_are_asked_for_that_calls_events_and_the_command_need() -> None:
    called = {scope for method in methods_called() for scope in SPECS[method].scopes if method != LISTS}
    listed = {LISTED[kind] for kind in KINDS}
    heard = {scope for scope, _ in SUBSCRIPTIONS.values() if scope}
    assert "chat.postMessage" in methods_called()
    assert set(manifest()["oauth_config"]["scopes"]["bot"]) == called | listed | heard | {"commands"}


def test_exactly_the_events_are_subscribed_to_that_mean_something_to_the_bot() -> None:
    subscribed = manifest()["settings"]["event_subscriptions"]["bot_events"]
    assert set(subscribed) == set(SUBSCRIPTIONS)
    assert set(subscribed) <= EVENTS
    for name in subscribed:
        assert meaning({"team_id": "T1", "event": SUBSCRIPTIONS[name][1]}, "UBOT") is not None, name


def test_the_commands_and_the_shortcut_are_those_that_the_bot_answers() -> None:
    features = manifest()["features"]
    assert [command["command"] for command in features["slash_commands"]] == ["/ask", "/lore"]
    assert [(each["type"], each["callback_id"]) for each in features["shortcuts"]] == [("message", "answer_this")]


def test_people_can_write_to_the_bot_and_there_are_a_home_tab_and_an_agent_view() -> None:
    features = manifest()["features"]
    assert features["app_home"] == {
        "home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False
    }  # fmt: skip
    assert 0 < len(features["agent_view"]["agent_description"]) <= 300


def test_socket_mode_names_no_address() -> None:
    assert manifest()["settings"]["socket_mode_enabled"] is True
    assert "url" not in json.dumps(manifest())


@pytest.mark.parametrize("public_url", [URL, f"{URL}/"])
def test_in_http_mode_slack_calls_the_gateway_for_everything(public_url: str) -> None:
    app = manifest(public_url)
    address = f"{URL}/slack/events"
    assert app["settings"]["socket_mode_enabled"] is False
    assert app["settings"]["event_subscriptions"]["request_url"] == address
    assert app["settings"]["interactivity"] == {"is_enabled": True, "request_url": address}
    assert {command["url"] for command in app["features"]["slash_commands"]} == {address}


def test_the_link_fills_in_the_whole_manifest() -> None:
    link = urlsplit(creation_url(manifest()))
    asked = parse_qs(link.query)
    assert (link.scheme, link.netloc, link.path) == ("https", "api.slack.com", "/apps")
    assert asked["new_app"] == ["1"]
    assert json.loads(asked["manifest_json"][0]) == manifest()


def test_the_file_in_deploy_is_what_the_code_says() -> None:
    file = ROOT / "deploy" / "slack-manifest.yaml"
    written = file.read_text(encoding="utf-8")
    assert yaml.safe_load(written) == manifest()
    assert written == as_yaml(manifest()), f"lorekeeper init slack --manifest > {file.relative_to(ROOT)}"

"""`lorekeeper init`: what to do to connect a chat platform, step by step."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bots.slack.manifest import NEW_APP_URL, as_yaml, creation_url, events_url, manifest
from core.errors import InvalidSettings
from core.settings import load

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Connect a chat platform: says what to do.")


@app.callback()
def _init() -> None:
    """Connect a chat platform: says what to do."""


@app.command("slack")
def init_slack(
    http: Annotated[bool, typer.Option("--http", help="Slack calls this server, instead of Socket Mode.")] = False,
    only_manifest: Annotated[bool, typer.Option("--manifest", help="Print only the app manifest.")] = False,
) -> None:
    """Print the manifest of the Slack app and the steps from there to the first question."""
    public_url = _public_url() if http else ""
    written = as_yaml(manifest(public_url))
    sys.stdout.write(written if only_manifest else f"{_steps(public_url)}\n{written}")


def _public_url() -> str:
    url = load().server.public_url
    if not url.startswith("https://"):
        raise InvalidSettings(
            "For HTTP mode, set server.public_url to the https address at which Slack reaches this server, "
            "for example https://lore.example.org. Without --http, no public address is needed."
        )
    return url


def _steps(public_url: str) -> str:
    return f"""\
Connect Slack: five steps.

1. Create the app. This link opens Slack's form with everything filled in:
   {creation_url(manifest(public_url))}
   Or open {NEW_APP_URL}, choose "From a manifest", and paste the manifest below.
{_second_token(public_url)}
3. On "Install App", install it in your workspace, and copy the bot user OAuth token; it begins with xoxb-.
4. Set both where Lorekeeper runs, check them, and start:
{_key(public_url)}   export SLACK_BOT_TOKEN=xoxb-...
   {"export SLACK_SIGNING_SECRET=..." if public_url else "export SLACK_APP_TOKEN=xapp-..."}
   lorekeeper doctor
   lorekeeper run
5. In Slack, invite the bot to a channel, and ask:
   /invite @Lorekeeper
   @Lorekeeper How many days of leave do I have?
{_last_step(public_url)}
The manifest:
"""


def _second_token(public_url: str) -> str:
    if public_url:
        return '2. On "Basic Information", under "App Credentials", copy the signing secret.'
    return (
        '2. On "Basic Information", under "App-Level Tokens", generate a token with the scope connections:write,\n'
        "   and copy it; it begins with xapp-."
    )


def _key(public_url: str) -> str:
    """An address that others can reach needs one."""
    return "   lorekeeper keys create NAME      (for the web chat and the HTTP API, once)\n" if public_url else ""


def _last_step(public_url: str) -> str:
    if not public_url:
        return ""
    return f'\nOnce Lorekeeper runs, open "Event Subscriptions" of the app and have Slack verify {events_url(public_url)}.\n'

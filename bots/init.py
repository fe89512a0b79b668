"""`lorekeeper init`: what to do to connect a chat platform, step by step."""

from __future__ import annotations

import sys
from textwrap import fill
from typing import Annotated

import typer

from bots.discord import manifest as discord
from bots.slack.manifest import NEW_APP_URL, as_yaml, creation_url, events_url, manifest
from core.errors import InvalidSettings
from core.settings import Settings, load

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
    public_url = _public_url(load(), "Slack") if http else ""
    written = as_yaml(manifest(public_url))
    sys.stdout.write(written if only_manifest else f"{_steps(public_url)}\n{written}")


@app.command("discord")
def init_discord(
    http: Annotated[
        bool, typer.Option("--http", help="Discord sends commands and buttons to this server by HTTP.")
    ] = False,
) -> None:
    """Print the steps from the Discord application to the first question, with the invite link."""
    settings = load()
    public_url = _public_url(settings, "Discord") if http else ""
    sys.stdout.write(_discord_steps(settings.discord.token.get_secret_value(), public_url))


def _public_url(settings: Settings, platform: str) -> str:
    url = settings.server.public_url
    if not url.startswith("https://"):
        raise InvalidSettings(
            f"For HTTP mode, set server.public_url to the https address at which {platform} reaches this server, "
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


def _discord_steps(token: str, public_url: str) -> str:
    application_id = discord.client_id(token)
    return f"""\
Connect Discord: seven steps.

1. Create the application: open {discord.NEW_APP_URL}, choose "New Application",
   and give it a name, for example {discord.APP_NAME}.
2. On "Bot", choose "Reset Token", and copy the token; it is shown only once.
{_public_key(public_url)}3. Set "Install Link" on "Installation" to "None", and switch off "Public Bot" on "Bot", so that nobody else can add
   the bot to a server of theirs, and ask and manage your documents there.
4. If you like, switch on "Message Content Intent", also on "Bot": then follow-up questions in threads need no
   mention, and new posts in forums are answered. All else works without it; no other switch is needed.
5. Set the token where Lorekeeper runs, check it, and start:
{_key(public_url)}   export DISCORD_TOKEN=...
{_set_public_key(public_url)}   lorekeeper doctor
   lorekeeper run
6. Invite the bot to a server, for which you need the right to manage that server:
   {discord.invite_url(application_id)}
{_own_id_hint(application_id)}{_permissions()}
7. In Discord, ask:
   @{discord.APP_NAME} How many days of leave do I have?
{_endpoint(public_url)}"""


def _public_key(public_url: str) -> str:
    return '   Also copy the public key, which is on "General Information".\n' if public_url else ""


def _set_public_key(public_url: str) -> str:
    return "   export LOREKEEPER_DISCORD__PUBLIC_KEY=...      (or discord.public_key)\n" if public_url else ""


def _permissions() -> str:
    names = ", ".join(permission.label for permission in discord.PERMISSIONS.values())
    return fill(f"It asks for these permissions: {names}.", 110, initial_indent="   ", subsequent_indent="   ")


def _own_id_hint(application_id: str) -> str:
    """Where nothing says which application it is."""
    if application_id:
        return ""
    return (
        f'   For {discord.NO_CLIENT_ID}, put the application ID, which is on "General Information"; once DISCORD_TOKEN is\n'
        "   set, `lorekeeper init discord` does it for you.\n"
    )


def _endpoint(public_url: str) -> str:
    if not public_url:
        return ""
    return (
        '\nOnce Lorekeeper runs, enter this as "Interactions Endpoint URL" on "General Information" of the application,\n'
        "and save it; Discord tries it at once:\n"
        f"   {discord.interactions_url(public_url)}\n"
    )

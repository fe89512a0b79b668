"""`lorekeeper keys`: who may use the HTTP API, and for what."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.access import ApiKey, Permission
from core.addresses import is_private
from core.console import plain
from core.errors import InvalidRequest
from core.log import configure_for_command
from core.namespace import check_namespace
from core.settings import load

if TYPE_CHECKING:
    from core.store.keys import KeyStore

LONGEST_NAME = 100
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
LONGEST_LIFE = timedelta(days=36500)
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:.]+\](:\d{1,5})?")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on one line.")]
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Create, list and revoke keys for the HTTP API.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for, to tell it from the others.")],
    scope: Annotated[
        list[Permission] | None, typer.Option(help="What it allows (repeatable). Without any: ask, read and write.")
    ] = None,
    namespace: Annotated[list[str] | None, typer.Option(help="Only these documents (repeatable).")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Only for web pages from there, such as https://example.org (repeatable).")
    ] = None,
    expires: Annotated[
        str, typer.Option(help="How long it is valid: 12h, 90d, 2w or 1y. Without: until revoked.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once. From the first key on, the HTTP API asks for one."""
    with _keys() as (keys, _):
        key, text = keys.create(
            _name(name),
            scope or (Permission.ASK, Permission.READ, Permission.WRITE),
            namespaces=[check_namespace(each) for each in namespace or ()],
            origins=[_origin(each) for each in origin or ()],
            expires_at=_expiry(expires, datetime.now(UTC)),
        )
    if as_json:
        sys.stdout.write(json.dumps({**_to_json(key), "secret": text}) + "\n")
        return
    sys.stdout.write(f"{text}\n")
    sys.stderr.write(
        f"This is the key {key.id} ({_summary(key)}). Keep it safe: it is not shown again.\n"
        "Clients send it as `Authorization: Bearer lk_…`; the web chat asks for it.\n"
    )


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """Show the keys, also those that are expired or revoked; never their secrets."""
    with _keys() as (keys, is_open):
        found = keys.all()
    if as_json:
        sys.stdout.write(json.dumps([_to_json(key) for key in found]) + "\n")
        return
    if not found:
        means = "on this machine, the HTTP API is open" if is_open else "nobody can use the HTTP API"
        sys.stdout.write(f"There are no keys: {means}. `lorekeeper keys create NAME` makes one.\n")
    now = datetime.now(UTC)
    for key in found:
        sys.stdout.write(f"{key.id}  {_state(key, now):<8}  {plain(key.name)}  ({_summary(key)})\n")


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `lorekeeper keys list` shows it.")]) -> None:
    """Close the door for a key, within about a second."""
    with _keys() as (keys, is_open):
        key = keys.revoke(key_id)
        others = any(each.revoked_at is None for each in keys.all())
    sys.stdout.write(f"The key {key.id} ({plain(key.name)}) is revoked.\n")
    if not others:
        means = "on this machine, the HTTP API is open again" if is_open else "nobody can use the HTTP API now"
        sys.stdout.write(f"There is no other key: {means}.\n")


@contextmanager
def _keys() -> Iterator[tuple[KeyStore, bool]]:
    """The record's keys, and whether the gateway is open without any.

    A running server reads them there, so it need not be asked.
    """
    from core.datafolder import prepare
    from core.store.engine import open_engine, upgrade
    from core.store.keys import KeyStore

    settings = load()
    configure_for_command(settings.log)
    prepare(settings.data_dir)
    engine = open_engine(settings.database_url, settings.data_dir)
    try:
        upgrade(engine)
        yield KeyStore(engine), is_private(settings.server.host, settings.server.public_url)
    finally:
        engine.dispose()


def _name(given: str) -> str:
    name = " ".join(given.split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidRequest(f"A key's name has 1 to {LONGEST_NAME} characters.")
    return name


def _origin(given: str) -> str:
    origin = given.strip().lower().rstrip("/")
    if not ORIGIN.fullmatch(origin):
        raise InvalidRequest(
            f"{given} is not the origin of a web page. It looks like https://example.org, without a path."
        )
    return origin


def _expiry(given: str, now: datetime) -> datetime | None:
    if not given:
        return None
    match = re.fullmatch(r"(\d{1,6})([hdwy])", given.strip().lower())
    life = int(match[1]) * UNITS[match[2]] if match else timedelta()
    if not timedelta() < life <= LONGEST_LIFE:
        raise InvalidRequest(f"{given} is not a time such as 12h, 90d, 2w or 1y.")
    return now + life


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.is_valid(now) else "expired"


def _summary(key: ApiKey) -> str:
    parts = [", ".join(sorted(key.permissions)), f"namespaces: {', '.join(sorted(key.namespaces)) or 'all'}"]
    if key.origins:
        parts.append(f"pages: {', '.join(sorted(key.origins))}")
    parts.append(f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "no end")
    return "; ".join(parts)


def _to_json(key: ApiKey) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": key.id,
        "name": key.name,
        "state": _state(key, now),
        "scopes": sorted(key.permissions),
        "namespaces": sorted(key.namespaces),
        "origins": sorted(key.origins),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }

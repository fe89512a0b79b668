"""`lorekeeper status`."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from bots.status.reading import AWAY, Reader, Status
from bots.status.view import as_json, view
from core.datafolder import read_owner
from core.errors import InvalidRequest
from core.health import State
from core.log import configure_for_command
from core.settings import Settings, load


def status(
    url: Annotated[
        list[str] | None,
        typer.Option(help="Where a process is reached: the gateway, or a probe. Repeatable.", show_default=False),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="A file with the key of the HTTP API, with the scopes read and metrics.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    in_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line, once.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="Between two looks.")] = 2.0,
) -> None:
    """Show what runs and how it does, until Ctrl-C. Once, it exits with 1 when something is away or has failed."""
    settings = load()
    configure_for_command(settings.log)
    reader = _reader(settings, url or [], key_file)
    if once or in_json:
        found = asyncio.run(reader.read())
        if in_json:
            sys.stdout.write(json.dumps(as_json(found)) + "\n")
        else:
            Console(highlight=False).print(view(found))
        raise typer.Exit(0 if _is_well(found) else 1)
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(reader, seconds))


async def _watch(reader: Reader, seconds: float) -> None:
    with Live(view(await reader.read()), console=Console(highlight=False), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(seconds)
            live.update(view(await reader.read()), refresh=True)


def _reader(settings: Settings, urls: list[str], key_file: Path | None) -> Reader:
    """The owner of the data folder, unless addresses are given; without an owner, where the settings say it listens."""
    key = _key(key_file)
    if urls:
        return Reader(urls, key)
    owner = read_owner(settings.data_dir) if settings.is_embedded else None
    if owner is not None and owner.url:
        return Reader([owner.url], key or owner.token)
    server = settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)  # noqa: S104 - it is looked for
    return Reader([server.public_url or f"http://{host}:{server.port}"], key)


def _key(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f"The key cannot be read from {file}. Write it there with `lorekeeper keys create`."
        ) from error


def _is_well(found: Status) -> bool:
    return not any(each.state in {AWAY, State.FAILED.value} for each in found.processes)

"""Which base model the servers really have, by what they list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from core.settings import Settings
from core.types.adapters import Adapter, Form

SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Found:
    """What servers have, held against an adapter."""

    objection: str = ""
    """Why it would not be served as it was trained; empty where nothing speaks against it."""
    note: str = ""
    """What could not be checked, for a person."""


def check_served(settings: Settings, adapter: Adapter) -> Found:
    """Asks every server of the settings. Never raises: who cannot be asked is named."""
    urls = settings.adapters.servers or [settings.generation.base_url]
    if not any(urls):
        return Found(
            note="No model's server is set (generation.base_url), so nothing could be checked, and quotes answer."
        )
    key = settings.generation.api_key.get_secret_value()
    unasked = []
    for url in urls:
        rows = _models(url, key)
        if rows is None:
            unasked.append(url)
        elif objection := against(url, rows, adapter):
            return Found(objection)
    if unasked:
        return Found(note=f"{' and '.join(unasked)} did not say which base model is there, so that was not checked.")
    return Found()


def against(url: str, rows: Sequence[Any], adapter: Adapter) -> str:
    """What a server's list of models says against an adapter; empty where nothing does. Pure."""
    if adapter.form is Form.MERGED:
        if any(row["id"] == adapter.served_as for row in rows):
            return ""
        return (
            f"{url} does not have {adapter.served_as}. It is a whole model: put its files where a server finds them with "
            f"`lorekeeper tune fetch {adapter.id} FOLDER`, and start one with --served-model-name {adapter.served_as}."
        )
    roots = sorted({str(row["root"]) for row in rows if not row.get("parent")})
    if not roots or any(_is_same(root, adapter.base.name) for root in roots):
        return ""
    return f"{adapter.id} was trained on {adapter.base.name}, and {url} serves {' and '.join(roots)}."


def _is_same(root: str, base: str) -> bool:
    """A folder may lie somewhere else on the server, and a hub's name may be that of a copy."""
    return root == base or PurePath(root).name == PurePath(base).name


def _models(url: str, key: str) -> Sequence[Any] | None:
    """The rows of its list; None where it does not answer, or is no vLLM."""
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=SECONDS)
        rows = response.raise_for_status().json()["data"]
        return rows if all(isinstance(row["root"], str) and isinstance(row["id"], str) for row in rows) else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None

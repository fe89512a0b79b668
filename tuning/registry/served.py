"""Which base model the servers really have, by what they list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from core.addresses import without_password
from core.settings import Settings
from core.types.adapters import Adapter, Form
from tuning.serving.server import Model, ModelServer, ServerFailed


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
            note="No model's server is set (generation.base_url), so its base model was not checked, and until one is set, "
            "answers only quote the documents."
        )
    listed = asyncio.run(_list(urls, settings.generation.api_key.get_secret_value()))
    for url, models in listed.items():
        if objection := against(without_password(url), models, adapter):
            return Found(objection)
    unasked = [without_password(url) for url in urls if url not in listed]
    if unasked:
        return Found(note=f"{' and '.join(unasked)} did not say which base model is there, so that was not checked.")
    return Found()


def against(url: str, models: Sequence[Model], adapter: Adapter) -> str:
    """What a server's list of models says against an adapter; empty where nothing does. Pure."""
    if adapter.form is Form.MERGED:
        if any(model.name == adapter.served_as for model in models):
            return ""
        return (
            f"{url} does not have {adapter.served_as}. It is a whole model: put its files where a server finds them with "
            f"`lorekeeper tune fetch {adapter.id} FOLDER`, and start one with --served-model-name {adapter.served_as}."
        )
    roots = sorted({model.root for model in models if model.root and not model.parent})
    if not roots or any(_is_same(root, adapter.base.name) for root in roots):
        return ""
    return f"{adapter.id} was trained on {adapter.base.name}, and {url} serves {' and '.join(roots)}."


def _is_same(root: str, base: str) -> bool:
    """A folder may lie somewhere else on the server, and a hub's name may be that of a copy."""
    return root == base or PurePath(root).name == PurePath(base).name


async def _list(urls: Sequence[str], key: str) -> dict[str, Sequence[Model]]:
    """By server, what it has; without those that do not answer, or are no vLLM."""

    async def ask(url: str) -> Sequence[Model]:
        try:
            return await ModelServer(url, key).models()
        except ServerFailed:
            return ()

    every = dict(zip(urls, await asyncio.gather(*map(ask, urls)), strict=True))
    return {url: models for url, models in every.items() if models and all(model.root for model in models)}

"""Has the model's servers serve what namespaces are promoted to, and knows what answers for which.

Every process that answers has a keeper. Several do the same, which is harmless: an adapter that is there already is not
loaded again, and one that is gone already is not taken out.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import structlog

from core.addresses import without_password
from core.errors import LorekeeperError
from core.health import Check
from core.settings import Settings
from core.store.adapters import AdapterStore
from core.types.adapters import Adapter, Form
from tuning.registry.served import against
from tuning.serving.attempts import Attempts
from tuning.serving.report import report
from tuning.serving.routes import Listed, Route, answering, changed, missing, routed, superfluous
from tuning.serving.server import Model, ModelServer, ServerFailed

# What the first question of a process, and each round, wait for at most; what takes longer goes on meanwhile.
WAIT_SECONDS = 5.0
CHECK_SECONDS = 2.0
# Beside the longest answer, and the time until other processes look as well.
GRACE_SECONDS = 15.0
ANOTHER_BASE = "Serve that model, or if it is the same: roll back, and promote with --force --reason WHY."
Fetch = Callable[[Adapter], Path]
log = structlog.get_logger(__name__)


class ModelKeeper:
    """Implements `core.ports.Models`. Belongs to one event loop."""

    def __init__(
        self,
        store: AdapterStore,
        settings: Settings,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings
        self._fetch = fetch or _fetcher(settings)
        self._clock = clock
        key = settings.generation.api_key.get_secret_value()
        urls = settings.adapters.servers or [settings.generation.base_url]
        self._servers = {server.url: server for server in (ModelServer(url, key) for url in urls)}
        self._promoted: Mapping[str, Adapter] = {}
        self._routes: Mapping[str, Route] = {}
        self._listed: Listed = {}
        self._models_of: dict[str, Sequence[Model]] = {}
        self._attempts = Attempts(clock)
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._unwanted_since: dict[str, float] = {}
        self._round: asyncio.Task[None] | None = None
        self._has_looked = False
        self._is_kept = False
        self._is_idle = False
        self._trouble = ""

    async def model_for(self, namespace: str) -> str:
        """What the namespace's promotion says, as far as the servers have it. The first question waits a little."""
        if not self._has_looked:
            await asyncio.wait([self._first_round()], timeout=WAIT_SECONDS)
            self._has_looked = True
        return answering(self._routes, namespace)

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        self._is_kept = True
        try:
            await self._first_round()
            while True:
                await asyncio.sleep(self._settings.adapters.poll_seconds)
                await self.look()
        finally:
            for task in [*self._loading.values(), *([self._round] if self._round else [])]:
                task.cancel()

    def _first_round(self) -> asyncio.Task[None]:
        """One for all that wait for it."""
        self._round = self._round or asyncio.create_task(self.look())
        return self._round

    async def look(self, *, changes: bool = True) -> None:
        """One round: what is promoted, what the servers have, and what they lack or have too much. Never raises.

        `changes`: have the servers load and unload.
        """
        try:
            promoted = await asyncio.to_thread(self._store.promoted)
            if not self._has_looked:
                self._is_idle = not await asyncio.to_thread(self._store.all)
            retired = await asyncio.to_thread(self._retired)
            if not promoted and not retired and self._is_idle:
                self._settle(promoted, {})
                return
            listed = await self._list()
            if changes:
                await self._load(promoted, listed)
            self._settle(promoted, listed)
            if changes:
                await self._unload()
                await asyncio.to_thread(self._erase, retired)
            self._is_idle = not promoted and not self._unwanted_since and None not in listed.values()
            self._trouble = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round may do better
            cause = error.message if isinstance(error, LorekeeperError) else f"{type(error).__name__}: {error}"
            if cause != self._trouble:
                log.warning("looking after tuned models failed; what answers stays, and it is tried again", cause=cause)
            self._trouble = cause

    async def check(self) -> Check | None:
        """For the operator: who is not answered by what should answer; None when there is nothing to say."""
        if self._is_kept:
            await asyncio.wait([self._first_round()], timeout=CHECK_SECONDS)
        else:
            await self.look(changes=False)
        named = {name: namespace.model for name, namespace in self._settings.namespaces.items() if namespace.model}
        listed = await self._list() if named else {}
        return report(self._routes, self._promoted, self._attempts, named, listed)

    def count(self) -> dict[str, int]:
        """Namespaces that are answered by what they were promoted to, and those that are not."""
        served = sum(route.is_served for route in self._routes.values())
        return {"served": served, "missing": len(self._routes) - served}

    async def _list(self) -> dict[str, frozenset[str] | None]:
        return dict(zip(self._servers, await asyncio.gather(*map(self._names, self._servers)), strict=True))

    async def _names(self, url: str) -> frozenset[str] | None:
        try:
            models = await self._servers[url].models()
        except ServerFailed as error:
            if not self._attempts.is_away(url):
                log.warning("a model's server does not say what it has", cause=error.sentence)
            self._attempts.away(url, error.sentence, error.remedy)
            return None
        self._attempts.back(url)
        self._models_of[url] = models
        return frozenset(model.name for model in models)

    async def _load(self, promoted: Mapping[str, Adapter], listed: dict[str, frozenset[str] | None]) -> None:
        adapters = {each.served_as: each for each in promoted.values() if each.form is Form.ADAPTER}
        self._attempts.forget_all_but(adapters, listed)
        wanted: dict[str, list[str]] = {}
        for url, name in missing(adapters, listed):
            if name in self._loading or not self._attempts.may(url, name):
                continue
            if objection := await self._objection(url, adapters[name]):
                self._attempts.failed(url, name, objection, ANOTHER_BASE)
            else:
                wanted.setdefault(name, []).append(url)
        for name, urls in wanted.items():
            self._loading[name] = asyncio.create_task(self._load_one(adapters[name], urls, listed))
        if self._loading:
            await asyncio.wait(self._loading.values(), timeout=WAIT_SECONDS)
        self._loading = {name: task for name, task in self._loading.items() if not task.done()}

    async def _objection(self, url: str, adapter: Adapter) -> str:
        """vLLM takes what was trained on another model without a word where the shapes are the same."""
        said = against(without_password(url), self._models_of[url], adapter)
        is_forced = bool(said) and await asyncio.to_thread(self._store.is_forced, adapter.id)
        return "" if is_forced else said

    async def _load_one(
        self, adapter: Adapter, urls: Collection[str], listed: dict[str, frozenset[str] | None]
    ) -> None:
        """Its files to where the servers see them, and then into each server. `listed` gets what is there now."""
        name = adapter.served_as
        try:
            folder = await asyncio.to_thread(self._fetch, adapter)
        except (LorekeeperError, OSError) as error:
            sentence = error.message if isinstance(error, LorekeeperError) else f"its files: {error}"
            for url in urls:
                self._attempts.failed(url, name, sentence, "See that its files are in adapters.store.")
            return
        path = self._on_server(folder)

        async def load(url: str) -> None:
            try:
                await self._servers[url].load(name, path)
            except ServerFailed as error:
                self._attempts.failed(url, name, error.sentence, error.remedy)
            else:
                listed[url] = (listed[url] or frozenset()) | {name}

        await asyncio.gather(*map(load, urls))

    def _on_server(self, folder: Path) -> str:
        """The path of fetched files as the model's server sees them."""
        there = self._settings.adapters.folder_on_server
        if not there:
            return str(folder)
        return str(PurePosixPath(there, *folder.relative_to(local_folder(self._settings)).parts))

    def _settle(self, promoted: Mapping[str, Adapter], listed: Listed) -> None:
        """From now on questions go where this leads."""
        wanted = {namespace: adapter.served_as for namespace, adapter in promoted.items()}
        before, failed = self._routes, self._attempts.names()
        self._routes = routed(wanted, listed, before, failed)
        self._promoted, self._listed, self._has_looked = promoted, listed, True
        for namespace in changed(before, self._routes):
            _tell(namespace, self._routes.get(namespace), self._attempts)

    async def _unload(self) -> None:
        """Out of the servers with what is ours and was wanted by nobody for longer than any answer takes."""
        kept = {adapter.served_as for adapter in self._promoted.values()}
        kept |= {route.model for route in self._routes.values()} | {self._settings.generation.model}
        kept |= {namespace.model for namespace in self._settings.namespaces.values()}
        unwanted = await asyncio.to_thread(self._store.served_as, superfluous(self._listed, kept))
        ours = [name for name, adapter in unwanted.items() if adapter.form is Form.ADAPTER]
        now = self._clock()
        grace = self._settings.generation.total_seconds + self._settings.adapters.poll_seconds + GRACE_SECONDS
        self._unwanted_since = {name: self._unwanted_since.get(name, now) for name in ours}
        for name, since in self._unwanted_since.items():
            if now - since > grace:
                await asyncio.gather(
                    *(self._unload_one(url, name) for url, has in self._listed.items() if name in (has or ()))
                )

    async def _unload_one(self, url: str, name: str) -> None:
        try:
            await self._servers[url].unload(name)
        except ServerFailed as error:
            log.warning("an adapter that nobody uses could not be unloaded", adapter=name, cause=error.sentence)
        else:
            log.info("an adapter that nobody uses was unloaded", adapter=name, server=without_password(url))

    def _retired(self) -> list[Path]:
        """Files in our folder of what is retired."""
        folder = local_folder(self._settings)
        names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        known = self._store.served_as(names) if names else {}
        return [folder / name for name, adapter in known.items() if adapter.retired_at]

    def _erase(self, retired: Sequence[Path]) -> None:
        """What is retired may have to be forgotten. A server that has an adapter may read its files at any time."""
        if any(names is None for names in self._listed.values()):
            return
        has = frozenset[str]().union(*(names or () for names in self._listed.values()))
        for folder in retired:
            # Another process may do the same at this moment.
            if folder.name not in has:
                with suppress(FileNotFoundError):
                    shutil.rmtree(folder)
                    log.info("files of a retired adapter were erased", adapter=folder.name)


def local_folder(settings: Settings) -> Path:
    """Where this process puts adapters for the model's server."""
    given = settings.adapters.folder
    return (Path(given).expanduser() if given else settings.data_dir / "served").absolute()


def _fetcher(settings: Settings) -> Fetch:
    def fetch(adapter: Adapter) -> Path:
        from tuning.registry.store import open_files

        return open_files(settings).fetch(adapter, local_folder(settings))

    return fetch


def _tell(namespace: str, route: Route | None, attempts: Attempts) -> None:
    if route is None:
        log.info("a namespace has no tuned model of its own any more", namespace=namespace)
    elif route.is_served:
        log.info("a namespace is answered by its tuned model", namespace=namespace, model=route.model)
    else:
        cause = attempts.cause(route.wanted)[0] or "it is not loaded yet"
        log.warning(
            "a namespace is not answered by its tuned model",
            namespace=namespace, wanted=route.wanted, answers=route.model or "the base model", cause=cause,
        )  # fmt: skip

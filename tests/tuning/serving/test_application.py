"""From a promotion to the answer, through the gateway, as everything is wired."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.build import Application
from core.store.adapters import AdapterStore
from core.store.engine import open_engine
from tests.bots.gateway.serving import LEAVE, Server, serving, settings
from tests.bots.gateway.test_metrics import samples
from tests.fakes.openai_server import MODEL, FakeOpenAI, fake_openai
from tests.tuning.serving.registered import registered


def record_of(application: Application) -> AdapterStore:
    chosen = application.settings
    return AdapterStore(open_engine(chosen.database_url, chosen.data_dir))


async def who_answers(server: Server, namespace: str) -> str:
    return str((await server.ask(namespace=namespace)).json()["generator"])


async def until_it_answers(server: Server, model: str) -> None:
    async with asyncio.timeout(30):
        while await who_answers(server, "hr") != f"chat:{model}":
            await asyncio.sleep(0.05)


async def adapters_check(server: Server) -> dict[str, str]:
    rows = (await server.client.get("/readyz", headers=server.owner)).json()["checks"]
    return next((row for row in rows if row["name"] == "adapters"), {})


async def test_a_namespace_answers_with_what_it_is_promoted_to_until_it_is_rolled_back(tmp_path: Path) -> None:
    with fake_openai() as model:
        chosen = settings(tmp_path, generation={"base_url": model.url, "mode": "chat"}, adapters={"poll_seconds": 0.5})
        async with serving(chosen) as server:
            store, keep = record_of(server.application), server.application.keep_models
            assert keep is not None
            for namespace in ("hr", "it"):
                await server.upload("leave.md", LEAVE, namespace=namespace)
            keeping = asyncio.create_task(keep())
            assert await who_answers(server, "hr") == f"chat:{MODEL}"
            assert await adapters_check(server) == {}

            adapter = registered(store, chosen)
            store.promote("hr", adapter.id, "ann")
            await until_it_answers(server, adapter.served_as)
            assert await who_answers(server, "it") == f"chat:{MODEL}"
            assert (await adapters_check(server))["state"] == "ok"
            assert (await samples(server))["lorekeeper_adapters", ("served",)] == 1

            model.load_error = "out of memory"
            model.adapters.clear()
            assert await who_answers(server, "hr") == f"chat:{MODEL}", "whoever asks first is answered as well"
            await _until_it_is_missing(server)
            assert "out of memory" in (await adapters_check(server))["detail"]
            assert (await samples(server))["lorekeeper_adapters", ("missing",)] == 1

            store.rollback("hr", "ann")
            await until_it_answers(server, MODEL)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            store._engine.dispose()


async def _until_it_is_missing(server: Server) -> None:
    async with asyncio.timeout(30):
        while (await adapters_check(server)).get("state") != "degraded":
            await asyncio.sleep(0.05)


async def test_a_namespace_s_own_setting_comes_first(tmp_path: Path) -> None:
    with fake_openai(models=(MODEL, "by-hand")) as model:
        namespaces = {"hr": {"model": "by-hand"}}
        chosen = settings(tmp_path, generation={"base_url": model.url}, namespaces=namespaces)
        async with serving(chosen) as server:
            store = record_of(server.application)
            store.promote("hr", registered(store, chosen).id, "ann")
            await server.upload("leave.md", LEAVE, namespace="hr")
            assert await who_answers(server, "hr") == "chat:by-hand"
            store._engine.dispose()


async def test_without_a_model_there_is_nothing_to_keep(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as server:
        assert server.application.keep_models is None


async def test_without_a_server_the_documents_are_quoted_as_ever(tmp_path: Path) -> None:
    gone = FakeOpenAI(url="http://127.0.0.1:9/v1")
    async with serving(settings(tmp_path, generation={"base_url": gone.url, "connect_seconds": 0.5})) as server:
        store = record_of(server.application)
        store.promote("hr", registered(store, server.application.settings).id, "ann")
        await server.upload("leave.md", LEAVE, namespace="hr")
        assert await who_answers(server, "hr") == "extractive"
        store._engine.dispose()

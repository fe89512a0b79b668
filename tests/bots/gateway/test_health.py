"""`/healthz` and `/readyz`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bots.gateway.serving import Server, serving, settings
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOWN = {"base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5}


def states(body: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in body["checks"]}


async def test_the_process_is_alive(server: Server) -> None:
    response = await server.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_names_every_dependency(server: Server) -> None:
    response = await server.client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert states(response.json()) == {"database": "ok", "index": "ok", "model": "ok", "disk": "ok"}


async def test_a_model_that_is_up_is_ok(tmp_path: Path) -> None:
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            body = (await server.client.get("/readyz")).json()
    assert states(body)["model"] == "ok"


async def test_a_model_that_is_down_degrades_but_questions_are_still_answered(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, generation=DOWN)) as server:
        response = await server.client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    (model,) = [check for check in response.json()["checks"] if check["state"] != "ok"]
    assert model["name"] == "model"
    assert "generation.base_url" in model["remedy"]


async def test_a_model_that_has_to_answer_and_is_down_means_not_ready(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, generation={**DOWN, "mode": "chat"})) as server:
        response = await server.client.get("/readyz")
        assert (await server.client.get("/healthz")).status_code == 200
    assert (response.status_code, response.json()["status"]) == (503, "failed")
    assert states(response.json())["model"] == "failed"

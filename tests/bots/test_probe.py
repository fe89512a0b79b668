"""The probe: health and metrics of a process without the gateway, and of one that is being stopped."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bots.probe import Probe
from core.build import Application
from core.errors import InvalidSettings
from core.health import Check, State
from tests.bots.gateway.serving import settings
from tests.bots.opened import opened


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@asynccontextmanager
async def probed(folder: Path) -> AsyncGenerator[tuple[Probe, Application, httpx.AsyncClient]]:
    port = free_port()
    async with opened(settings(folder, server={"probe_port": port}), "", None) as application:
        probe = Probe(application)
        async with (
            probe.open(),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            yield probe, application, client


async def test_it_says_that_the_process_lives_what_it_can_do_and_what_it_counted(tmp_path: Path) -> None:
    async with probed(tmp_path) as (_, _, client):
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
        metrics = await client.get("/metrics")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert {"name": "database", "state": "ok"} in ready.json()["checks"]
    assert "lorekeeper_documents" in metrics.text
    assert metrics.headers["content-type"].startswith("text/plain; version=")


async def test_it_tells_no_details_and_serves_nothing_else(tmp_path: Path) -> None:
    async with probed(tmp_path) as (_, application, client):
        application.reports["slack"] = Check("slack", State.DEGRADED, "secret detail", "secret remedy")
        ready = await client.get("/readyz")
        other = [await client.get("/v1/documents"), await client.post("/v1/ask", json={"question": "Who?"})]
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "secret" not in ready.text
    assert [each.status_code for each in other] == [404, 404]


async def test_a_process_that_is_being_stopped_lives_and_is_not_ready(tmp_path: Path) -> None:
    async with probed(tmp_path) as (probe, _, client):
        probe.stopping()
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


async def test_a_port_that_is_taken_is_named_with_the_setting(tmp_path: Path) -> None:
    async with probed(tmp_path) as (_, application, _):
        with pytest.raises(InvalidSettings, match=r"LOREKEEPER_SERVER__PROBE_PORT=\d+"):
            await asyncio.to_thread(Probe, replace(application))

"""kill -9 of every container in turn, in the middle of work: everything is done once."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.docker.crowd import LEAVE, assert_done_once, begin, has_begun, upload
from tests.docker.stack import SERVICES, World, world

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
QUESTIONS = 4


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World, None]:
    async with world(tmp_path_factory.mktemp("kills"), "kills") as made:
        made.model.pause = 0.2
        await made.run(made.stack.up)
        await made.connected()
        await upload(made.stack.url, await made.run(made.stack.key), "leave.md", LEAVE)
        yield made


@pytest.mark.parametrize("service", SERVICES)
async def test_what_was_asked_and_sent_is_done_once_though_a_container_is_killed(running: World, service: str) -> None:
    asked = await begin(running, QUESTIONS, f"{service} ")
    await has_begun(running, asked)
    (container,) = running.stack.containers(service)
    await running.run(running.stack.kill, container)
    await running.run(running.stack.until_healthy, *SERVICES)
    await running.connected()
    await running.slack.redeliver()
    await assert_done_once(running, asked)
    assert running.stack.inspect(container)["RestartCount"] >= 1

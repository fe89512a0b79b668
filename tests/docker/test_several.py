"""Two of each at once: nothing is answered twice, indexed twice or lost, also when one of each kind is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from tests.docker.crowd import FACT, LEAVE, TEXTS, ask, assert_done_once, begin, client_of, has_begun, upload
from tests.docker.stack import BOTS, World, world

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
QUESTIONS = 12


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World, None]:
    async with world(tmp_path_factory.mktemp("several"), "several", gateways=2) as made:
        made.model.pause = 0.1
        await made.run(made.stack.up, gateway=2, slack=2, discord=2, worker=2)
        await made.connected(2)
        await upload(made.stack.url, await made.run(made.stack.key), "leave.md", LEAVE)
        yield made


async def test_both_gateways_know_the_same(running: World) -> None:
    key = await running.run(running.stack.key)
    await upload(running.stack.urls[0], key, "parking.md", TEXTS["parking.md"])
    answers = await asyncio.gather(*(ask(url, key, "Where are bicycles parked?") for url in running.stack.urls * 4))
    assert {each["outcome"] for each in answers} == {"answered"}
    # The same bytes under the same name, through the other gateway, are the same document.
    await upload(running.stack.urls[1], key, "parking.md", TEXTS["parking.md"])


async def test_what_only_one_gateway_knows_is_told_clearly_by_the_other(running: World) -> None:
    key = await running.run(running.stack.key)
    one, two = running.stack.urls
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": "filename YS5tZA=="}
    async with client_of(one, key) as client:
        path = httpx.URL((await client.post("/v1/uploads", headers=headers)).headers["location"]).path
    async with client_of(two, key) as client:
        piece = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        lost = await client.patch(path, headers=piece, content=b"0123456789")
    assert lost.status_code == 404
    assert "Begin it anew" in lost.json()["detail"]


async def test_a_crowd_is_served_once_by_two_of_each(running: World) -> None:
    asked = await begin(running, QUESTIONS)
    await assert_done_once(running, asked)
    assert all(FACT in running.slack.replies(each)[0].shown for each in asked.in_slack)


async def test_and_also_when_one_of_each_is_killed_meanwhile(running: World) -> None:
    asked = await begin(running, QUESTIONS, "again ")
    await has_begun(running, asked)
    for service in BOTS:
        await running.run(running.stack.kill, running.stack.containers(service)[0])
    await running.slack.redeliver()
    await running.run(running.stack.until_healthy, *BOTS)
    await assert_done_once(running, asked)

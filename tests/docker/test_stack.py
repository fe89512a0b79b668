"""The stack as one starts it: what its containers may do, and that it answers in every channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from tests.bots.discord import load_crowd as on_discord
from tests.bots.slack import load_crowd as on_slack
from tests.docker.crowd import FACT, LEAVE, QUESTION, TEXTS, ask, assert_done_once, begin, upload
from tests.docker.stack import BOTS, PATIENCE, SERVICES, World, docker, world

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
MB = 1_000_000
LARGEST_MB = {"lorekeeper": 900, "lorekeeper-worker": 1000, "lorekeeper-chroma": 800}
IDLE_MB = 1500
VERSION = "0.1.0"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World, None]:
    async with world(tmp_path_factory.mktemp("stack"), "one") as made:
        await made.run(made.stack.up)
        await made.connected()
        yield made


@pytest.mark.parametrize("image", LARGEST_MB)
async def test_images_are_small_and_hold_neither_torch_nor_build_tools(image: str) -> None:
    (about,) = json.loads(docker("inspect", f"{image}:{VERSION}"))
    assert about["Size"] <= LARGEST_MB[image] * MB
    assert about["Config"]["User"] not in {"", "root", "0"}
    look = "command -v gcc cc make pip3.12; ls /opt/*/lib/python3*/site-packages | grep -E '^(torch|transformers|pip)$'; true"
    assert docker("run", "--rm", "--entrypoint", "/bin/sh", f"{image}:{VERSION}", "-c", look) == ""


@pytest.mark.parametrize("service", SERVICES)
async def test_a_container_may_do_no_more_than_it_has_to(running: World, service: str) -> None:
    (container,) = running.stack.containers(service)
    about = running.stack.inspect(container)
    host = about["HostConfig"]
    assert about["State"]["Health"]["Status"] == "healthy"
    assert about["Config"]["User"] not in {"", "root", "0"}
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


async def test_only_the_gateway_is_published_and_the_record_reaches_nothing(running: World) -> None:
    published, networks = {}, {}
    for service in SERVICES:
        settings = running.stack.inspect(running.stack.containers(service)[0])["NetworkSettings"]
        published[service] = {port for port, where in settings["Ports"].items() if where}
        networks[service] = {name.rpartition("_")[2] for name in settings["Networks"]}
    assert published.pop("gateway") == {"8080/tcp"}
    assert not any(published.values())
    assert networks["postgres"] == networks["chroma"] == {"inside"}
    assert json.loads(docker("network", "inspect", f"{running.stack.name}_inside"))[0]["Internal"]


@pytest.mark.parametrize("service", BOTS)
async def test_tokens_are_files_and_only_for_those_who_need_them(running: World, service: str) -> None:
    (container,) = running.stack.containers(service)
    secrets = {"slack": running.slack.bot.token, "discord": running.discord.token}
    environment = str(running.stack.inspect(container)["Config"]["Env"])
    assert not any(secret in environment for secret in secrets.values())
    readable = running.stack.compose("exec", "-T", service, "sh", "-c", "cat /run/secrets/*/* 2>/dev/null; true")
    assert {name for name, secret in secrets.items() if secret in readable} == {service} & set(secrets)


async def test_nobody_gets_in_without_a_key(running: World) -> None:
    async with httpx.AsyncClient(base_url=running.stack.url) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/documents")).status_code == 401
        assert (await client.post("/v1/ask", json={"question": QUESTION})).status_code == 401


async def test_it_answers_from_what_was_uploaded_in_every_channel(running: World) -> None:
    key = await running.run(running.stack.key)
    await upload(running.stack.url, key, "leave.md", LEAVE)
    answer = await ask(running.stack.url, key)
    assert answer["outcome"] == "answered"
    assert FACT in str(answer["text"])
    asked = await begin(running, 2)
    await assert_done_once(running, asked)
    assert FACT in running.slack.replies(asked.in_slack[0])[0].shown
    assert FACT in on_discord.answers(running.discord, asked.in_discord[0])[0].shown


async def test_files_come_from_discord_too(running: World) -> None:
    fake = running.discord
    name, text = "hotel.md", TEXTS["travel.md"].replace(b"Travel", b"Hotels")
    given = fake.file(name, text)
    adding = await fake.slash(fake.olga, fake.general, "lore add", file=given)
    await fake.until(lambda: any("searchable" in message.shown for message in adding.messages), PATIENCE)


async def test_processes_are_told_to_stop_and_end_in_time(running: World) -> None:
    """Whatever was asked just before is answered, by those that stop or by the next."""
    question = await running.slack.say("U1", "C1", f"<@BOT> {QUESTION} (before the end)")
    await asyncio.sleep(0.3)
    await running.run(running.stack.compose, "restart", "--timeout", "35", *BOTS)
    for service in BOTS:
        (container,) = running.stack.containers(service)
        assert running.stack.inspect(container)["State"]["ExitCode"] == 0
    await running.slack.redeliver()
    await running.slack.until(lambda: on_slack.is_whole(running.slack, question), PATIENCE)
    assert len(running.slack.replies(question)) == 1


async def test_idle_it_needs_little_memory(running: World) -> None:
    sizes = await running.run(running.stack.memory_mb)
    assert len(sizes) == len(SERVICES)
    assert sum(sizes.values()) <= IDLE_MB, sizes

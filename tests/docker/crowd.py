"""What people do with the stack, and what must have become of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import httpx

from tests.bots.discord import load_crowd as on_discord
from tests.bots.slack import load_crowd as on_slack
from tests.docker.stack import PATIENCE, World
from tests.fakes import discord, slack

LEAVE = b"# Leave\n\nYou accrue 13 days of annual leave per year. Part-time staff accrue less.\n"
TEXTS = {
    "travel.md": b"# Travel\n\nA hotel costs at most 150 euros a night.\n",
    "parking.md": b"# Parking\n\nBicycles are parked in the yard.\n",
    "lunch.md": b"# Lunch\n\nThe canteen opens at noon.\n",
}
QUESTION = "How many days of annual leave do I accrue?"
FACT = "13 days"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, in both places, and the message with files."""

    in_slack: list[slack.Message]
    in_discord: list[discord.Message]
    files: slack.Message
    titles: list[str]
    """Of the documents in those files."""


async def upload(url: str, key: str, name: str, data: bytes) -> None:
    """Over HTTP, until it can be found."""
    async with client_of(url, key) as client:
        sent = await client.post("/v1/documents", files={"file": (name, data)}, headers={"Prefer": "respond-async"})
        assert sent.status_code in {200, 201, 202}, sent.text
    async with asyncio.timeout(PATIENCE):
        while title_of(data) not in await titles(url, key):
            await asyncio.sleep(0.2)


async def titles(url: str, key: str) -> list[str]:
    """Of the documents that can be found."""
    async with client_of(url, key) as client:
        found = (await client.get("/v1/documents", params={"status": "ready", "limit": 100})).json()
    return [each["title"] for each in found["documents"]]


def client_of(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def title_of(data: bytes) -> str:
    return data.decode().splitlines()[0].removeprefix("# ")


async def ask(url: str, key: str, question: str = QUESTION) -> dict[str, object]:
    async with client_of(url, key) as client:
        answered = await client.post("/v1/ask", json={"question": question})
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


async def begin(world: World, questions: int, tag: str = "") -> Asked:
    """A crowd asks in both places at once, and an admin sends files, whose names and texts have the tag in them."""
    in_slack = [await world.slack.say("U1", "C1", f"<@BOT> {QUESTION} ({number})") for number in range(questions)]
    place = world.discord.general
    in_discord = [
        await world.discord.say(world.discord.ann, place, f"<@BOT> {QUESTION} ({number})")
        for number in range(questions)
    ]
    texts = {f"{tag}{name}": text.replace(b"# ", f"# {tag}".encode()) for name, text in TEXTS.items()}
    files = [world.slack.file(name, text, mimetype="text/markdown", user="UADMIN") for name, text in texts.items()]
    sent = await world.slack.say("UADMIN", world.slack.dm("UADMIN"), "", files=files)
    return Asked(in_slack, in_discord, sent, [title_of(text) for text in texts.values()])


async def has_begun(world: World, asked: Asked) -> None:
    """Somebody is told that an answer is being written."""
    await world.slack.until(lambda: any(world.slack.replies(each) for each in asked.in_slack), PATIENCE)
    await world.discord.until(lambda: any(world.discord.replies(each) for each in asked.in_discord), PATIENCE)


async def assert_done_once(world: World, asked: Asked) -> None:
    """Every question has one whole answer, every file is one document, and the admin was told once."""
    one, other = world.slack, world.discord
    await one.until(lambda: all(on_slack.is_whole(one, each) for each in asked.in_slack), PATIENCE)
    await other.until(lambda: all(on_discord.is_whole(other, each) for each in asked.in_discord), PATIENCE)
    await one.until(lambda: len(one.replies(asked.files)) == 2, PATIENCE)
    # Whatever would be answered twice is, by then.
    await asyncio.sleep(3)
    assert [len(one.replies(each)) for each in asked.in_slack] == [1] * len(asked.in_slack)
    assert not any(on_slack.is_doubled(one, each) for each in asked.in_slack)
    assert not any(on_discord.is_doubled(other, each) for each in asked.in_discord)
    assert "Your 3 documents are searchable now" in one.replies(asked.files)[1].shown
    listed = json.loads(await world.run(world.stack.lorekeeper, "documents", "list", "--json"))["documents"]
    ready = [each["title"] for each in listed if each["status"] == "ready"]
    assert [ready.count(title) for title in asked.titles] == [1] * len(asked.titles), listed
    await world.run(world.stack.lorekeeper, "documents", "check")
    assert one.pings == []
    assert other.pings == []

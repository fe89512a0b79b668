"""The loopback Discord's gateway: shards, connections that break and are resumed, intents, tokens."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import pytest
import zstandard

from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.discord.sessions import HEARTBEAT, IDENTIFY, RESUME
from tests.fakes.discord.with_discord import Bot, connected, intents_of, pointed


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with fake_discord() as running:
        yield running


class Listener(Bot):
    """Keeps what it hears."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.heard: list[str] = []
        self.resumed = 0

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message.content)

    async def on_shard_resumed(self, shard: int) -> None:
        self.resumed += 1


async def test_plain_client_connects_too(fake: FakeDiscord) -> None:
    client = discord.Client(intents=intents_of(), guild_ready_timeout=0.05)
    async with connected(fake, client):
        assert [guild.name for guild in client.guilds] == ["acme"]
    assert fake.violations == []


@pytest.mark.parametrize("compression", ["", "zlib-stream", "zstd-stream"])
async def test_every_compression(fake: FakeDiscord, compression: str) -> None:
    unpacked = _unpacker(compression)
    async with gateway_socket(fake, compression) as socket:
        if compression:
            assert unpacked((await socket.receive()).data)["op"] == 10
        identify = {"token": fake.token, "intents": 1, "properties": {}}
        await socket.send_json({"op": IDENTIFY, "d": identify})
        ready, guild = [unpacked((await socket.receive()).data) for _ in range(2)]
    assert (ready["t"], guild["t"]) == ("READY", "GUILD_CREATE")
    assert guild["d"]["name"] == "acme"


def _unpacker(compression: str) -> Callable[[Any], Any]:
    if compression == "zlib-stream":
        stream = zlib.decompressobj()
        return lambda data: json.loads(stream.decompress(data))
    if compression == "zstd-stream":
        frames = zstandard.ZstdDecompressor().decompressobj()
        return lambda data: json.loads(frames.decompress(data))
    return json.loads


async def test_shards_have_their_guilds(fake: FakeDiscord) -> None:
    fake.shards = 3
    guilds = [fake.add_guild(f"guild {shard}", shard=(shard, 3)) for shard in range(3)]
    bot = Listener()
    async with connected(fake, bot):
        assert sorted(bot.shards) == [0, 1, 2]
        assert {guild.id: guild.shard_id for guild in bot.guilds}.items() >= {
            guild.id: shard for shard, guild in enumerate(guilds)
        }.items()
        for guild in guilds:
            await fake.say(fake.ann, fake.add_channel("general", guild), guild.name)
        await fake.say(fake.ann, fake.dm(fake.ann), "direct")
        await fake.until(lambda: len(bot.heard) == 4)
        by_session = {session.id: session.shard for session in fake.gateway.live}
        direct = fake.events[-1]
        assert [by_session[identity] for identity in direct.sessions] == [0]


async def test_cut_connection_is_resumed(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        (session,) = fake.gateway.live
        fake.gateway.cut()
        await fake.say(fake.ann, fake.general, "meanwhile")
        await fake.until(lambda: bot.heard == ["meanwhile"])
        await fake.until(lambda: bot.resumed == 1)
    assert (len(fake.gateway.sessions), session.resumed) == (1, 1)
    assert fake.violations == []


@pytest.mark.parametrize("how", ["reconnect", "invalidate", "close"])
async def test_discord_sends_it_away(fake: FakeDiscord, how: str) -> None:
    bot = Listener()
    async with connected(fake, bot):
        (session,) = fake.gateway.live
        await (fake.gateway.invalidate(resumable=True) if how == "invalidate" else getattr(fake.gateway, how)())
        await fake.until(lambda: bot.resumed == 1)
        await fake.say(fake.ann, fake.general, "again")
        await fake.until(lambda: bot.heard == ["again"])
    assert list(fake.gateway.sessions.values()) == [session]


async def test_lost_session_starts_anew(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        (session,) = fake.gateway.live
        fake.faults.invalid_sessions = 1
        fake.gateway.cut()
        await fake.say(fake.ann, fake.general, "never heard")
        await fake.until(lambda: [one for one in fake.gateway.live if one is not session])
        await fake.say(fake.ann, fake.general, "again")
        await fake.until(lambda: bot.heard == ["again"])
    assert bot.resumed == 0


async def test_session_is_not_kept_for_ever(fake: FakeDiscord) -> None:
    async with gateway_socket(fake) as socket:
        await socket.send_json({"op": IDENTIFY, "d": {"token": fake.token, "intents": 1}})
        await fake.until(lambda: fake.gateway.live)
    (session,) = fake.gateway.sessions.values()
    await fake.until(lambda: session.left_at is not None)
    resume = {"op": RESUME, "d": {"token": fake.token, "session_id": session.id, "seq": 1}}
    async with gateway_socket(fake) as socket:
        await socket.send_json(resume)
        assert [(await socket.receive_json())["t"] for _ in range(2)] == ["GUILD_CREATE", "RESUMED"]
    await fake.until(lambda: session.left_at is not None)
    fake.clock.advance(600)
    async with gateway_socket(fake) as socket:
        await socket.send_json(resume)
        assert await socket.receive_json() == {"op": 9, "d": False, "s": None, "t": None}


@asynccontextmanager
async def gateway_socket(fake: FakeDiscord, compression: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Without discord.py; after HELLO."""
    assert fake.session is not None
    async with fake.session.ws_connect(f"{fake.gateway_url}?v=10&encoding=json&compress={compression}") as socket:
        if not compression:
            assert (await socket.receive_json())["op"] == 10
        yield socket
        # With a code that leaves the session to be resumed.
        await socket.close(code=4000)


async def test_zombie_is_left_and_resumed(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat_s = 0.05
    bot = Listener(heartbeat_timeout=0.15)
    async with connected(fake, bot):
        fake.faults.withhold_acks = True
        opened = fake.gateway.opened
        await fake.until(lambda: any(connection.mute for connection in fake.gateway.connections))
        await fake.say(fake.ann, fake.general, "meanwhile")
        assert bot.heard == []
        fake.faults.withhold_acks = False
        await fake.until(lambda: fake.gateway.opened > opened)
        await fake.until(lambda: bot.heard == ["meanwhile"])


async def test_events_twice_late_and_never(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        fake.faults.duplicates = 1
        await fake.say(fake.ann, fake.general, "twice")
        await fake.until(lambda: bot.heard == ["twice", "twice"])
        fake.faults.drops = 1
        await fake.say(fake.ann, fake.general, "never")
        fake.faults.delay_s = 0.05
        await fake.say(fake.ann, fake.general, "late")
        fake.faults.delay_s = 0.0
        await fake.say(fake.ann, fake.general, "soon")
        await fake.until(lambda: bot.heard[2:] == ["soon", "late"])
        fake.redeliver([event for event in fake.events if event.data.get("content") == "soon"])
        await fake.until(lambda: bot.heard[4:] == ["soon"])


async def test_without_the_intent_content_is_empty(fake: FakeDiscord) -> None:
    bot = Listener(content=False)
    async with connected(fake, bot):
        await fake.say(fake.ann, fake.general, "hidden")
        await fake.say(fake.ann, fake.general, "<@BOT> seen")
        await fake.say(fake.ann, fake.dm(fake.ann), "direct")
        channel = bot.get_partial_messageable(fake.general.id)
        own = await channel.send("own")
        await fake.say(fake.ann, fake.general, "to the bot", reply_to=fake.world.messages[own.id])
        await fake.until(lambda: len(bot.heard) == 5)
    assert bot.heard == ["", f"{fake.bot.mention} seen", "direct", "own", "to the bot"]


async def test_only_what_the_bot_sees(fake: FakeDiscord) -> None:
    hidden = fake.add_channel("hidden", private_to=[fake.olga])
    fake.overwrite(hidden, fake.bot, deny=1 << 10)
    bot = Listener()
    async with connected(fake, bot):
        await fake.say(fake.olga, hidden, "secret")
        await fake.say(fake.olga, fake.board, "for the board")
        await fake.until(lambda: bot.heard == ["for the board"])


async def test_wrong_token(fake: FakeDiscord) -> None:
    bot = Bot()
    with pointed(fake):
        async with bot:
            with pytest.raises(discord.LoginFailure):
                await bot.start("wrong")
    assert [violation.route for violation in fake.violations] == ["GET /users/@me"]


async def test_token_is_revoked_while_connected(fake: FakeDiscord) -> None:
    bot = Bot()
    with pointed(fake):
        async with bot:
            running = asyncio.create_task(bot.start(fake.token))
            await fake.until(lambda: fake.gateway.live)
            await fake.revoke_token()
            with pytest.raises(discord.ConnectionClosed) as closed:
                await running
    assert closed.value.code == 4004
    assert fake.violations == []


async def test_intent_that_is_not_granted(fake: FakeDiscord) -> None:
    fake.application.intents = 0
    bot = Bot()
    with pointed(fake):
        async with bot:
            with pytest.raises(discord.PrivilegedIntentsRequired):
                await bot.start(fake.token)
    assert [violation.error for violation in fake.violations] == ["4014"]


async def test_identifying_too_often(fake: FakeDiscord) -> None:
    fake.gateway.identify_every_s, fake.shards = 0.2, 2
    bot = Listener()
    async with connected(fake, bot):
        assert len(fake.gateway.live) == 2
    assert fake.gateway.opened > 2, "the second shard came too soon, and again"


async def test_two_processes_hear_the_same(fake: FakeDiscord) -> None:
    one, other = Listener(), Listener()
    async with connected(fake, one), connected(fake, other):
        await fake.say(fake.ann, fake.general, "hello")
        await fake.until(lambda: one.heard == other.heard == ["hello"])
        await one.get_partial_messageable(fake.general.id).send("answer")
        await fake.until(lambda: one.heard == other.heard == ["hello", "answer"])
    await fake.until(lambda: not fake.gateway.connections)
    assert fake.gateway.closes == [(1000, "application")] * 2
    assert all(session.ended for session in fake.gateway.sessions.values())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"op": 2', 4002),
        ('{"op": 42, "d": null}', 4003),
        ('{"op": 3, "d": null}', 4003),
        (f'{{"op": {IDENTIFY}, "d": {{"token": "wrong", "intents": 1}}}}', 4004),
        (f'{{"op": {IDENTIFY}, "d": {{"token": "TOKEN", "intents": "many"}}}}', 4013),
        (f'{{"op": {IDENTIFY}, "d": {{"token": "TOKEN", "intents": 1, "shard": [2, 2]}}}}', 4010),
        (f'{{"op": {IDENTIFY}, "d": {{"token": "TOKEN", "intents": 1}}}}', 4011),
        ('{"op": 6, "d": {"token": "wrong", "session_id": "session-1", "seq": 1}}', 4004),
    ],
)
async def test_what_discord_closes_for(fake: FakeDiscord, frame: str, code: int) -> None:
    fake.gateway.must_shard = True
    async with gateway_socket(fake) as socket:
        await socket.send_json({"op": HEARTBEAT, "d": None})
        assert (await socket.receive_json())["op"] == 11
        await socket.send_str(frame.replace("TOKEN", fake.token))
        await socket.receive()
        assert socket.close_code == code


async def test_silent_application_is_closed(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat_s = 0.02
    async with gateway_socket(fake) as socket:
        await socket.receive()
        assert socket.close_code == 4009

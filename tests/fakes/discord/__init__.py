"""A Discord on loopback for tests of the Discord channel: REST, gateway, interactions by HTTP, and people who use it.

async with fake_discord() as fake:
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = fake.api_url, yarl.URL(fake.gateway_url)
    question = await fake.say(fake.ann, fake.general, "<@BOT> how many days?")
    await fake.until(lambda: fake.replies(question))
    assert fake.violations == fake.pings == []
"""

from tests.fakes.discord.clock import Clock
from tests.fakes.discord.delivery import Answer, HttpEndpoint
from tests.fakes.discord.pings import Ping
from tests.fakes.discord.refusals import Call, Violation
from tests.fakes.discord.server import FakeDiscord, fake_discord
from tests.fakes.discord.stage import GatewayEvent
from tests.fakes.discord.state import Channel, File, Guild, Interaction, Message, Modal, Role, User

__all__ = [
    "Answer",
    "Call",
    "Channel",
    "Clock",
    "FakeDiscord",
    "File",
    "GatewayEvent",
    "Guild",
    "HttpEndpoint",
    "Interaction",
    "Message",
    "Modal",
    "Ping",
    "Role",
    "User",
    "Violation",
    "fake_discord",
]

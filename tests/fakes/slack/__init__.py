"""A Slack on loopback for tests of the Slack channel: Web API, Socket Mode, HTTP mode, and people who use it.

async with fake_slack() as slack:
    client = AsyncWebClient(slack.bot.token, base_url=slack.api_url)
    question = await slack.say("U1", "C1", "<@BOT> how many days?")
    await slack.until(lambda: slack.replies(question))
    assert slack.violations == slack.pings == []
"""

from tests.fakes.slack.clock import ManualClock, SystemClock
from tests.fakes.slack.delivery import Answer, Delivery, HttpEndpoint
from tests.fakes.slack.pings import Ping
from tests.fakes.slack.refusals import Call, Violation
from tests.fakes.slack.server import FakeSlack, fake_slack
from tests.fakes.slack.state import Channel, File, Installation, Message, User, View

__all__ = [
    "Answer",
    "Call",
    "Channel",
    "Delivery",
    "FakeSlack",
    "File",
    "HttpEndpoint",
    "Installation",
    "ManualClock",
    "Message",
    "Ping",
    "SystemClock",
    "User",
    "View",
    "Violation",
    "fake_slack",
]

"""The channels that the contract suite is run for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from tests.contracts import discord_driver, http_driver, slack_driver, terminal_driver
from tests.contracts.driver import Can, ChannelDriver
from tests.fakes.openai_server import FakeOpenAI

Opener = Callable[[Path, FakeOpenAI, dict[str, Any]], AbstractAsyncContextManager[ChannelDriver]]
CHANNELS: dict[str, tuple[frozenset[Can], Opener]] = {
    "slack": (slack_driver.CAN, slack_driver.open_driver),
    "discord": (discord_driver.CAN, discord_driver.open_driver),
    "http": (http_driver.CAN, http_driver.open_driver),
    "terminal": (terminal_driver.CAN, terminal_driver.open_driver),
}

"""The channels: name → what runs it. A new channel is one module and one line here."""

from __future__ import annotations

CHANNELS: dict[str, str] = {
    "gateway": "bots.gateway.channel:open_channel",
}
# Settings are there for these already, so that they are told apart from mistakes.
NOT_IN_THIS_RELEASE: dict[str, str] = {"slack": "Slack", "discord": "Discord"}

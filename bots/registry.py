"""The parts of `lorekeeper run`. A new channel is one module and one line here."""

from __future__ import annotations

from core.settings import Settings

GATEWAY = "gateway"
WORKER = "worker"
"""No channel: works on received files and keeps sources in sync, as each process does whose settings say so."""
CHANNELS: dict[str, str] = {
    GATEWAY: "bots.gateway.channel:open_channel",
    "slack": "bots.slack.channel:open_channel",
    "discord": "bots.discord.channel:open_channel",
}
PARTS = (*CHANNELS, WORKER)
# What has to be installed for it: the package to name, and the extra that brings it.
EXTRAS: dict[str, tuple[str, str]] = {"slack": ("slack-bolt", "slack"), "discord": ("discord.py", "discord")}


def configured(settings: Settings) -> list[str]:
    """The channels that the settings switch on; a chat platform by its tokens."""
    slack = settings.slack
    tokens = {
        "slack": (slack.bot_token, slack.app_token, slack.signing_secret, slack.client_secret),
        "discord": (settings.discord.token,),
    }
    return [GATEWAY, *(name for name, given in tokens.items() if any(token.get_secret_value() for token in given))]

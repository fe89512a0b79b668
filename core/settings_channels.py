"""The settings of the chat platforms; `core.settings` puts all sections together."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints

from core.namespace import NAMESPACE_PATTERN
from core.settings_documents import Section, Token

NamespaceName = Annotated[str, StringConstraints(pattern=NAMESPACE_PATTERN)]


def _public_key(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{64})?", value.strip()):
        return value.strip()
    raise ValueError('should be 64 hexadecimal characters; it is on the page "General Information" of the application')


class Slack(Section):
    """Slack. Off without tokens."""

    bot_token: Token = Field(SecretStr(""), description="Begins with xoxb-.")
    app_token: Token = Field(
        SecretStr(""),
        description="Begins with xapp-. With it, Slack is reached by Socket Mode: no public address needed.",
    )
    signing_secret: Token = Field(
        SecretStr(""), description="Without an app token: Slack calls the gateway at /slack/events."
    )
    client_id: str = Field(
        "", description="With it, several workspaces can install the bot at /slack/install; there is no bot token then."
    )
    client_secret: Token = SecretStr("")
    workspaces: list[str] = Field(
        default_factory=list, description="Ids of the workspaces (T...) that may install it. Empty: none."
    )
    api_url: str = Field("https://slack.com/api/", pattern=r"^https?://\S+$", description="Slack's Web API.")
    missed_minutes: float = Field(
        60, ge=0, description="What was sent while the bot was down is answered if it is not older."
    )
    channels: dict[str, NamespaceName] = Field(
        default_factory=dict, description="Which namespace a channel asks, by the channel's id."
    )
    admins: list[str] = Field(
        default_factory=list,
        description="Ids of people (U...) and user groups (S...) who manage documents. Empty: the workspace's admins.",
    )


class Discord(Section):
    """Discord. Off without a token."""

    token: Token = SecretStr("")
    public_key: Annotated[str, BeforeValidator(_public_key)] = Field(
        "",
        description="Of the application. With it, the gateway takes interactions at /discord/interactions.",
    )
    api_url: str = Field("https://discord.com/api/v10", pattern=r"^https?://\S+$", description="Discord's REST API.")
    gateway_url: str = Field("wss://gateway.discord.gg/", pattern=r"^wss?://\S+$", description="Discord's gateway.")
    servers: list[str] = Field(
        default_factory=list, description="Ids of the servers that it serves. Empty: all that it was added to."
    )
    missed_minutes: float = Field(
        60, ge=0, description="What was sent while the bot was down is answered if it is not older."
    )
    channels: dict[str, NamespaceName] = Field(
        default_factory=dict,
        description="Which namespace a channel or forum asks, by its id. In a forum that is named here, new posts are answered.",
    )
    admins: list[str] = Field(
        default_factory=list,
        description="Ids of people and roles who manage documents, beside those with the permission Manage Server.",
    )
    answered_tag: str = Field(
        "Answered", description="The forum tag that posts get when they are answered, if there is one."
    )

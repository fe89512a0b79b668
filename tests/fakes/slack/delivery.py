"""Brings events, commands and interactions to the application, over sockets or by HTTP, and keeps what became of each."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp

from tests.fakes.slack.state import Json

Kind = Literal["events_api", "slash_commands", "interactive"]
ACK_WITHIN_S = 3.0


@dataclass
class Delivery:
    """One event, command or interaction. `arrived` and `acked` are `time.monotonic()`."""

    id: str
    kind: Kind
    payload: Json
    team: str
    on_ack: Callable[[Any], None] | None = None
    sent: list[float] = field(default_factory=list)
    """When each attempt went out."""
    acked: float | None = None
    acks: int = 0
    ack_payload: Any = None
    attempt: int = 0
    """Slack's retry number: 0 for the first."""
    lost: bool = False
    """Nobody was there, and Slack does not try again."""
    statuses: list[int] = field(default_factory=list)
    """HTTP mode: how each attempt was answered; 0: not at all."""

    @property
    def event(self) -> Json:
        """Of events: the inner event."""
        inner: Json = self.payload.get("event", {})
        return inner

    @property
    def ack_seconds(self) -> float:
        """From the first attempt to the acknowledgement; infinite without one."""
        return self.acked - self.sent[0] if self.acked is not None and self.sent else float("inf")

    @property
    def late(self) -> bool:
        return self.ack_seconds > ACK_WITHIN_S

    def acknowledge(self, payload: Any) -> None:
        self.acks += 1
        if self.acked is None:
            self.acked = time.monotonic()
            self.ack_payload = payload
            if self.on_ack is not None:
                self.on_ack(payload)

    def envelope(self) -> Json:
        envelope: Json = {
            "envelope_id": self.id,
            "type": self.kind,
            "payload": self.payload,
            "accepts_response_payload": self.kind != "events_api",
        }
        if self.kind == "events_api":
            envelope |= {"retry_attempt": self.attempt, "retry_reason": "timeout" if self.attempt else ""}
        return envelope


@dataclass
class HttpEndpoint:
    """Where the application listens in HTTP mode; commands and interactions go to `url` unless said otherwise."""

    url: str
    signing_secret: str = "shh"
    commands_url: str = ""
    interactions_url: str = ""
    timeout_s: float = ACK_WITHIN_S

    def address(self, kind: Kind) -> str:
        own = {"slash_commands": self.commands_url, "interactive": self.interactions_url}.get(kind, "")
        return own or self.url


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the application, to one HTTP request; status 0: none in time."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> Any:
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return {"text": self.body}


def signature(secret: str, timestamp: str, body: str) -> str:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256)
    return f"v0={digest.hexdigest()}"


def http_body(kind: Kind, payload: Json) -> tuple[str, str]:
    """The body and its content type."""
    if kind == "events_api":
        return json.dumps(payload), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(form), "application/x-www-form-urlencoded"


async def post(
    session: aiohttp.ClientSession,
    endpoint: HttpEndpoint,
    kind: Kind,
    payload: Json,
    *,
    attempt: int = 0,
    secret: str | None = None,
    age_s: float = 0.0,
    signed: bool = True,
) -> Answer:
    """Post one request as Slack does. `secret` and `age_s` make the signature wrong or old; `signed=False`: none."""
    body, content_type = http_body(kind, payload)
    headers = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
    if signed:
        timestamp = str(int(time.time() - age_s))
        headers |= {
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(secret or endpoint.signing_secret, timestamp, body),
        }
    if attempt:
        headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
    limit = aiohttp.ClientTimeout(total=endpoint.timeout_s)
    try:
        async with session.post(endpoint.address(kind), data=body, headers=headers, timeout=limit) as answer:
            return Answer(answer.status, await answer.text(), dict(answer.headers))
    except (aiohttp.ClientError, TimeoutError):
        return Answer(0)

"""Interactions by HTTP: signed as Discord signs them, and wrongly signed to see that they are refused."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from nacl.signing import SigningKey

from tests.fakes.discord.state import Json

ANSWER_WITHIN_S = 3.0


@dataclass
class HttpEndpoint:
    """Where the application takes its interactions, as its interactions_endpoint_url."""

    url: str
    timeout_s: float = ANSWER_WITHIN_S


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
            return None


async def post(
    session: aiohttp.ClientSession,
    endpoint: HttpEndpoint,
    payload: Json | bytes,
    key: SigningKey,
    *,
    age_s: float = 0.0,
    signature: str | None = None,
    signed: bool = True,
) -> Answer:
    """Post one request as Discord does.

    :param key: signs it; another than the application's makes the signature wrong.
    :param signature: sent instead of one; `signed=False` sends none.
    """
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Discord-Interactions/1.0 (+https://discord.com)"}
    if signed:
        timestamp = str(int(time.time() - age_s))
        made = signature if signature is not None else key.sign(timestamp.encode() + body).signature.hex()
        headers |= {"X-Signature-Timestamp": timestamp, "X-Signature-Ed25519": made}
    limit = aiohttp.ClientTimeout(total=endpoint.timeout_s)
    try:
        async with session.post(endpoint.url, data=body, headers=headers, timeout=limit) as answer:
            return Answer(answer.status, await answer.text(), dict(answer.headers))
    except (aiohttp.ClientError, TimeoutError):
        return Answer(0)

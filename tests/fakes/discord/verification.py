"""How Discord tries an address for interactions before it takes it."""

from __future__ import annotations

from nacl.signing import SigningKey

from tests.fakes.discord.delivery import Answer, HttpEndpoint, post
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import Json


def ping(stage: Stage) -> Json:
    return {
        "id": str(stage.world.new_id(stage.clock.now())),
        "application_id": str(stage.application.id),
        "type": 1,
        "token": "ping",
        "version": 1,
        "entitlements": [],
        "authorizing_integration_owners": {},
    }


async def tried(stage: Stage, endpoint: HttpEndpoint) -> tuple[Answer, Answer]:
    """The answers to a PING, and to one that somebody else signed."""
    assert stage.session is not None
    good = await post(stage.session, endpoint, ping(stage), stage.key)
    return good, await post(stage.session, endpoint, ping(stage), SigningKey.generate())


async def is_verified(stage: Stage, endpoint: HttpEndpoint) -> bool:
    good, wrong = await tried(stage, endpoint)
    return good.status == 200 and good.payload() == {"type": 1} and wrong.status == 401

"""For channels that cannot do everything: what a driver leaves out is never called, since no contract needs it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from core.types import Reason, Thumb
from tests.contracts.driver import ANN, Asked


class Partial:
    """The rest of `tests.contracts.driver.ChannelDriver`."""

    async def talk(self, text: str, *, person: str = ANN, hours_ago: float = 0.0) -> Asked:
        raise NotImplementedError

    async def say(self, text: str, after: Asked, *, person: str = ANN, to: str = "") -> Asked:
        raise NotImplementedError

    async def forward(self, text: str) -> Asked:
        raise NotImplementedError

    async def point_at(self, said: Asked, *, person: str) -> str:
        raise NotImplementedError

    async def begun(self, asked: Asked) -> None:
        raise NotImplementedError

    async def edit(self, asked: Asked, text: str) -> None:
        raise NotImplementedError

    async def edit_to_talk(self, asked: Asked, text: str, to: str) -> None:
        raise NotImplementedError

    async def delete(self, asked: Asked) -> None:
        raise NotImplementedError

    async def repeat(self, asked: Asked, *, only_first: bool = False) -> None:
        raise NotImplementedError

    async def redeliver(self) -> None:
        raise NotImplementedError

    def away(self) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError

    def break_platform(self) -> None:
        raise NotImplementedError

    async def stop(self, asked: Asked) -> None:
        raise NotImplementedError

    async def rate(self, asked: Asked, thumb: Thumb, reason: Reason | None = None, comment: str = "") -> None:
        raise NotImplementedError

    async def told(self, asked: Asked) -> str:
        raise NotImplementedError

    async def passage(self, asked: Asked) -> str:
        raise NotImplementedError

    def pings(self) -> list[str]:
        return []

    def complaints(self) -> list[str]:
        return []

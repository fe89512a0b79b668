"""The newest form is shown, one after the other."""

from __future__ import annotations

import asyncio

from bots.chat.latest import Latest


async def test_what_is_overtaken_is_never_shown() -> None:
    shown: list[str] = []
    is_let = asyncio.Event()

    async def show(form: str) -> float:
        shown.append(form)
        await is_let.wait()
        return 0.0

    latest = Latest(show)
    latest.put("a")
    await asyncio.sleep(0)
    latest.put("b")
    latest.put("c")
    is_let.set()
    while len(shown) < 2:
        await asyncio.sleep(0)
    await latest.end()
    assert shown == ["a", "c"]


async def test_after_the_end_nothing_is_shown_and_what_is_on_its_way_arrives() -> None:
    begun, arrived = [], []

    async def show(form: str) -> float:
        begun.append(form)
        await asyncio.sleep(0.01)
        arrived.append(form)
        return 60.0

    latest = Latest(show)
    latest.put("a")
    await asyncio.sleep(0)
    latest.put("b")
    await latest.end()
    latest.put("c")
    assert begun == arrived == ["a"]


async def test_who_shows_may_end_it() -> None:
    shown: list[str] = []

    async def show(form: str) -> None:
        shown.append(form)

    latest = Latest(show)
    latest.put("a")
    await asyncio.sleep(0.01)
    latest.put("b")
    await asyncio.sleep(0.01)
    await latest.end()
    assert shown == ["a"]


async def test_what_never_began_ends() -> None:
    async def show(form: str) -> None:
        raise AssertionError(form)

    await Latest(show).end()

"""How many calls go out."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from bots.discord.pace import PER_SECOND, SPARE, Pace


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes by sleeping only."""
    moment = [1000.0]

    async def sleep(seconds: float) -> None:
        moment[0] += seconds

    monkeypatch.setattr("bots.discord.pace.time", SimpleNamespace(monotonic=lambda: moment[0]))
    monkeypatch.setattr("bots.discord.pace.asyncio", SimpleNamespace(Lock=asyncio.Lock, sleep=sleep))
    return moment


async def times(used: Pace, count: int, now: list[float]) -> list[float]:
    begun, found = now[0], []
    for _ in range(count):
        await used.room()
        found.append(now[0] - begun)
    return found


async def test_so_many_go_out_at_once_and_as_many_again_a_second_later(now: list[float]) -> None:
    assert await times(Pace(), 91, now) == [0.0] * 45 + [1.0] * 45 + [2.0]


async def test_what_may_be_left_out_goes_out_only_while_much_room_is_left(now: list[float]) -> None:
    used = Pace()
    await times(used, int(PER_SECOND) - SPARE - 1, now)
    assert used.has_spare
    await used.room()
    assert not used.has_spare


async def test_after_a_refusal_it_waits_as_long_as_it_is_told_and_goes_on_more_slowly(now: list[float]) -> None:
    used = Pace()
    used.refused(0.5)
    used.refused(0.5)
    assert not used.has_spare
    found = await times(used, 60, now)
    # Two of the places in that second are those of the calls that are repeated.
    assert (found[0], found.count(0.5)) == (0.5, 31 - 2)


async def test_it_becomes_as_fast_as_before_in_time(now: list[float]) -> None:
    used = Pace()
    used.refused(0.5)
    now[0] += 60
    assert await times(used, 45, now) == [0.0] * 45


async def test_who_asks_first_goes_first() -> None:
    used, order = Pace(), []

    async def ask(number: int) -> None:
        await used.room()
        order.append(number)

    await asyncio.gather(*map(ask, range(20)))
    assert order == list(range(20))

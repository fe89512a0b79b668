"""How often one caller may come."""

from __future__ import annotations

from bots.gateway.rates import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def came(rates: Rates, name: str, weight: float = 1.0) -> bool:
    if rates.wait(name, weight):
        return False
    rates.take(name, weight)
    return True


def test_a_minutes_allowance_may_be_used_at_once_and_comes_back_with_time() -> None:
    clock = Clock()
    rates = Rates(6, clock)
    assert [came(rates, "a") for _ in range(7)] == [True] * 6 + [False]
    assert rates.wait("a") == 10
    clock.now += 10
    assert [came(rates, "a") for _ in range(2)] == [True, False]


def test_callers_do_not_share() -> None:
    rates = Rates(1, Clock())
    assert came(rates, "a")
    assert not came(rates, "a")
    assert came(rates, "b")


def test_a_heavy_request_counts_more_but_is_never_out_of_reach() -> None:
    clock = Clock()
    rates = Rates(6, clock)
    assert came(rates, "a", 10)
    assert not came(rates, "a")
    clock.now += 120
    assert came(rates, "a", 10)


def test_who_has_not_come_for_longest_is_forgotten() -> None:
    rates = Rates(1, Clock(), most=2)
    for name in ("a", "b", "c"):
        assert came(rates, name)
    assert not came(rates, "c")
    assert came(rates, "a")

"""Which contracts are none for a channel, because it cannot do what they are about. All others run for it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.contracts.channels import CHANNELS
from tests.contracts.driver import Can, Contract

# What people can do only where others are, or where a platform is between them and the bot.
PLATFORM = frozenset(
    {
        Can.AWAY,
        Can.BREAK,
        Can.DELETE,
        Can.DIRECT,
        Can.EDIT,
        Can.FILES,
        Can.FORWARD,
        Can.PING,
        Can.POINT,
        Can.PRIVATE,
        Can.PUBLIC,
        Can.REPEAT,
        Can.SPLIT,
    }
)
CANNOT = {
    "slack": frozenset[Can](),
    "discord": frozenset({Can.STOP}),
    "http": PLATFORM | {Can.SHOW},
    "terminal": PLATFORM | {Can.PASSAGES, Can.STOP, Can.THUMBS, Can.TIME},
}
KNOWN_BROKEN = {"slack": 0, "discord": 0, "http": 0, "terminal": 0}


def contracts() -> dict[str, Contract]:
    """All of them, by the test's name."""
    modules = [
        importlib.import_module(f"tests.contracts.{path.stem}") for path in Path(__file__).parent.glob("test_*.py")
    ]
    tests = [(name, value) for module in modules for name, value in vars(module).items() if hasattr(value, "contract")]
    return {name: value.contract for name, value in tests}


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_a_channel_cannot_do_is_known(channel: str) -> None:
    assert frozenset(Can) - CHANNELS[channel][0] == CANNOT[channel]


@pytest.mark.parametrize(("channel", "least"), [("slack", 60), ("discord", 60), ("http", 20), ("terminal", 15)])
def test_all_other_contracts_run_for_it(channel: str, least: int) -> None:
    every = contracts()
    kept = {name for name, each in every.items() if each.needs <= CHANNELS[channel][0]}
    assert set(every) - kept == {name for name, each in every.items() if each.needs & CANNOT[channel]}
    assert len(kept) >= least


def test_every_ability_is_needed_by_a_contract() -> None:
    assert frozenset().union(*(each.needs for each in contracts().values())) == frozenset(Can)


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_known_to_be_broken_is_counted(channel: str) -> None:
    assert len([each for each in contracts().values() if channel in each.broken]) == KNOWN_BROKEN[channel]

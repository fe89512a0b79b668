"""Which addresses only this machine reaches."""

from __future__ import annotations

import pytest

from core.addresses import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"])
def test_loopback_is_reached_by_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "lore.example.org"])
def test_every_other_address_may_be_reached_by_others(host: str) -> None:
    assert not is_loopback(host)

"""Which addresses only this machine reaches."""

from __future__ import annotations

import pytest

from core.addresses import is_loopback, without_password


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost"])
def test_loopback_is_reached_by_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "lore.example.org"])
def test_every_other_address_may_be_reached_by_others(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:pa@ss@vllm:8000/v1", "http://vllm:8000/v1"),
        ("http://vllm:8000/a@b", "http://vllm:8000/a@b"),
        ("http://[::1", "http://[::1"),
        ("", ""),
    ],
)
def test_a_password_in_an_address_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown

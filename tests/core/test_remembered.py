"""A bounded mapping of what was read last."""

from __future__ import annotations

from core.remembered import Remembered


def test_what_is_not_known_is_left_out() -> None:
    remembered = Remembered[str, int](2)
    remembered.put({"a": 1})
    assert remembered.of(["a", "b"]) == {"a": 1}


def test_what_was_not_asked_for_longest_goes_first() -> None:
    remembered = Remembered[str, int](2)
    remembered.put({"a": 1, "b": 2})
    remembered.of(["a"])
    remembered.put({"c": 3})
    assert remembered.of(["a", "b", "c"]) == {"a": 1, "c": 3}


def test_what_is_put_again_is_new() -> None:
    remembered = Remembered[str, int](2)
    remembered.put({"a": 1, "b": 2})
    remembered.put({"a": 3})
    remembered.put({"c": 4})
    assert remembered.of(["a", "b", "c"]) == {"a": 3, "c": 4}


def test_what_is_forgotten_is_not_known() -> None:
    remembered = Remembered[str, int](2)
    remembered.put({"a": 1})
    remembered.forget(["a", "never put"])
    assert remembered.of(["a"]) == {}

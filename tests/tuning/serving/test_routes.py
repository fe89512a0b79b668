"""Which namespace is answered by what: every state that promotions and servers can be in."""

from __future__ import annotations

import pytest

from core.types.adapters import EVERYWHERE
from tuning.serving.routes import BASE, Route, answering, changed, missing, routed, superfluous

BEFORE = {"hr": Route("old", "old")}
HAS = {"old": frozenset({"base", "old"}), "new": frozenset({"base", "new"}), "both": frozenset({"base", "old", "new"})}


@pytest.mark.parametrize(
    ("servers", "failed", "answers"),
    [
        (["both", "both"], (), "new"),
        (["new", "new"], (), "new"),
        (["new", "both"], (), "new"),
        (["new", "old"], (), BASE),
        (["both", "old"], (), "old"),
        (["both", None], (), "new"),
        (["old", None], (), "old"),
        (["both", "old"], ("new",), BASE),
        (["both", "both"], ("new",), "new"),
        ([None, None], (), BASE),
    ],
)
def test_what_every_server_that_answers_has_is_what_answers(
    servers: list[str | None], failed: tuple[str, ...], answers: str
) -> None:
    listed = {f"server-{number}": HAS[name] if name else None for number, name in enumerate(servers)}
    routes = routed({"hr": "new"}, listed, BEFORE, failed)
    assert routes == {"hr": Route("new", answers)}
    assert routes["hr"].is_served is (answers == "new")


def test_when_no_server_answers_what_answered_goes_on() -> None:
    assert routed({"hr": "old"}, {"server": None}, BEFORE, ()) == BEFORE


def test_a_namespace_that_had_none_goes_on_with_what_is_for_all() -> None:
    before = {EVERYWHERE: Route("old", "old")}
    routes = routed({"hr": "new", EVERYWHERE: "old"}, {"server": HAS["old"]}, before, ())
    assert [answering(routes, name) for name in ("hr", "it")] == ["old", "old"]


def test_one_whose_own_is_not_there_is_not_answered_by_what_was_never_its_own() -> None:
    routes = routed({"hr": "new", EVERYWHERE: "old"}, {"server": HAS["old"]}, {}, ())
    assert [answering(routes, name) for name in ("hr", "it")] == [BASE, "old"]


def test_servers_lack_and_have_too_much() -> None:
    listed = {"one": HAS["old"], "two": HAS["new"], "three": None}
    assert missing({"new"}, listed) == [("one", "new")]
    assert superfluous(listed, {"base", "new"}) == ["old"]


def test_only_what_changed_is_told() -> None:
    now = {"hr": Route("old", "old"), "it": Route("new", BASE)}
    assert changed(BEFORE, now) == ["it"]
    assert changed(BEFORE, {}) == ["hr"]

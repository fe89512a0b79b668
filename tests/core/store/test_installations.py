"""Workspaces that installed the bot."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from core.store.installations import Installation, Installations


def test_an_installation_is_kept_replaced_and_removed(engine: Engine) -> None:
    slack, other = Installations(engine, "slack"), Installations(engine, "discord")
    slack.put(Installation("T1", {"token": "xoxb-1"}))
    slack.put(Installation("T2", {"token": "xoxb-2"}))
    slack.put(Installation("T1", {"token": "xoxb-3"}))
    assert [(each.team, each.details["token"]) for each in slack.all()] == [("T1", "xoxb-3"), ("T2", "xoxb-2")]
    assert other.all() == []
    assert slack.remove("T1")
    assert not slack.remove("T1")
    assert [each.team for each in slack.all()] == ["T2"]


def test_one_process_renews_a_token_at_a_time(engine: Engine) -> None:
    slack = Installations(engine, "slack")
    slack.put(Installation("T1", {}))
    assert slack.to_renew("T1", 60) == Installation("T1", {})
    assert slack.to_renew("T1", 60) is None
    assert slack.to_renew("T9", 60) is None
    slack.put(Installation("T1", {"token": "new"}))
    assert slack.to_renew("T1", 0) == Installation("T1", {"token": "new"}), "who comes late sees that it was renewed"
    assert slack.to_renew("T1", 60), "whoever was to do it has not done so in time"


def test_tokens_are_not_printed() -> None:
    assert "xoxb" not in repr(Installation("T1", {"token": "xoxb-1"}))

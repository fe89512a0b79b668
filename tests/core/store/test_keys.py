"""API keys at rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.access import Permission
from core.errors import NotFound
from core.store.keys import KeyStore, matches, parse
from core.store.schema import api_keys


def test_a_key_is_found_by_its_id_and_known_by_its_secret(engine: Engine) -> None:
    keys = KeyStore(engine)
    key, text = keys.create("docs", {Permission.ASK}, namespaces={"hr"}, origins={"https://example.org"})
    parsed = parse(text)
    assert parsed is not None
    ((stored, sha256),) = keys.hashed()
    assert parsed[0] == key.id
    assert stored == key
    assert matches(parsed[1], sha256)
    assert not matches(parsed[1] + "x", sha256)


def test_the_secret_is_not_in_the_database(engine: Engine) -> None:
    _, text = KeyStore(engine).create("docs", {Permission.ASK})
    secret = text.rpartition("_")[2]
    assert len(secret) == 64
    with engine.connect() as connection:
        row = connection.execute(sa.select(api_keys)).one()
    assert not any(secret in str(value) for value in row)


def test_a_revoked_key_stays_in_the_list_and_is_not_valid(engine: Engine) -> None:
    keys, now = KeyStore(engine), datetime.now(UTC)
    key, _ = keys.create("docs", {Permission.ASK})
    assert key.is_valid(now)
    revoked = keys.revoke(key.id)
    assert not revoked.is_valid(now)
    assert keys.revoke(key.id) == revoked, "the first time counts"
    assert keys.all() == [revoked]
    with pytest.raises(NotFound, match="keys list"):
        keys.revoke("nothing")


def test_a_key_expires(engine: Engine) -> None:
    now = datetime.now(UTC)
    key, _ = KeyStore(engine).create("docs", {Permission.ASK}, expires_at=now + timedelta(hours=1))
    assert key.is_valid(now)
    assert not key.is_valid(now + timedelta(hours=1))


@pytest.mark.parametrize("text", ["", "lk_", "lk_abc", "lk_abc_", "lk__secret", "sk-abc", "xx_a_b"])
def test_what_is_no_key_is_told_apart(text: str) -> None:
    assert parse(text) is None

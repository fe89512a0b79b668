"""Which keys are known, and how soon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from bots.gateway.keyring import Keyring
from core.access import Permission
from core.store.engine import open_engine, upgrade
from core.store.keys import KeyStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    engine = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(engine)
    yield KeyStore(engine)
    engine.dispose()


async def test_a_key_that_was_made_a_moment_ago_opens(store: KeyStore) -> None:
    keyring = Keyring(store)
    await keyring.present()
    key, text = store.create("docs", {Permission.ASK})
    assert (await keyring.present()).valid(text) is None, "what was read a moment ago is taken for true"
    assert (await keyring.present(text)).valid(text) == key


async def test_guesses_do_not_keep_the_database_busy(store: KeyStore) -> None:
    _, text = store.create("docs", {Permission.ASK})
    store.revoke((await Keyring(store).present()).hashed[0][0].id)
    guess = f"lk_{'0' * len(text.split('_')[1])}_{text.split('_')[2]}"
    keyring = Keyring(store)
    with patch.object(store, "hashed", wraps=store.hashed) as read:
        for given in ("", "an owner's token", text):
            assert (await keyring.present(given)).valid(given) is None
        assert read.call_count == 1
        found = await asyncio.gather(*(keyring.present(guess) for _ in range(50)))
        assert read.call_count == 2
    assert all(keys.lacks(guess) for keys in found)

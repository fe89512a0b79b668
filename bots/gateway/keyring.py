"""The keys that open the gateway, read from the record about once a second, so that a revoked one closes soon."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from core.access import ApiKey
from core.errors import StorageFailed
from core.store.keys import KeyStore, matches, parse

FRESH_SECONDS = 1.0
READ_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys at one moment, with the hashes of their secrets."""

    hashed: tuple[tuple[ApiKey, str], ...] = ()

    @property
    def exist(self) -> bool:
        """Whether any key was made that is not revoked. One that has expired counts: it does not open the door."""
        return any(key.revoked_at is None for key, _ in self.hashed)

    def valid(self, text: str) -> ApiKey | None:
        """The key with this text, if it may be used now."""
        parsed = parse(text)
        if parsed is None:
            return None
        key_id, secret = parsed
        now = datetime.now(UTC)
        return next(
            (key for key, sha256 in self.hashed if key.id == key_id and matches(secret, sha256) and key.is_valid(now)),
            None,
        )

    def name_of(self, key_id: str) -> str:
        """What people call the key; empty for one that is not there."""
        return next((key.name for key, _ in self.hashed if key.id == key_id), "")

    def origins(self) -> set[str]:
        """The pages that some valid key may be used from."""
        now = datetime.now(UTC)
        return {origin for key, _ in self.hashed if key.is_valid(now) for origin in key.origins}


class Keyring:
    """`present()` is what the record says now, or said a moment ago."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys = Keys()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def present(self) -> Keys:
        """Raises `StorageFailed`."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            async with self._reading:
                if time.monotonic() - self._read_at > FRESH_SECONDS:
                    self._keys = Keys(tuple(await self._hashed()))
                    self._read_at = time.monotonic()
        return self._keys

    async def _hashed(self) -> list[tuple[ApiKey, str]]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(self._store.hashed)
        except TimeoutError as error:
            raise StorageFailed("The database does not answer. Please try again in a moment.") from error

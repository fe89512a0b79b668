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
# For a key that is not there: it may have been made just now, and whoever guesses must not keep the database busy.
AGAIN_SECONDS = 0.1
READ_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys at one moment, with the hashes of their secrets."""

    hashed: tuple[tuple[ApiKey, str], ...] = ()

    @property
    def exist(self) -> bool:
        """Whether any key was made that is not revoked. One that has expired counts: it does not open the door."""
        return any(key.revoked_at is None for key, _ in self.hashed)

    def lacks(self, text: str) -> bool:
        """Whether this looks like a key, and there is none with its name."""
        parsed = parse(text)
        return parsed is not None and all(key.id != parsed[0] for key, _ in self.hashed)

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

    async def present(self, given: str = "") -> Keys:
        """`given`: what somebody came with. A key that was made a moment ago is known. Raises `StorageFailed`."""
        keys = await self._read_since(time.monotonic() - FRESH_SECONDS)
        return await self._read_since(time.monotonic()) if keys.lacks(given) else keys

    async def _read_since(self, moment: float) -> Keys:
        if self._read_at < moment:
            async with self._reading:
                if self._read_at < moment:
                    await asyncio.sleep(self._read_at + AGAIN_SECONDS - time.monotonic())
                    begun = time.monotonic()
                    self._keys = Keys(tuple(await self._hashed()))
                    self._read_at = begun
        return self._keys

    async def _hashed(self) -> list[tuple[ApiKey, str]]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(self._store.hashed)
        except TimeoutError as error:
            raise StorageFailed("The database does not answer. Please try again in a moment.") from error

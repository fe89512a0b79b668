"""API keys. Only a hash of each secret is kept: a copy of the database opens no door."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.access import ApiKey, Permission
from core.errors import NotFound
from core.store.engine import reading, transaction
from core.store.schema import api_keys

PREFIX = "lk"
ID_BYTES, SECRET_BYTES = 5, 32


class KeyStore:
    """Keys look like `lk_<id>_<secret>`, both in hex: no `_` or `-` inside, so a double click selects the whole key.

    The secret has 256 random bits, so a plain SHA-256 of it cannot be reversed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        name: str,
        permissions: Collection[Permission],
        *,
        namespaces: Collection[str] = (),
        origins: Collection[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which is nowhere to be had again. Raises `StorageFailed`."""
        key = ApiKey(
            id=secrets.token_hex(ID_BYTES),
            name=name,
            permissions=frozenset(permissions),
            created_at=datetime.now(UTC),
            namespaces=frozenset(namespaces),
            origins=frozenset(origins),
            expires_at=expires_at,
        )
        secret = secrets.token_hex(SECRET_BYTES)
        with transaction(self._engine) as connection:
            connection.execute(
                sa.insert(api_keys).values(
                    id=key.id,
                    name=key.name,
                    secret_sha256=_sha256(secret),
                    permissions=tuple(sorted(key.permissions)),
                    namespaces=tuple(sorted(key.namespaces)),
                    origins=tuple(sorted(key.origins)),
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                )
            )
        return key, f"{PREFIX}_{key.id}_{secret}"

    def all(self) -> list[ApiKey]:
        """The newest first, with those that are expired or revoked. Raises `StorageFailed`."""
        return [key for key, _ in self.hashed()]

    def hashed(self) -> list[tuple[ApiKey, str]]:
        """Each key with the hash of its secret, for `matches`."""
        query = sa.select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [(_key(row), row["secret_sha256"]) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """From now on the key opens nothing. Raises `NotFound`, `StorageFailed`."""
        statement = (
            sa.update(api_keys)
            .where(api_keys.c.id == key_id)
            .values(
                revoked_at=sa.func.coalesce(
                    api_keys.c.revoked_at, sa.literal(datetime.now(UTC), api_keys.c.revoked_at.type)
                )
            )
        )
        with transaction(self._engine) as connection:
            connection.execute(statement)
            row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
        if row is None:
            raise NotFound(f"There is no key {key_id}. `lorekeeper keys list` shows them all.")
        return _key(row)


def parse(text: str) -> tuple[str, str] | None:
    """Id and secret of a key's text; None for what is no key."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key_id and secret else None


def matches(secret: str, sha256: str) -> bool:
    """Whether it is the secret with this hash; takes the same time for every wrong one."""
    return hmac.compare_digest(_sha256(secret), sha256)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        permissions=frozenset(map(Permission, row["permissions"])),
        created_at=row["created_at"],
        namespaces=frozenset(row["namespaces"]),
        origins=frozenset(row["origins"]),
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )

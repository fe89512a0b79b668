"""Which databases have stored copies in a folder: where there are several, none knows which of them are nobody's."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import StorageFailed


class Owners:
    """Their ids, a line for each in a file beside the folder. `own` is the id of this database, empty without one."""

    def __init__(self, path: Path, own: str) -> None:
        self.path = path
        self.own = own

    def join(self) -> None:
        """Note this database, if it is not noted. Several may do so at once. Raises `StorageFailed`."""
        if not self.own or self.own in self._noted():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{self.own}\n")
        except OSError as error:
            raise _unusable(self.path, error) from error

    def are_others(self) -> bool:
        """Whether another database is noted. Raises `StorageFailed`."""
        return bool(self._noted() - {self.own})

    def _noted(self) -> set[str]:
        try:
            return set(self.path.read_text(encoding="utf-8", errors="replace").split())
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise _unusable(self.path, error) from error


def _unusable(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"{path} cannot be used: {error.strerror or error}. Let the user of Lorekeeper read and write it."
    )

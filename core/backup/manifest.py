"""What a backup says of itself: written last, so that a backup without it is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import BackupDamaged

FORMAT = 1
MANIFEST = "manifest.json"
# Of whoever is making the backup: renewed while that goes on.
UNFINISHED = "unfinished"
LARGEST_MANIFEST = 64 * 2**20
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{6}Z")
_TIME = "%Y-%m-%dT%H-%M-%S-%fZ"
PART_NAME = r"^[a-z_]{1,63}-\d{5}\.jsonl\.gz$"
Number = Annotated[int, Field(ge=0, le=2**62)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(_Strict):
    """A file with rows: JSON lines, gzip."""

    name: Annotated[str, StringConstraints(pattern=PART_NAME)]
    rows: Number
    size: Annotated[int, Field(ge=0, le=2**30)]
    """In bytes, as it lies there."""
    sha256: Sha256


class Rows(_Strict):
    """All rows of one kind, in order."""

    columns: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class Manifest(_Strict):
    """One backup."""

    format: int
    created_at: AwareDatetime
    """Of the moment whose state it holds."""
    program: str
    """The version of Lorekeeper that made it."""
    revision: str
    """Of the tables."""
    database: str
    is_at_rest: bool
    """Whether nothing was at work when it was made."""
    embedding: str
    """Identity of the model that made the vectors; empty when there are none."""
    layout: str
    dimension: Number
    tables: dict[str, Rows]
    vectors: Rows
    files: Rows
    file_bytes: Number
    missing_vectors: Number
    missing_files: Number
    installation: str = ""
    """Id of the database that it was made of; empty when that had none."""

    def rows(self, table: str) -> int:
        return self.tables[table].count if table in self.tables else 0

    @property
    def size(self) -> int:
        """Of all its parts, without the stored files; in bytes."""
        return sum(each.size for each in (*self.tables.values(), self.vectors, self.files))


def new_name(now: datetime) -> str:
    """Sorts by time, to the microsecond."""
    return now.astimezone(UTC).strftime(_TIME)


def program_version() -> str:
    """Of this program."""
    return version("lorekeeper")


def read_manifest(name: str, data: bytes) -> Manifest:
    """Raises `BackupDamaged` for what is no manifest that this version understands."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise BackupDamaged(_explain(name, data)) from error
    if manifest.format != FORMAT:
        raise BackupDamaged(_NEWER.format(name=name))
    return manifest


_NEWER = "The backup {name} was made by a newer version of Lorekeeper. Update Lorekeeper, then restore it."
_FORMAT = re.compile(rb'"format":\s*(\d{1,9})\b')


def _explain(name: str, data: bytes) -> str:
    # A newer version may say more of a backup than this one knows.
    said = _FORMAT.search(data[:4096])
    if said and int(said[1]) > FORMAT:
        return _NEWER.format(name=name)
    return f"The manifest of the backup {name} cannot be read: it was damaged, or made by another program."

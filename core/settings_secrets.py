"""Secrets that are given as files: SLACK_BOT_TOKEN_FILE=/run/secrets/slack_bot_token stands for SLACK_BOT_TOKEN.

A container's environment is shown to everybody who may inspect it; a file is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from core.errors import InvalidSettings

SUFFIX = "_FILE"
MOST_BYTES = 64 * 1024


def from_files(environ: Mapping[str, str], secrets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each of these variables that is given as a file, with what is in it; of an empty file, nothing.

    Raises `InvalidSettings` for a file that cannot be read, and for a secret that is given both ways.
    """
    for variable in secrets:
        name = environ.get(f"{variable}{SUFFIX}")
        if not name:
            continue
        if environ.get(variable):
            raise InvalidSettings(f"{variable} and {variable}{SUFFIX} are both set. Remove one of them.")
        if value := _read(variable, Path(name)):
            yield variable, value


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise InvalidSettings(f"{variable}{SUFFIX} names {path}, which is too large to be a secret.")
        return data.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        # What is in it may be a secret all the same, so only the system's words are repeated.
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidSettings(f"{variable}{SUFFIX} names {path}, which cannot be read: {cause}.") from None

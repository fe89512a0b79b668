"""Prints what the image of the bots installs, one requirement a line: `python deploy/requirements.py EXTRA …`.

It is what `pyproject.toml` asks for, with Chroma's client in the place of Chroma: the index has an image of its own.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

CLIENTS = {"chromadb": "chromadb-client"}


def requirements(project: Path, extras: Sequence[str]) -> Iterator[str]:
    """Of the `[project]` table in that file. Raises `KeyError` for an extra that it does not have."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    for each in (*table["dependencies"], *(each for extra in extras for each in table["optional-dependencies"][extra])):
        name = re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0]
        yield each.replace(name, CLIENTS.get(name, name), 1)


def constraints(pins: Path) -> Iterator[str]:
    """The pins, and the same for the clients."""
    for pin in pins.read_text(encoding="utf-8").splitlines():
        yield pin
        name, _, version = pin.partition("==")
        if name in CLIENTS:
            yield f"{CLIENTS[name]}=={version}"


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    lines = (
        constraints(root / "constraints.txt")
        if sys.argv[1:] == ["--constraints"]
        else requirements(root / "pyproject.toml", sys.argv[1:])
    )
    sys.stdout.write("\n".join(lines) + "\n")

"""`lorekeeper` commands for an installation, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from core.cli import app
from tests.core.backup.installation import Home


def run(home: Home, *arguments: str | Path, text: str | None = None) -> Result:
    """`text` goes to its standard input."""
    environment = {"LOREKEEPER_DATA_DIR": str(home.folder), "LOREKEEPER_DATABASE__URL": home.database, "COLUMNS": "200"}
    return CliRunner().invoke(app, [str(each) for each in arguments], env=environment, input=text)


def said(result: Result) -> Any:
    """The JSON of one that succeeded."""
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)

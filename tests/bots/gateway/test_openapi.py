"""The specification holds: Schemathesis makes requests out of it and finds nothing that it does not say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bots.command import place

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CONFIG = Path(__file__).parent / "schemathesis.toml"
# All checks are on by default.
OPTIONS = ("--max-examples", "30", "--no-color")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_that_the_specification_allows_breaks_the_server_and_nothing_else_is_accepted(tmp_path: Path) -> None:
    here = place(tmp_path)
    (tmp_path / "leave.md").write_text("# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n")
    assert here.run("documents", "add", "leave.md").status == 0
    with here.serving() as server:
        done = subprocess.run(
            [SCHEMATHESIS, "--config-file", CONFIG, "run", f"{server.url}/openapi.json", *OPTIONS],
            capture_output=True, text=True, check=False, timeout=550, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout

"""What the documentation has people put beside `deploy/compose.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
PAGE = ROOT / "docs" / "deployment.md"
# Where the stack has the files of secrets.
SECRETS = "/run/secrets/slack"


def slack_http() -> str:
    """The file for Slack over HTTP, as it stands there."""
    (section,) = re.findall(
        r"(?s)\n## How do I use Slack over HTTP in the Docker stack\?\n(.*?)\n## ", PAGE.read_text()
    )
    (block,) = re.findall(r"(?s)```yaml\n(.*?)```", section)
    return str(block)


def gateway_of(text: str) -> dict[str, Any]:
    """What such a file says of the gateway."""
    return dict(yaml.safe_load(text)["services"]["gateway"])

"""Fixtures that several folders of tests share."""

from __future__ import annotations

import pytest

from core.log import configure
from core.settings import Log

pytest_plugins = ["tests.postgres", "tests.vllm"]


@pytest.fixture(scope="session", autouse=True)
def _log_as_in_earnest() -> None:
    # The library's own default prints variables, and with them whole documents.
    configure(Log())

"""These tests need a Docker engine, and the images of the stack, which `make test-docker` builds."""

from __future__ import annotations

import os

import pytest

from tests.docker.stack import is_available

HOW_TO_INSTALL = "no Docker engine answers here (Docker 25 or newer with compose 2.24)."


@pytest.fixture(scope="session", autouse=True)
def _an_engine() -> None:
    if not is_available():
        if "docker" in os.environ.get("TEST_REQUIRE", "").split(","):
            pytest.fail(HOW_TO_INSTALL)
        pytest.skip(HOW_TO_INSTALL)

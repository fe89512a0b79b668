"""A running gateway for the tests that need no special settings. They all run on their module's event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bots.gateway.serving import Server, serving, settings


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path) -> AsyncGenerator[Server, None]:
    """Empty."""
    async with serving(settings(tmp_path)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server, None]:
    """For tests that leave nothing behind and do not care what others left; holds one document."""
    async with serving(settings(tmp_path_factory.mktemp("shared"))) as running:
        await running.upload("leave.md")
        yield running

"""Runs every contract for every channel that can keep it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.contracts.channels import CHANNELS
from tests.contracts.driver import ChannelDriver, Contract
from tests.contracts.stage import staged
from tests.fakes.openai_server import FakeOpenAI, fake_openai


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found: Contract | None = getattr(metafunc.function, "contract", None)
    if found is None:
        return
    chosen = []
    for name, (can, _) in CHANNELS.items():
        if found.needs <= can:
            why = found.broken.get(name)
            marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
            chosen.append(pytest.param((name, found), id=name, marks=marks))
    assert chosen, "a contract that no channel can keep"
    metafunc.parametrize("driver", chosen, indirect=True)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the documents in it, to be copied: reading them takes longer than most contracts."""
    folder = tmp_path_factory.mktemp("furnished")

    async def furnish() -> None:
        async with staged(folder, FakeOpenAI(), {}):
            pass

    asyncio.run(furnish())
    return folder / "data"


@pytest.fixture
async def driver(
    request: pytest.FixtureRequest, tmp_path: Path, furnished: Path
) -> AsyncGenerator[ChannelDriver, None]:
    """Whatever a contract is about: nobody is pinged, and the platform has nothing to complain of."""
    name, found = request.param
    shutil.copytree(furnished, tmp_path / "data")
    with fake_openai(answer="You accrue 13 days of annual leave per year [1].") as model:
        async with CHANNELS[name][1](tmp_path, model, found.settings) as driver:
            yield driver
            assert driver.pings() == []
            assert driver.complaints() == []

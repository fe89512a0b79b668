"""A tiny model and a dataset that the tests of this folder train with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_chat import make_tiny_chat_model
from tests.tuning.training.sets import made_examples, write_dataset


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_chat_model(tmp_path_factory.mktemp("training") / "tiny")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight examples, so that nothing is held out."""
    return write_dataset(tmp_path_factory.mktemp("training") / "dataset", made_examples(1)[:8])

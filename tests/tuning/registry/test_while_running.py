"""The commands in processes of their own, while another process owns the data folder."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.bots.command import Place, place
from tests.tuning.registry.runs import make_run

HEAVY = {
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "langchain_openai",
    "chromadb",
    "onnxruntime",
}


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path)


def test_versions_are_promoted_while_questions_are_answered(here: Place, tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    with here.serving() as server:
        for command in (
            ("register", "run"), ("promote", "hr-1", "-n", "hr"), ("rollback", "-n", "hr"),
            ("promote", "hr-1", "--everywhere"), ("show", "hr-1"),
        ):  # fmt: skip
            done = here.with_modules("tune", *command)
            assert done.status == 0, done.err
            assert not HEAVY & done.modules
        (row,) = here.run("tune", "list", "--json").json["adapters"]
        assert row["answers_for"] == ["*"]
        refused = here.run("tune", "retire", "hr-1")
        assert (refused.status, "tune rollback --everywhere" in refused.err) == (1, True)
        assert "Traceback" not in refused.err
        assert httpx.get(f"{server.url}/healthz", trust_env=False).is_success

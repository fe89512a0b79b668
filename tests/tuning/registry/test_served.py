"""What servers list, held against what an adapter was trained on."""

from __future__ import annotations

from dataclasses import replace

from core.settings import Adapters, Generation, Settings
from core.types.adapters import BaseModel, Form
from tests.core.store.samples import adapter
from tests.fakes.openai_server import fake_openai
from tuning.registry.served import against, check_served
from tuning.serving.server import Model

KNOWN = replace(adapter(), id="hr-1", served_as="hr-1-x", base=BaseModel("HuggingFaceTB/SmolLM2-360M-Instruct", "abc"))
ROOT = "HuggingFaceTB/SmolLM2-360M-Instruct"
SAME = [Model("default", ROOT)]


def test_the_same_base_model_by_its_name_or_in_a_folder() -> None:
    assert against("http://a/v1", SAME, KNOWN) == ""
    assert against("http://a/v1", [Model("m", "/models/SmolLM2-360M-Instruct")], KNOWN) == ""


def test_adapters_beside_it_say_nothing() -> None:
    beside = Model("other-1-x", "/adapters/other-1-x", "default")
    assert against("http://a/v1", [*SAME, beside], KNOWN) == ""
    assert "serves" not in against("http://a/v1", [beside], KNOWN)


def test_another_base_model_is_named() -> None:
    said = against("http://a/v1", [Model("m", "Qwen/Qwen3-0.6B")], KNOWN)
    assert said == "hr-1 was trained on HuggingFaceTB/SmolLM2-360M-Instruct, and http://a/v1 serves Qwen/Qwen3-0.6B."


def test_a_whole_model_needs_a_server_of_its_own() -> None:
    merged = replace(KNOWN, form=Form.MERGED)
    assert "--served-model-name hr-1-x" in against("http://a/v1", SAME, merged)
    assert against("http://a/v1", [Model("hr-1-x", "/m")], merged) == ""


def test_every_server_is_asked_with_the_key() -> None:
    with fake_openai(root=ROOT, key="sesame") as first, fake_openai(root="tiny", key="sesame") as second:
        settings = _settings(first.url, second.url, key="sesame")
        assert f"{second.url} serves tiny" in check_served(settings, KNOWN).objection
        assert check_served(_settings(first.url, key="sesame"), KNOWN).note == ""
        unasked = check_served(_settings(first.url, key="wrong"), KNOWN)
        assert (unasked.objection, "did not say" in unasked.note) == ("", True)


def test_who_cannot_be_asked_is_named() -> None:
    away = check_served(_settings("http://ann:secret@127.0.0.1:1/v1"), KNOWN)
    assert (away.objection, away.note.startswith("http://127.0.0.1:1/v1 did not say")) == ("", True)
    with fake_openai() as no_vllm, fake_openai(models=()) as empty:
        for server in (no_vllm, empty):
            assert "did not say" in check_served(_settings(server.url), KNOWN).note
    assert "generation.base_url" in check_served(Settings(), KNOWN).note


def _settings(*urls: str, key: str = "") -> Settings:
    return Settings(
        generation=Generation(base_url=urls[0], api_key=key),
        adapters=Adapters(servers=list(urls) if len(urls) > 1 else []),
    )

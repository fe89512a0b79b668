"""What was trained becomes what vLLM loads, and answers the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.types.adapters import BaseModel
from tests.tiny_chat import make_tiny_chat_model, make_tiny_gemma
from tests.tuning.registry.adapters import KNOWN, PROMPTS, answers, linear, make_adapter
from tuning.registry.preflight import prepare_served

# PEFT asks transformers for something that is called otherwise now.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Model (has|with) .tie_word_embeddings:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting .save_embedding_layers:UserWarning"),
]
ANSWERS = list(KNOWN.values())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_chat_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def dora(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `llama`, trained."""
    return make_adapter(llama, tmp_path_factory.mktemp("dora") / "adapter", linear(use_dora=True))


def prepare(run: Path, model: Path, **options: Any) -> dict[str, Any]:
    return prepare_served(run, BaseModel(str(model), ""), prompts=PROMPTS, **options)


def served_answers(run: Path, model: Path) -> list[str]:
    """As PEFT, or transformers for a whole model, answer with what a server would load."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    served = run / "served"
    if not (served / "adapter_config.json").exists():
        return answers(AutoModelForCausalLM.from_pretrained(served), served)
    return answers(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), str(served)), model)


def test_dora_becomes_a_plain_lora_that_answers_the_same(llama: Path, dora: Path, tmp_path: Path) -> None:
    shutil.copytree(dora, tmp_path / "adapter")

    found = prepare(tmp_path, llama)

    assert (found["form"], found["rank"]) == ("adapter", 16)
    assert found["problems"] == ["vLLM does not load DoRA."]
    assert found["conversion"]["agreement"] == 1.0
    assert 0 < found["conversion"]["error"] < 1
    assert found["conversion"]["greatest_logit_change"] > 0
    config = json.loads((tmp_path / "served" / "adapter_config.json").read_text())
    assert config["use_dora"] is False
    assert served_answers(tmp_path, llama) == ANSWERS


def test_dora_of_a_model_built_as_gemma_is(tmp_path: Path) -> None:
    model = make_tiny_gemma(tmp_path / "model")

    make_adapter(model, tmp_path / "adapter", linear(use_dora=True))

    found = prepare(tmp_path, model)

    assert found["form"] == "adapter"
    assert served_answers(tmp_path, model) == ANSWERS


def test_dora_whose_lora_would_answer_otherwise_is_merged(llama: Path, dora: Path, tmp_path: Path) -> None:
    shutil.copytree(dora, tmp_path / "adapter")

    found = prepare(tmp_path, llama, max_rank=1)

    assert (found["form"], found["rank"]) == ("merged", 0)
    assert "so it is merged" in found["problems"][-1]
    assert found["conversion"]["tried"]["agreement"] < 0.98 < found["conversion"]["agreement"]
    assert served_answers(tmp_path, llama) == ANSWERS


def test_a_plain_lora_is_served_as_it_is(llama: Path, tmp_path: Path) -> None:
    trained = make_adapter(llama, tmp_path / "adapter", linear(use_rslora=True), steps=1)

    found = prepare(tmp_path, llama)

    assert found == {"form": "adapter", "rank": 8, "max_rank": 16, "problems": [], "conversion": {}}
    assert sorted(each.name for each in (tmp_path / "served").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    for each in (tmp_path / "served").iterdir():
        assert each.read_bytes() == (trained / each.name).read_bytes()


def test_an_adapter_from_elsewhere_is_a_folder_of_peft(llama: Path, tmp_path: Path) -> None:
    folder = make_adapter(llama, tmp_path / "theirs", linear(r=32), steps=1)

    found = prepare(folder, llama, max_rank=8, least_agreement=0.0)

    assert (found["form"], found["rank"]) == ("adapter", 8)
    assert (folder / "served" / "adapter_model.safetensors").is_file()


def test_whole_modules_are_merged(llama: Path, tmp_path: Path) -> None:
    make_adapter(llama, tmp_path / "adapter", linear(modules_to_save=["lm_head"]), steps=10)

    found = prepare(tmp_path, llama)

    assert found["form"] == "merged"
    assert found["conversion"]["agreement"] == 1.0
    assert found["conversion"]["greatest_logit_change"] < 1e-3


def test_a_lora_of_tied_embeddings_is_merged_without_changing_the_output_layer(llama: Path, tmp_path: Path) -> None:
    make_adapter(llama, tmp_path / "adapter", linear(target_modules=["embed_tokens", "up_proj"]), steps=10)

    found = prepare(tmp_path, llama)

    assert found["form"] == "merged"
    assert found["conversion"]["greatest_logit_change"] < 1e-3


def test_ia3_is_merged(llama: Path, tmp_path: Path) -> None:
    from peft import IA3Config

    make_adapter(llama, tmp_path / "adapter", IA3Config(task_type="CAUSAL_LM"), steps=5)

    found = prepare(tmp_path, llama)

    assert found["form"] == "merged"
    assert found["conversion"]["agreement"] == 1.0


def test_virtual_tokens_cannot_be_served_and_leave_nothing_to_serve(llama: Path, tmp_path: Path) -> None:
    from peft import PromptTuningConfig

    make_adapter(llama, tmp_path / "adapter", PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4), steps=1)
    (tmp_path / "served").mkdir()

    found = prepare(tmp_path, llama)

    assert found["form"] == ""
    assert "vLLM cannot serve prompt tuning" in found["problems"][0]
    assert not (tmp_path / "served").exists()


def test_a_model_whose_weights_were_all_trained_is_served_whole(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    for each in llama.iterdir():
        (tmp_path / "adapter" / each.name).write_bytes(each.read_bytes())

    found = prepare(tmp_path, llama)

    assert (found["form"], found["conversion"]) == ("merged", {})
    assert {each.name for each in (tmp_path / "served").iterdir()} == {each.name for each in llama.iterdir()}


def test_prompts_are_made_up_where_there_are_none(llama: Path, tmp_path: Path) -> None:
    make_adapter(llama, tmp_path / "adapter", linear(use_dora=True), steps=1)

    found = prepare_served(tmp_path, BaseModel(str(llama), ""), least_agreement=0.0)

    assert found["conversion"]["answers"] == 3


def test_what_was_served_stays_until_the_new_is_whole(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_adapter(llama, tmp_path / "adapter", linear(), steps=1)
    prepare(tmp_path, llama)
    before = (tmp_path / "served" / "adapter_config.json").read_bytes()
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        (tmp_path / "adapter" / "adapter_config.json").read_text().replace('"r": 8', '"r":  8')
    )
    monkeypatch.setattr("shutil.copyfile", _interrupted)

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, llama)

    assert (tmp_path / "served" / "adapter_config.json").read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {"adapter", "served"}


def test_an_adapter_of_another_model_is_refused(llama: Path, tmp_path: Path) -> None:
    make_adapter(llama, tmp_path / "adapter", linear(use_dora=True), steps=1)
    gemma = make_tiny_gemma(tmp_path / "gemma")

    with pytest.raises(InvalidRequest, match="does not fit the model"):
        prepare(tmp_path, gemma)


def test_a_folder_without_adapter_and_model_is_refused(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="neither an adapter"):
        prepare(tmp_path, llama)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_programs_that_lie_beside_a_tokenizer_are_not_run(
    llama: Path, dora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(dora, tmp_path / "adapter")
    mapped = {"tokenizer_class": "Theirs", "auto_map": {"AutoTokenizer": ["theirs.Theirs", None]}}
    (tmp_path / "adapter" / "tokenizer_config.json").write_text(json.dumps(mapped))
    (tmp_path / "adapter" / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda _: "y")

    with pytest.raises(InvalidRequest, match="custom code"):
        prepare(tmp_path, llama)
    assert not (tmp_path / "ran").exists()

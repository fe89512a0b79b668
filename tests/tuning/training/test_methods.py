"""Methods: what each makes of a model, and where it is refused."""

from __future__ import annotations

import pytest

from core.errors import InvalidRequest
from tuning.training.methods import WAYS, Method, Shape, check_method

SHAPE = Shape(rank=8, alpha=16, dropout=0.1, virtual_tokens=5)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Method.LORA, {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "use_rslora": False, "use_dora": False}),
        (Method.RSLORA, {"peft_type": "LORA", "use_rslora": True, "use_dora": False}),
        (Method.DORA, {"peft_type": "LORA", "use_dora": True, "target_modules": "all-linear"}),
        (Method.QLORA, {"peft_type": "LORA", "r": 8, "bias": "none"}),
        (Method.IA3, {"peft_type": "IA3"}),
        (Method.PROMPT, {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 5}),
        (Method.PREFIX, {"peft_type": "PREFIX_TUNING", "prefix_projection": True}),
        (Method.P_TUNING_V2, {"peft_type": "PREFIX_TUNING", "prefix_projection": False}),
    ],
)
def test_each_method_has_its_configuration(method: Method, expected: dict[str, object]) -> None:
    make = WAYS[method].make
    assert make is not None
    made = make(SHAPE).to_dict()
    assert made["task_type"] == "CAUSAL_LM"
    assert {name: made[name] for name in expected} == expected


def test_every_method_has_a_way() -> None:
    assert set(WAYS) == set(Method)


def test_all_weights_of_a_small_model_are_not_trained_without_force() -> None:
    with pytest.raises(InvalidRequest, match=r"135\.0 million parameters.*negative transfer.*--force"):
        check_method(Method.FULL, 135_000_000, force=False)
    check_method(Method.FULL, 135_000_000, force=True)
    check_method(Method.FULL, 360_000_000, force=False)


def test_qlora_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InvalidRequest, match="QLoRA needs a GPU"):
        check_method(Method.QLORA, 10**9, force=False)


def test_methods_that_a_server_does_not_load_say_so_beforehand() -> None:
    told = {method for method in Method if WAYS[method].serving}
    assert told == set(Method) - {Method.LORA, Method.RSLORA, Method.QLORA}

"""What the benchmark page says about serving and tuning a language model."""

from __future__ import annotations

import pytest

from tests.evals.recorded import ROWS, page, tables, under


@pytest.fixture
def whole() -> str:
    return page(ROWS)


def test_what_lorekeeper_costs_is_told_beside_the_same_vllm_asked_directly(whole: str) -> None:
    part = under(whole, "How fast is vLLM through Lorekeeper?")
    assert (
        "With 32 questions at once, slm_1 writes 0.981 times as many tokens per second through Lorekeeper as when vLLM is "
        "asked directly, and the first word comes 11.3 ms later."
    ) in part
    assert "74.4 % of the prompts before when questions are asked again, and 91 % of those of follow-ups." in part
    assert tables(part)[0][1:] == [
        ["wiki", "slm_1", "directly", "0", "1,000", "90.0", "–", "75 %"],
        ["wiki", "slm_1", "through Lorekeeper", "0", "981", "101", "–", "74.4 %"],
    ]


def test_a_first_word_that_comes_earlier_is_said() -> None:
    row = {**ROWS["model-serving"][0], "first_token_added_ms_p50": -2.0}
    assert "comes 2.00 ms earlier." in page({"model-serving": [row]})


def test_training_is_told_beside_trl(whole: str) -> None:
    part = under(whole, "How fast does Lorekeeper train a model?")
    assert (
        "Lorekeeper trains slm_1 (lora, 134,515,008 parameters) at 812 tokens per second, 1.013 times as many as TRL's "
        "trainer by itself (802)."
    ) in part
    assert tables(part)[0] == [
        ["model", "method", "examples", "tokens", "runs", "tokens/s", "TRL's tokens/s", "ratio", "loss", "TRL's loss"],
        ["slm_1", "lora", "64", "20,480", "3", "812", "802", "1.013", "1.250", "1.250"],
    ]

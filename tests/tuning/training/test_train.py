"""Training: real ones of a tiny model, a few steps each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from tests.tuning.training.sets import made_examples, write_dataset
from tuning.training.methods import Method
from tuning.training.options import Asked
from tuning.training.prepare import Prepared, prepare
from tuning.training.progress import Standing
from tuning.training.resume import Start
from tuning.training.run import Run, Stage, State, hashes, read_run
from tuning.training.train import enter, fit, train

STRONG = 1e-2


def _asked(model: Path, dataset: Path, **further: Any) -> Asked:
    chosen = {"batch": 4, "epochs": 1, "learning_rate": STRONG, "validation": 0.0, **further}
    return Asked(str(model), dataset, **chosen)


def _trained(folder: Path, asked: Asked) -> tuple[Run, Prepared]:
    prepared = prepare(asked)
    run = train(folder, prepared, enter(folder, prepared, asked.dataset))
    assert run is not None
    return run, prepared


@pytest.fixture(scope="module")
def finished(model: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    _trained(folder, _asked(model, dataset, epochs=2))
    return folder


def test_a_run_is_a_folder_with_all_that_others_need(finished: Path, dataset: Path, model: Path) -> None:
    run = read_run(finished)
    assert (run.state, run.stage, run.method) == (State.FINISHED, Stage.SFT, "lora")
    assert run.base.name == str(model)
    assert run.base.revision.startswith("sha256:")
    files = set(hashes(finished))
    assert {
        "run.json",
        "losses.jsonl",
        "loss.png",
        "dataset/card.md",
        "dataset/manifest.json",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/tokenizer.json",
        "adapter/chat_template.jinja",
    } <= files
    assert not [name for name in files if name.startswith("checkpoints/") or name.endswith((".bin", ".pt", ".pth"))]
    assert [name for name in files if name.startswith("tensorboard/events")]
    assert (finished / "dataset" / "card.md").read_text() == (dataset / "card.md").read_text()


def test_the_result_says_what_was_done(finished: Path) -> None:
    result = read_run(finished).result
    losses = [json.loads(each) for each in (finished / "losses.jsonl").read_text().splitlines()]
    assert result["steps"] == losses[-1]["step"] == 4
    assert result["train_loss"] == losses[-1]["loss"] < losses[0]["loss"]
    assert result["tokens"] == losses[-1]["tokens"] > 0
    assert result["trained_parameters"] == 65_536
    assert result["total_parameters"] == 65_536 + 557_696
    assert result["tokens_per_second"] == pytest.approx(result["tokens"] / result["seconds"], rel=0.01)
    assert result["peak_memory_bytes"] > 10**7


def test_the_saved_tokenizer_and_template_are_the_models(finished: Path, model: Path) -> None:
    for name in ("tokenizer.json", "chat_template.jinja"):
        assert (finished / "adapter" / name).read_bytes() == (model / name).read_bytes()


def test_the_same_seed_gives_the_same_losses(finished: Path, model: Path, dataset: Path, tmp_path: Path) -> None:
    _trained(tmp_path / "run", _asked(model, dataset, epochs=2))
    assert (tmp_path / "run" / "losses.jsonl").read_bytes() == (finished / "losses.jsonl").read_bytes()
    adapter = "adapter/adapter_model.safetensors"
    assert (tmp_path / "run" / adapter).read_bytes() == (finished / adapter).read_bytes()


def test_preferences_continue_a_run_on_the_same_weights(
    finished: Path, model: Path, dataset: Path, tmp_path: Path
) -> None:
    before = hashes(finished)
    asked = _asked(Path(), dataset, stage=Stage.DPO, start=finished, epochs=3)
    run, _ = _trained(tmp_path / "run", replace(asked, model=""))
    assert (run.stage, run.method, run.base) == (Stage.DPO, "lora", read_run(finished).base)
    losses = [json.loads(each) for each in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    # Both sides are the same before the first step, so that the loss is log 2; then the better answer wins.
    assert losses[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1]["loss"] < 0.5
    assert losses[-1]["preferred"] == 1
    assert {name for name in hashes(tmp_path / "run" / "adapter") if "ref" in name} == set()
    assert hashes(finished) == before


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ({"method": Method.DORA}, "was trained by lora, so it cannot be continued by dora"),
        ({"stage": Stage.SFT}, "--from is for --stage dpo"),
    ],
)
def test_a_run_is_continued_only_as_it_was_made(
    finished: Path, dataset: Path, further: dict[str, Any], said: str
) -> None:
    asked = replace(_asked(Path(), dataset, stage=Stage.DPO, start=finished), model="", **further)
    with pytest.raises(InvalidRequest, match=said):
        prepare(asked)


def test_losses_of_held_out_documents_are_reported_and_may_end_it(model: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", made_examples(2))
    prepared = prepare(_asked(model, dataset, validation=0.1, epochs=3, batch=6))
    assert prepared.validated == 2
    told: list[tuple[int, float]] = []

    def report(step: int, loss: float) -> bool:
        told.append((step, loss))
        return len(told) < 2

    done = fit(prepared, tmp_path / "fit", report=report, evaluations=9)
    assert [step for step, _ in told] == [1, 2]
    assert not done.is_finished
    assert done.result["steps"] == 2
    assert done.result["validation_loss"] == told[-1][1]
    assert not list((tmp_path / "fit" / "checkpoints").iterdir())


def test_other_options_of_the_same_examples_are_tried_without_reading_them_again(
    model: Path, dataset: Path, tmp_path: Path
) -> None:
    prepared = prepare(_asked(model, dataset))
    small = replace(prepared, options=replace(prepared.options, rank=2))
    trained = [
        fit(each, tmp_path / str(place)).result["trained_parameters"] for place, each in enumerate((prepared, small))
    ]
    assert trained[0] == 8 * trained[1]


@pytest.mark.parametrize("method", [Method.DORA, Method.IA3, Method.PROMPT, Method.PREFIX, Method.P_TUNING_V2])
def test_every_method_trains_and_saves(method: Method, model: Path, dataset: Path, tmp_path: Path) -> None:
    run, prepared = _trained(tmp_path / "run", _asked(model, dataset, method=method, batch=8))
    assert run.method == method.value
    assert 0 < run.result["trained_parameters"] < prepared.base.parameters
    saved = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert saved["base_model_name_or_path"] == str(model)


def test_all_weights_are_trained_by_force(model: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"0\.6 million parameters"):
        prepare(_asked(model, dataset, method=Method.FULL))
    run, _ = _trained(tmp_path / "run", _asked(model, dataset, method=Method.FULL, batch=8, force=True))
    assert run.result["trained_parameters"] == run.result["total_parameters"] == 557_696
    assert (tmp_path / "run" / "adapter" / "model.safetensors").exists()


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(
    finished: Path, model: Path, dataset: Path, tmp_path: Path
) -> None:
    import os
    import signal

    sent: list[signal.Signals] = []

    def interrupt(standing: Standing) -> None:
        if standing.step == 2 and not sent:
            sent.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    folder, asked = tmp_path / "run", _asked(model, dataset, epochs=2)
    prepared = prepare(asked)
    assert train(folder, prepared, enter(folder, prepared, dataset), show=interrupt) is None
    assert read_run(folder).state is State.RUNNING
    start = enter(folder, prepared, dataset)
    assert start is Start.RESUME
    run = train(folder, prepared, start)
    assert run is not None
    assert run.result["steps"] == 4
    # As exactly as another order of adding up allows.
    for mine, theirs in zip(*(map(json.loads, (each / "losses.jsonl").read_text().splitlines()) for each in (folder, finished)), strict=True):  # fmt: skip
        assert mine == pytest.approx(theirs, rel=1e-4)


def test_a_model_that_is_not_there_is_said(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InvalidRequest, match="The model nobody/nothing cannot be read"):
        prepare(_asked(Path("nobody/nothing"), dataset))
    with pytest.raises(InvalidRequest, match="--model"):
        prepare(replace(_asked(tmp_path, dataset), model=""))


def test_notes_say_what_is_unusual(model: Path, dataset: Path) -> None:
    notes = " ".join(prepare(_asked(model, dataset, method=Method.PROMPT, max_length=100_000)).notes())
    assert "vLLM cannot serve virtual tokens" in notes
    assert "No documents are held out" in notes

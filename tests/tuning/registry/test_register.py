"""From a run to a version on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidRequest, MissingExtra, StorageFailed
from core.store.adapters import AdapterStore
from core.types.adapters import BaseModel, Form, Verdict
from tests.tuning.registry.runs import ANN, DATASET_HASH, DOCUMENTS, PREFLIGHT, contents, evaluate, make_run, write
from tuning.dataset.files import MANIFEST
from tuning.dataset.types import person
from tuning.registry.register import Elsewhere, check_name, register
from tuning.registry.store import AdapterFiles
from tuning.training.run import ADAPTER, DATASET, SERVED, DatasetUsed, State, hashes, read_run


def test_a_run_becomes_a_version(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    done = register(run, "", store, files, "ann")
    found = store.get("hr-1")
    assert (done.adapter, done.is_new, done.notes) == (found, True, ())
    assert (found.base, found.method, found.form, found.rank) == (
        BaseModel("models/tiny", "sha256:base"), "lora", Form.ADAPTER, 8,
    )  # fmt: skip
    assert (found.dataset, found.template, found.registered_by) == (DATASET_HASH, "t" * 64, "ann")
    assert (found.verdict, found.reasons) == (Verdict.PASSED, ("It passed for a reason.",))
    assert (found.documents, found.people) == (frozenset(DOCUMENTS), frozenset({person(ANN)}))
    assert found.files == hashes(run / SERVED)
    shutil.rmtree(run)
    served = files.fetch(found, tmp_path / "served")
    assert contents(served)["adapter_model.safetensors"] == "weights"


def test_card_report_and_pictures_are_kept_and_what_people_asked_is_not(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path
) -> None:
    register(make_run(tmp_path / "run"), "", store, files, "ann")
    assert files.about(store.get("hr-1")) == [
        "dataset/card.md", "dataset/manifest.json", "evaluation/f1.png", "evaluation/report.json",
        "evaluation/report.md", "run.json",
    ]  # fmt: skip


def test_the_same_files_are_the_same_version(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", verdict=None)
    first = register(run, "hr", store, files, "ann")
    assert first.adapter.verdict is Verdict.MISSING
    assert "lorekeeper tune evaluate" in first.adapter.reasons[0]
    assert not register(run, "hr", store, files, "bob").is_new
    evaluate(run, Verdict.FAILED, "F1 fell.")
    again = register(run, "hr", store, files, "bob")
    assert (again.adapter.id, again.is_new, again.adapter.verdict) == ("hr-1", False, Verdict.FAILED)
    assert "evaluation/report.md" in files.about(again.adapter)
    assert register(make_run(tmp_path / "other", "others"), "hr", store, files, "ann").adapter.id == "hr-2"
    assert register(run, "legal", store, files, "ann").adapter.id == "legal-1"


def test_an_evaluation_of_other_files_does_not_count(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write(run / SERVED / "adapter_model.safetensors", "others")
    assert register(run, "", store, files, "ann").adapter.verdict is Verdict.MISSING


def test_what_cannot_be_served_is_refused_with_the_reasons(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path
) -> None:
    preflight = {**PREFLIGHT, "form": "", "problems": ["vLLM serves no prompt tuning."]}
    run = make_run(tmp_path / "run", preflight=preflight)
    with pytest.raises(InvalidRequest, match=r"vLLM serves no prompt tuning\. .*--method lora"):
        register(run, "", store, files, "ann")
    assert store.all() == []


def test_a_run_that_goes_on_is_refused(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", state=State.RUNNING)
    with pytest.raises(
        InvalidRequest, match=r"not finished training.*the command that began it: lorekeeper tune train"
    ):
        register(run, "", store, files, "ann")


def test_what_is_no_run_is_refused(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no training run"):
        register(tmp_path, "", store, files, "ann")
    with pytest.raises(InvalidRequest, match=r"no adapter_config\.json"):
        register(tmp_path, "", store, files, "ann", Elsewhere("tiny", "lora"))
    with pytest.raises(InvalidRequest, match="Leave out --base"):
        register(make_run(tmp_path / "run"), "", store, files, "ann", Elsewhere("tiny", "lora"))


def test_an_adapter_without_a_run_needs_its_base(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(InvalidRequest, match=r"no training run\. Name the run's own folder, or, .*--base"):
        register(run / ADAPTER, "", store, files, "ann")


def test_an_adapter_from_elsewhere_needs_the_extra(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = make_run(tmp_path / "run") / ADAPTER
    monkeypatch.setattr("tuning.training.failures.find_spec", lambda package: None)
    with pytest.raises(MissingExtra, match=r"\[tune\]"):
        register(adapter, "hr", store, files, "ann", Elsewhere("tiny", "lora"))


def test_without_its_lineage_it_is_refused(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    manifest = run / DATASET / MANIFEST
    manifest.write_text(json.dumps({"format": 1, "hash": "other", "lineage": {}}))
    with pytest.raises(InvalidRequest, match="another data set"):
        register(run, "", store, files, "ann")
    manifest.write_text(json.dumps({"format": 1, "hash": DATASET_HASH}))
    with pytest.raises(InvalidRequest, match="is damaged"):
        register(run, "", store, files, "ann")
    assert store.all() == []


def test_it_learnt_also_from_what_it_was_continued_from(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", options={"started_from": "a" * 64})
    assert "continued from another run" in register(run, "", store, files, "ann").notes[0]
    lineage: dict[str, dict[str, list[str]]] = {"documents": {"earlier": []}, "people": {"person-9": []}}
    write(run / DATASET / "earlier" / MANIFEST, json.dumps({"format": 1, "hash": "e", "lineage": lineage}))
    done = register(run, "again", store, files, "ann")
    assert done.notes == ()
    assert done.adapter.documents == {*DOCUMENTS, "earlier"}
    assert done.adapter.people == {person(ANN), "person-9"}


def test_links_and_programs_among_its_files_are_refused(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run")
    (run / SERVED / "more.json").symlink_to("/etc/hostname")
    with pytest.raises(InvalidRequest, match="is a link"):
        register(run, "", store, files, "ann")
    (run / SERVED / "more.json").unlink()
    write(run / SERVED / "modeling.py", "print()")
    with pytest.raises(InvalidRequest, match="can run a program"):
        register(run, "", store, files, "ann")


def test_files_that_could_not_be_stored_leave_nothing_on_record(
    store: AdapterStore, tmp_path: Path, files: AdapterFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_copy_in", lambda there, path: None)
    run = make_run(tmp_path / "run")
    with pytest.raises(StorageFailed):
        register(run, "", store, files, "ann")
    assert store.all() == []


def test_an_adapter_that_was_trained_elsewhere(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    folder = _saved_by_peft(tmp_path / "theirs")
    write(folder / "checkpoint-5" / "optimizer.pt", "momentum")
    before = hashes(folder)
    write(tmp_path / "tiny" / "config.json", "{}")
    done = register(folder, "", store, files, "ann", Elsewhere(str(tmp_path / "tiny"), "rslora"))
    found = done.adapter
    assert (found.id, found.method, found.form, found.rank) == ("theirs-1", "rslora", Form.ADAPTER, 4)
    assert found.base.name == str(tmp_path / "tiny")
    assert found.base.revision.startswith("sha256:")
    assert (found.verdict, found.dataset, found.documents) == (Verdict.MISSING, "", frozenset())
    assert found.reasons == ("It was trained elsewhere, so nothing was evaluated.",)
    assert "Nothing is known of what it learnt from" in done.notes[0]
    assert "adapter_model.safetensors" in found.files
    assert hashes(folder) == before
    of_hub = register(folder, "hub", store, files, "ann", Elsewhere("org/tiny", "lora", "abc123"))
    assert of_hub.adapter.base == BaseModel("org/tiny", "abc123")
    assert (
        register(folder, "hub2", store, files, "ann", Elsewhere("org/tiny", "lora")).adapter.base.revision == "unknown"
    )


def test_a_base_model_that_is_not_there_is_told(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, base: BaseModel) -> None:
        raise OSError("We couldn't connect to the hub.\nSecond line")

    monkeypatch.setattr("tuning.registry.register.prepare_served", fail)
    with pytest.raises(
        InvalidRequest, match=r"base model org/tiny cannot be loaded.*couldn't connect to the hub\. Name"
    ):
        register(_saved_by_peft(tmp_path / "theirs"), "", store, files, "ann", Elsewhere("org/tiny", "lora"))


def test_of_an_unknown_commit_the_hub_is_asked_for_the_latest(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prepared(folder: Path, base: BaseModel) -> None:
        asked.append(base.revision)
        raise OSError("Enough.")

    monkeypatch.setattr("tuning.registry.register.prepare_served", prepared)
    folder = _saved_by_peft(tmp_path / "theirs")
    for commit in ("", "abc123"):
        with pytest.raises(InvalidRequest, match="Enough"):
            register(folder, "", store, files, "ann", Elsewhere("org/tiny", "lora", commit))
    assert asked == ["", "abc123"]


def test_pickles_of_others_are_refused(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    folder = _saved_by_peft(tmp_path / "theirs")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(InvalidRequest, match="safetensors"):
        register(folder, "", store, files, "ann", Elsewhere("tiny", "lora"))


def test_a_run_without_a_pre_flight_gets_one(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", preflight={})
    shutil.rmtree(run / SERVED)
    shutil.rmtree(run / ADAPTER)
    _saved_by_peft(run / ADAPTER)
    assert register(run, "", store, files, "ann").adapter.rank == 4
    assert read_run(run).form is Form.ADAPTER


def test_the_name_is_the_namespaces_or_the_folders(store: AdapterStore, files: AdapterFiles, tmp_path: Path) -> None:
    assert register(make_run(tmp_path / "one"), "", store, files, "ann").adapter.name == "hr"
    used = DatasetUsed(DATASET_HASH, "", ("hr", "legal"))
    done = register(make_run(tmp_path / "two", dataset=used), "", store, files, "ann")
    assert done.adapter.name == "two"
    assert "another prompt" in done.notes[0]
    for name in ("", "-x", "a b", "../x", "x" * 41, "ä"):
        with pytest.raises(InvalidRequest, match="--name"):
            check_name(name)


def test_a_reading_of_the_run_is_unchanged_by_registering_it(
    store: AdapterStore, files: AdapterFiles, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run")
    before = contents(run)
    register(run, "", store, files, "ann")
    assert contents(run) == before
    assert read_run(run).state is State.FINISHED


def _saved_by_peft(folder: Path) -> Path:
    """A LoRA of one layer, as PEFT saves it."""
    from safetensors.numpy import save_file

    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    write(folder / "adapter_config.json", json.dumps(config))
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    shapes = {f"{layer}.lora_A.weight": (4, 8), f"{layer}.lora_B.weight": (8, 4)}
    save_file(
        {name: np.ones(shape, np.float32) for name, shape in shapes.items()}, folder / "adapter_model.safetensors"
    )
    return folder

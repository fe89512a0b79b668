"""Examples: what a training learns from, and what it never sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.prompts import NO_ANSWER
from tests.tuning.training.sets import made_examples, renamed, write_dataset
from tuning.dataset.review import Decision, Verdict, keep
from tuning.dataset.types import Split
from tuning.training.chat_template import IGNORED, Template, read_template
from tuning.training.examples import held_out, learnt, read_material
from tuning.training.run import Stage

LONG = 4096


@pytest.fixture
def template(model: Path) -> Template:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    return read_template(tokenizer, frozenset({tokenizer.eos_token_id}), "a model")


def test_only_training_examples_are_read(tmp_path: Path) -> None:
    examples = made_examples(1)
    material = read_material(write_dataset(tmp_path / "d", examples), Stage.SFT, force=False)
    questions = {row["messages"][-2]["content"] for row in material.rows}
    assert questions == {each.question for each in examples if each.split is Split.TRAIN}
    assert "What is tested?" not in questions


def test_messages_are_those_that_serving_sends(tmp_path: Path) -> None:
    (example, *_) = made_examples(1)
    material = read_material(write_dataset(tmp_path / "d", [example]), Stage.SFT, force=False)
    (row,) = material.rows
    assert [(each["role"], each["content"]) for each in row["messages"]] == [
        *example.prompt,
        ("assistant", example.answer),
    ]


def test_the_review_decides_what_is_learnt(tmp_path: Path) -> None:
    examples = made_examples(1)[:3]
    folder = write_dataset(tmp_path / "d", examples)
    rejected, edited = examples[0], examples[1]
    keep(folder, [Decision(rejected.hash, Verdict.REJECT), Decision(edited.hash, Verdict.EDIT, NO_ANSWER)])
    for stage, count in ((Stage.SFT, 2), (Stage.DPO, 1)):
        assert len(read_material(folder, stage, force=False).rows) == count
    rows = read_material(folder, Stage.SFT, force=False).rows
    assert {row["messages"][-1]["content"] for row in rows} == {NO_ANSWER, examples[2].answer}


def test_what_was_used_is_recorded(tmp_path: Path) -> None:
    examples = [made_examples(1)[0], renamed(made_examples(1)[1], "hr")]
    used = read_material(write_dataset(tmp_path / "d", examples), Stage.SFT, force=False).used
    assert (used.namespaces, used.examples) == (("default", "hr"), 2)


def test_a_dataset_of_other_prompts_is_refused_without_force(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", prompt="another")
    with pytest.raises(InvalidRequest, match=r"other prompts.*--force"):
        read_material(folder, Stage.SFT, force=False)
    assert read_material(folder, Stage.SFT, force=True).used.prompt == "another"


@pytest.mark.parametrize(("stage", "why"), [(Stage.SFT, "no training examples"), (Stage.DPO, "no preference pairs")])
def test_a_dataset_without_examples_is_refused(tmp_path: Path, stage: Stage, why: str) -> None:
    tested = [each for each in made_examples(1) if each.split is Split.TEST]
    with pytest.raises(InvalidRequest, match=why):
        read_material(write_dataset(tmp_path / "d", tested), stage, force=False)


def test_a_damaged_line_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d")
    (folder / "preferences.jsonl").write_text('{"prompt": []}\n')
    with pytest.raises(InvalidRequest, match="line 1, is not a pair"):
        read_material(folder, Stage.DPO, force=False)


def test_long_examples_are_counted_and_left_out(tmp_path: Path, template: Template) -> None:
    short, other = made_examples(1)[:2]
    long = replace(other, prompt=(*other.prompt[:-1], ("user", "How long? " * 500)))
    material = read_material(write_dataset(tmp_path / "d", [short, long]), Stage.SFT, force=False)
    found = learnt(material, template, Stage.SFT, 1000, 0, 1)
    assert len(found.train) == 1
    assert found.left_out == {"they are longer than 1000 tokens": 1}
    with pytest.raises(InvalidRequest, match="No example can be learnt from: 2 because they are longer than 10 tokens"):
        learnt(material, template, Stage.SFT, 10, 0, 1)


def test_the_answer_is_learnt(tmp_path: Path, template: Template) -> None:
    (example, *_) = made_examples(1)
    material = read_material(write_dataset(tmp_path / "d", [example]), Stage.SFT, force=False)
    (row,) = learnt(material, template, Stage.SFT, LONG, 0, 1).train
    taught = [each for each in row["labels"] if each != IGNORED]
    assert template.tokenizer.decode(taught) == f"{example.answer}<|im_end|>"


def test_validation_is_about_documents_that_are_not_trained_on(tmp_path: Path, template: Template) -> None:
    material = read_material(write_dataset(tmp_path / "d", made_examples(4)), Stage.SFT, force=False)
    found = learnt(material, template, Stage.SFT, LONG, 0.1, 1)
    assert (len(found.train), len(found.validation)) == (36, 4)
    names = [{template.tokenizer.decode(row["input_ids"]).split("How long is ")[1].split()[0] for row in rows}
             for rows in (found.train, found.validation)]  # fmt: skip
    assert len(names[1]) == 1
    assert not names[0] & names[1]


def test_another_seed_holds_out_other_documents() -> None:
    documents = [frozenset({f"d{number % 10}"}) for number in range(40)]
    assert held_out(documents, 0.1, 1) == held_out(documents, 0.1, 1)
    assert len({tuple(held_out(documents, 0.1, seed)) for seed in range(9)}) > 1


@pytest.mark.parametrize(
    "documents",
    [
        [frozenset({f"d{number}"}) for number in range(5)],  # too few to spare
        [frozenset({"d"})] * 40,  # nothing would be left
        [frozenset[str]()] * 40,  # about no document
    ],
)
def test_nothing_is_held_out_where_it_cannot_be(documents: list[frozenset[str]]) -> None:
    assert not any(held_out(documents, 0.1, 1))


def test_an_example_about_a_drawn_and_another_document_is_trained_on() -> None:
    documents = [frozenset({f"d{number % 10}"}) for number in range(40)] + [
        frozenset({f"d{number}", f"d{(number + 1) % 10}"}) for number in range(10)
    ]
    held = held_out(documents, 0.1, 1)
    drawn = {each for some, out in zip(documents, held, strict=True) if out for each in some}
    assert sum(held) >= 4
    assert all(some <= drawn for some, out in zip(documents, held, strict=True) if out)
    assert not all(out for some, out in zip(documents, held, strict=True) if some & drawn)

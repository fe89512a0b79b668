"""Decisions stand beside the dataset and are applied when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.prompts import NO_ANSWER
from tests.tuning.dataset.made import TRAVEL, example
from tuning.dataset.files import (
    MANIFEST,
    PREFERENCES,
    REVIEW,
    TEST,
    TRAIN,
    example_row,
    json_lines,
    preference_row,
    write_folder,
)  # fmt: skip
from tuning.dataset.review import Decision, Verdict, apply, keep, read_decisions, reviewed
from tuning.dataset.types import Preference

FIRST, SECOND = example(), example("May I travel?", f"{TRAVEL.text} [1]", (TRAVEL,))


def decided(*decisions: Decision) -> dict[str, Decision]:
    return {each.hash: each for each in decisions}


def test_what_is_rejected_goes_and_what_is_open_stays() -> None:
    done = apply([FIRST, SECOND], decided(Decision(FIRST.hash, Verdict.REJECT)))
    assert done.examples == (SECOND,)
    assert (done.accepted, done.rejected, done.open) == (0, 1, 1)


def test_an_edit_is_checked_and_has_another_hash_and_lineage() -> None:
    done = apply([FIRST], decided(Decision(FIRST.hash, Verdict.EDIT, f"{TRAVEL.text} [2]")))
    (changed,) = done.examples
    assert changed.hash != FIRST.hash
    assert changed.prompt == FIRST.prompt
    assert [use.document_id for use in changed.lineage.answer] == ["d-travel"]
    assert [use.document_id for use in FIRST.lineage.answer] == ["d-leave"]


def test_an_edit_may_be_the_honest_no_answer() -> None:
    (changed,) = apply([FIRST], decided(Decision(FIRST.hash, Verdict.EDIT, NO_ANSWER))).examples
    assert (changed.answer, changed.is_answered, changed.lineage.answer) == (NO_ANSWER, False, ())


def test_an_edit_that_the_passages_do_not_support_is_left_out() -> None:
    done = apply([FIRST], decided(Decision(FIRST.hash, Verdict.EDIT, "It is 99 days. [1]")))
    assert (done.examples, done.unverified) == ((), 1)


class TestPairs:
    """What is decided about an example holds for the pairs that it is the better answer of."""

    PAIR = Preference("default", FIRST.prompt, FIRST.answer, "Nobody knows.", FIRST.lineage)

    def left(self, folder: Path, *decisions: Decision) -> tuple[Preference, ...]:
        rows = {TRAIN: json_lines([example_row(FIRST)]), TEST: "", PREFERENCES: json_lines([preference_row(self.PAIR)])}
        write_folder(folder, rows | {MANIFEST: "{}"})
        keep(folder, decisions)
        return reviewed(folder).preferences

    def test_they_stay_where_nobody_objects(self, tmp_path: Path) -> None:
        assert self.left(tmp_path) == (self.PAIR,)
        assert self.left(tmp_path, Decision(FIRST.hash, Verdict.ACCEPT)) == (self.PAIR,)

    def test_they_go_with_what_is_rejected(self, tmp_path: Path) -> None:
        assert self.left(tmp_path, Decision(FIRST.hash, Verdict.REJECT)) == ()

    def test_they_are_edited_with_it(self, tmp_path: Path) -> None:
        (pair,) = self.left(tmp_path, Decision(FIRST.hash, Verdict.EDIT, NO_ANSWER))
        assert (pair.chosen, pair.rejected) == (NO_ANSWER, "Nobody knows.")
        assert self.left(tmp_path, Decision(FIRST.hash, Verdict.EDIT, "It is 99 days. [1]")) == ()


def test_a_review_is_for_its_owner_alone(tmp_path: Path) -> None:
    keep(tmp_path, [Decision(FIRST.hash, Verdict.REJECT)])
    assert (tmp_path / REVIEW).stat().st_mode & 0o077 == 0


def test_a_decision_about_another_example_changes_nothing() -> None:
    assert apply([FIRST], decided(Decision("0" * 64, Verdict.REJECT))).examples == (FIRST,)


def test_the_last_decision_counts(tmp_path: Path) -> None:
    edit = Decision(FIRST.hash, Verdict.EDIT, "Zwölf\nZeilen [1]")
    keep(tmp_path, [Decision(FIRST.hash, Verdict.REJECT), Decision(SECOND.hash, Verdict.ACCEPT)])
    keep(tmp_path, [edit])
    assert read_decisions(tmp_path) == {FIRST.hash: edit, SECOND.hash: Decision(SECOND.hash, Verdict.ACCEPT)}


def test_a_line_that_was_cut_off_is_forgotten_and_overwritten(tmp_path: Path) -> None:
    keep(tmp_path, [Decision(FIRST.hash, Verdict.REJECT)])
    with (tmp_path / REVIEW).open("a") as file:
        file.write('{"hash": "Zwö')
    assert set(read_decisions(tmp_path)) == {FIRST.hash}
    keep(tmp_path, [Decision(SECOND.hash, Verdict.ACCEPT)])
    assert set(read_decisions(tmp_path)) == {FIRST.hash, SECOND.hash}


def test_a_line_that_is_no_decision_is_named(tmp_path: Path) -> None:
    (tmp_path / REVIEW).write_text('{"hash": "a", "verdict": "maybe"}\n')
    with pytest.raises(InvalidRequest, match=r"review\.jsonl, line 1, is not a decision"):
        read_decisions(tmp_path)


def test_without_a_review_nothing_is_decided(tmp_path: Path) -> None:
    assert read_decisions(tmp_path) == {}

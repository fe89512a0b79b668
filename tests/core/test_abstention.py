"""Whether there is an answer at all."""

from __future__ import annotations

import pytest

from core.abstention import BUILT_IN, DEFAULT_THRESHOLD, SIGNALS, Calibration, coverage
from core.types import Signals


def test_strong_signals_are_confident_and_none_are_not() -> None:
    assert BUILT_IN.confidence(Signals(0.8, 0.8, 1.0)) > 0.9
    assert BUILT_IN.confidence(Signals()) < 0.01


@pytest.mark.parametrize("better", [Signals(0.6, 0.4, 0.5), Signals(0.4, 0.6, 0.5), Signals(0.4, 0.4, 0.9)])
def test_each_signal_speaks_for_an_answer(better: Signals) -> None:
    assert BUILT_IN.confidence(better) > BUILT_IN.confidence(Signals(0.4, 0.4, 0.5))


def test_the_typical_question_about_something_else_is_below_the_threshold() -> None:
    # The medians of questions of one evaluation data set asked of another's documents.
    assert BUILT_IN.confidence(Signals(0.23, 0.25, 0.2)) < DEFAULT_THRESHOLD
    assert BUILT_IN.confidence(Signals(0.7, 0.7, 0.75)) > DEFAULT_THRESHOLD


def test_rare_words_weigh_more_than_common_ones() -> None:
    rarity = {"leav": 0.1, "sabbat": 4.0}
    assert coverage(rarity, [{"sabbat"}]) > 0.9
    assert coverage(rarity, [{"leav"}]) < 0.1


def test_the_passage_with_most_of_the_words_counts() -> None:
    rarity = {"leav": 2.0, "annual": 2.0}
    assert coverage(rarity, [{"leav"}, {"leav", "annual"}, set()]) == pytest.approx(1.0)
    assert coverage(rarity, [{"leav"}, {"annual"}]) == pytest.approx(0.5)


def test_a_word_that_no_document_has_can_never_be_covered() -> None:
    assert coverage({"leav": 2.0, "blockchain": 5.0}, [{"leav"}]) < 0.5


@pytest.mark.parametrize(("rarity", "passages"), [({}, [{"leav"}]), ({"leav": 3.0}, [])])
def test_without_words_or_passages_nothing_is_covered(rarity: dict[str, float], passages: list[set[str]]) -> None:
    assert coverage(rarity, passages) == 0.0


def test_a_calibration_survives_being_stored() -> None:
    fitted = Calibration(-2.5, (1.0, 2.0, 3.0), "handbook, 2026-11-21")
    assert Calibration.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize("stored", ["", "[]", "{}", '{"bias": 1, "weights": {"another_signal": 1}}', '"text"'])
def test_what_another_version_stored_is_refused(stored: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one, too
        Calibration.from_json(stored)


@pytest.mark.parametrize(("bias", "expected"), [(-1e6, 0.0), (1e6, 1.0)])
def test_no_fit_is_too_extreme(bias: float, expected: float) -> None:
    assert Calibration(bias, BUILT_IN.weights).confidence(Signals()) == pytest.approx(expected)


def test_each_signal_has_a_weight() -> None:
    assert len(BUILT_IN.weights) == len(SIGNALS)


def test_what_suffices_is_what_would_be_answered() -> None:
    assert BUILT_IN.suffices(Signals(0.7, 0.7, 0.75), DEFAULT_THRESHOLD)
    assert not BUILT_IN.suffices(Signals(0.23, 0.25, 0.2), DEFAULT_THRESHOLD)


def test_nothing_suffices_before_all_is_seen_where_a_better_sentence_speaks_against_an_answer() -> None:
    assert not Calibration(9.0, (1.0, -1.0, 1.0)).suffices(Signals(0.9, 0.9, 0.9), DEFAULT_THRESHOLD)

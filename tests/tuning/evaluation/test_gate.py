"""What it takes to pass, and what is said where it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.types.adapters import Verdict
from tuning.evaluation.gate import Forgetting, Limits, Measured, decide, more_questions
from tuning.evaluation.types import Contender, Interval

KEEPS = Forgetting(127, base=0.8, adapter=0.79, drop=Interval(0.01, -0.02, 0.04), surprise=Interval(0.1, 0.05, 0.2))
BETTER = Measured(60, Contender.FEW_SHOT, Interval(0.2, 0.1, 0.3), Interval(0.0, -0.1, 0.1), KEEPS)
LIMITS = Limits()


def failed(measured: Measured, limits: Limits = LIMITS) -> str:
    """The only reason."""
    verdict, reasons = decide(measured, limits)
    assert verdict is Verdict.FAILED
    (reason,) = reasons
    return reason


def test_better_beyond_the_interval_passes_and_says_by_how_much() -> None:
    verdict, reasons = decide(BETTER, LIMITS)
    assert verdict is Verdict.PASSED
    assert "better than the base model with examples in its prompt by +0.200" in reasons[0]
    assert "60 held-out questions" in reasons[0]


def test_better_within_the_interval_fails_and_says_how_many_more_questions_would_show_it() -> None:
    close = replace(BETTER, score=Interval(0.1, -0.1, 0.3))
    assert "not better" in failed(close)
    assert "about 181 more questions" in failed(close)


def test_an_interval_that_touches_zero_is_not_better() -> None:
    assert "not better" in failed(replace(BETTER, score=Interval(0.1, 0.0, 0.2)))


def test_worse_fails_and_no_number_of_questions_is_named() -> None:
    worse = replace(BETTER, score=Interval(-0.1, -0.3, 0.1))
    assert "not better" in failed(worse)
    assert "more questions" not in failed(worse)
    assert more_questions(worse) is None


def test_so_many_more_questions_bring_the_interval_above_zero() -> None:
    close = replace(BETTER, score=Interval(0.1, -0.1, 0.3))
    more = more_questions(close)
    assert more is not None
    width = 0.2 * (60 / (60 + more)) ** 0.5
    assert 0 < 0.1 - width < 0.001


def test_too_few_questions_fail_however_good_it_is() -> None:
    few = replace(BETTER, questions=12)
    assert "only 12 held-out questions; at least 30 are needed, which is 18 more" in failed(few)
    assert decide(few, Limits(fewest=12))[0] is Verdict.PASSED


def test_no_questions_at_all_fail() -> None:
    assert "only 0" in failed(replace(BETTER, questions=0, score=None, validity=None))


def test_better_than_its_rivals_is_not_enough_where_answering_nothing_would_be_as_good() -> None:
    assert "answers nothing" in failed(replace(BETTER, above_silence=Interval(0.05, 0.0, 0.1)))
    assert decide(replace(BETTER, above_silence=Interval(0.05, 0.01, 0.1)), LIMITS)[0] is Verdict.PASSED


def test_much_worse_at_one_kind_of_question_fails_however_good_it_is_at_the_other() -> None:
    assert "answers worse" in failed(replace(BETTER, answering=Interval(-0.3, -0.4, -0.11)))
    assert "says less often" in failed(replace(BETTER, declining=Interval(-0.3, -0.4, -0.11)))
    little = replace(BETTER, answering=Interval(-0.1, -0.2, 0.0), declining=Interval(-0.2, -0.3, -0.1))
    assert decide(little, LIMITS)[0] is Verdict.PASSED
    assert "more than 0.05 may not be lost" in " ".join(decide(little, Limits(most_lost=0.05))[1])
    much = replace(BETTER, answering=Interval(-0.3, -0.4, -0.11))
    assert decide(much, Limits(most_lost=0.11))[0] is Verdict.PASSED


def test_a_form_that_is_worse_beyond_its_interval_fails() -> None:
    assert "demanded form" in failed(replace(BETTER, validity=Interval(-0.2, -0.3, -0.01)))


def test_forgetting_more_than_the_limit_fails() -> None:
    forgets = replace(KEEPS, adapter=0.7, drop=Interval(0.1, 0.05, 0.15))
    assert "It forgets" in failed(replace(BETTER, forgetting=forgets))
    assert decide(replace(BETTER, forgetting=forgets), Limits(most_forgetting=0.1))[0] is Verdict.PASSED


def test_likelihoods_count_only_for_what_the_base_knows() -> None:
    surprised = replace(KEEPS, surprise=Interval(3.0, 2.5, 3.5))
    assert "less likely" in failed(replace(BETTER, forgetting=surprised))
    guesses = replace(surprised, base=0.008, adapter=0.0, drop=Interval(0.008, 0, 0.024))
    assert decide(replace(BETTER, forgetting=guesses), LIMITS)[0] is Verdict.PASSED


def test_all_that_is_wrong_is_said() -> None:
    bad = replace(BETTER, questions=5, score=Interval(-1, -1, -1), validity=Interval(-1, -1, -1))
    verdict, reasons = decide(bad, LIMITS)
    assert verdict is Verdict.FAILED
    assert len(reasons) == 3


@pytest.mark.parametrize("rival", [Contender.BASE, Contender.FEW_SHOT])
def test_the_rival_is_named(rival: Contender) -> None:
    named = failed(replace(BETTER, rival=rival, score=Interval(0.0, -0.1, 0.1)))
    assert ("examples in its prompt" in named) is (rival is Contender.FEW_SHOT)

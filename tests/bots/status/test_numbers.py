"""Metrics of several processes put together."""

from __future__ import annotations

import math

import pytest

from bots.status.numbers import Numbers, numbers_of, quantile, questions_between


def said(answered: int, failed: int = 0, queue: str = "3") -> str:
    return (
        "# TYPE lorekeeper_answers counter\n"
        f'lorekeeper_answers_total{{outcome="answered",generator="chat"}} {answered}\n'
        f'lorekeeper_answers_total{{outcome="failed",generator="none"}} {failed}\n'
        "# TYPE lorekeeper_answer_stage_seconds histogram\n"
        f'lorekeeper_answer_stage_seconds_bucket{{stage="whole",le="1.0"}} {answered / 2}\n'
        f'lorekeeper_answer_stage_seconds_bucket{{stage="whole",le="2.0"}} {answered}\n'
        f'lorekeeper_answer_stage_seconds_bucket{{stage="whole",le="+Inf"}} {answered}\n'
        f"lorekeeper_queue {queue}\n"
    )


def test_what_each_process_counts_is_added_up_and_what_all_of_them_read_is_not() -> None:
    numbers = numbers_of([said(10), said(20)])
    assert questions_between(Numbers(), numbers, 60).by_outcome == {"answered": 30}
    assert numbers.largest("lorekeeper_queue") == 3


def test_what_is_no_number_is_left_out() -> None:
    numbers = numbers_of([said(1, queue="NaN")])
    assert numbers.largest("lorekeeper_queue") is None
    assert numbers.smallest("lorekeeper_nothing") is None


def test_questions_of_the_last_while() -> None:
    asked = questions_between(numbers_of([said(10, 1)]), numbers_of([said(40, 3)]), 120)
    assert asked.by_outcome == {"answered": 30, "failed": 2}
    assert asked.per_minute == 16
    assert asked.half == 1.0
    assert asked.most == pytest.approx(1.9)


def test_a_process_that_was_started_anew_has_counted_from_nothing() -> None:
    assert questions_between(numbers_of([said(100)]), numbers_of([said(4)]), 60).by_outcome == {"answered": 4}


def test_nothing_was_asked() -> None:
    asked = questions_between(numbers_of([said(4)]), numbers_of([said(4)]), 0)
    assert (asked.by_outcome, asked.per_minute, asked.half, asked.most) == ({}, 0.0, None, None)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 0.5), (0.5, 1.0), (0.6, 1.5), (0.7, 2.0), (0.75, 2.0), (1.0, 2.0)],
)
def test_a_quantile_lies_between_limits_and_at_most_at_the_last(share: float, expected: float) -> None:
    assert quantile(share, {1.0: 5, 2.0: 7, math.inf: 10}) == expected


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {1.0: 0, math.inf: 0}) is None


def test_what_is_no_list_of_metrics_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        numbers_of(["<html>It works!</html>"])

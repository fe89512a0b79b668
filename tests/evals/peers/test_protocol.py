"""What is measured of a system, whatever it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from evals.peers.protocol import Job, Ranking, Result, Stopwatch


def test_calls_within_and_beside_each_other_count_once() -> None:
    watch = Stopwatch()
    inside, outside = threading.Event(), threading.Event()

    @watch.timed
    def inner() -> int:
        return 1

    @watch.timed
    def outer() -> int:
        inside.set()
        assert outside.wait(10)
        return inner()

    thread = threading.Thread(target=outer)
    thread.start()
    assert inside.wait(10)
    assert inner() == 1
    assert watch.seconds == 0, "the first call is still under way"
    outside.set()
    thread.join()
    assert watch.seconds > 0


def test_a_call_that_fails_counts_and_ends() -> None:
    watch = Stopwatch()

    @watch.timed
    def fail() -> None:
        raise ValueError

    for _ in range(2):
        before = watch.seconds
        with pytest.raises(ValueError, match=r"^$"):
            fail()
        assert watch.seconds > before


def test_jobs_and_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    job = Job("words", "/data", "/model", 50, "/workspace")
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
    result = Result(2.0, 1.5, 3, [Ranking("1", ["a", "ü"], 0.5)], 100.0, {"library": "1.0"})
    result.write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == result


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rankings": 1}', '{"rankings": [], "other": 1}'])
def test_what_is_no_result_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises((ValueError, TypeError, KeyError)):
        Result.read(tmp_path / "result.json")

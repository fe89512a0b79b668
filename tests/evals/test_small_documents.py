"""Many small documents: how they are made, how a run is cut into tenths, and a few of them the whole way."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.settings import load
from core.types import ChangeKind, DocumentChange
from evals.processes import Gauge
from evals.small_documents import check, evaluate_small, rows, seconds_of_parts, text, times_of_parts, write
from evals.stages import Calls

STAGES = ["receiving", "reading", "splitting", "embedding", "vectors", "record"]


def called(*calls: tuple[float, float]) -> Calls:
    """Of sizes and seconds, one after the other."""
    found, now = Calls(), 0.0
    for size, seconds in calls:
        found.note(size, now, now + seconds)
        now += seconds
    return found


def test_documents_are_all_different_and_always_the_same(tmp_path: Path) -> None:
    texts = [text(number) for number in range(1, 3001)]
    assert len(set(texts)) == 3000
    assert all(3 <= each.count(".") - 1 <= 5 for each in texts)
    write(tmp_path, 3)
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == texts[:3]


def test_a_call_that_belongs_to_two_tenths_is_divided() -> None:
    assert seconds_of_parts(called((4.0, 8.0), (6.0, 3.0))).tolist() == pytest.approx([2.0] * 4 + [0.5] * 6)
    # What is about nothing costs, too, but moves nothing.
    assert seconds_of_parts(called((5.0, 5.0), (0.0, 2.0), (5.0, 5.0))).sum() == pytest.approx(12.0)


def test_a_stage_that_grows_is_seen() -> None:
    grows = seconds_of_parts(called(*((1.0, float(number)) for number in range(20))))
    assert grows.tolist() == sorted(grows)
    assert (grows[0], grows[-1]) == (1.0, 37.0)


def test_tenths_have_their_own_time_of_memory() -> None:
    calls = {("reading", "parse"): called(*[(1.0, 1.0)] * 20), ("vectors", "upsert"): called(*[(5.0, 15.0)] * 4)}
    calls["record", "claim"] = called((1.0, 20.0))
    memory, reader = (Gauge(itertools.count(0.5, step).__next__) for step in (6.0, 2.0))
    for megabytes in range(100, 110):
        memory.note(megabytes)
        reader.note(megabytes - 90)
    found = rows(20, 40.0, calls, memory, reader)
    assert [row["part"] for row in found] == [*(f"{part}/10" for part in range(1, 11)), "all"]
    first, *_, last, whole = found
    assert (first["documents"], last["documents"], whole["documents"]) == (2, 20, 20)
    assert list(first["stages_ms"]) == STAGES
    assert [first["stages_ms"][stage] for stage in ("reading", "vectors", "record")] == [1000.0, 3000.0, 1000.0]
    assert (whole["stages_ms"]["vectors"], whole["documents_per_second"]) == (3000.0, 0.5)
    assert [row["peak_rss_mb"] for row in found] == [*range(100, 110), 109]
    assert [row["reader_peak_mb"] for row in found] == [*range(10, 20), 19]


def test_the_moments_between_tenths_are_told_by_how_much_was_done() -> None:
    moments = times_of_parts(called((20.0, 2.0), (80.0, 16.0)))
    assert moments[0] == float("-inf")
    assert moments[1:-1] == pytest.approx([1.0, *(2.0 * part for part in range(1, 9))])
    assert moments[-1] == float("inf")


def test_a_run_that_did_not_index_everything_is_no_measurement() -> None:
    added = DocumentChange(ChangeKind.ADDED, "a")
    check([added, added], 2)
    with pytest.raises(InvalidRequest, match="1 of the 2 documents were not indexed: It is damaged"):
        check([added, DocumentChange(ChangeKind.FAILED, "b", message="It is damaged.")], 2)
    with pytest.raises(InvalidRequest, match=r"1 of the 2 documents were not indexed\."):
        check([added], 2)


async def test_a_few_go_the_whole_way() -> None:
    found = await evaluate_small(20, load(), lambda stage, done, total: None)
    assert len(found) == 11
    whole = found[-1]
    assert (whole["documents"], whole["dataset"]) == (20, "small 20")
    assert all(whole["stages_ms"][stage] > 0 for stage in STAGES)
    assert whole["documents_per_second"] > 0
    assert all(row["stages_ms"]["embedding"] > 0 for row in found)
    assert whole["reader_peak_mb"] > 5

"""How the index grows: documents of about one size cut from any texts, and two small sizes measured for real."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from core.settings import load
from evals.datasets import CorpusDocument, Dataset, EvalQuestion
from evals.growth import FEWEST, WORDS, cut, evaluate_growth, exponent, missing, windows, with_exponent

KEYS = [
    *("system", "chunks", "index_seconds", "query_ms_p50", "query_ms_p95", "answer_ms_p50", "answer_ms_p95"),
    *("rss_mb", "disk_mb", "note", "growth_exponent"),
]


def words(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def dataset(texts: int = 3, length: int = 200) -> Dataset:
    documents = tuple(
        CorpusDocument(str(number), f"Title {number}", " ".join(words(length, number * length)))
        for number in range(texts)
    )
    asked = tuple(
        EvalQuestion(str(number), f"What is {number}?", (), frozenset({"0"}), (), None) for number in range(9)
    )
    return Dataset("tiny", documents, asked)


def test_a_text_is_cut_into_windows_that_together_are_the_text() -> None:
    text = words(3 * WORDS + FEWEST)
    parts = windows(text, 0)
    assert [len(part.split()) for part in parts] == [WORDS, WORDS, WORDS, FEWEST]
    assert " ".join(parts).split() == text


def test_a_short_rest_stays_with_the_last_window_and_a_short_text_is_one() -> None:
    assert [len(part.split()) for part in windows(words(2 * WORDS + FEWEST - 1), 0)] == [WORDS, WORDS + FEWEST - 1]
    assert windows(words(5), 0) == [" ".join(words(5))]
    assert windows([], 0) == []


def test_the_next_time_the_cuts_are_elsewhere_and_remnants_are_left_out() -> None:
    assert windows(words(200), 35)[0].split() == words(200)[35 : 35 + WORDS]
    assert windows(words(35 + FEWEST - 1), 35) == []
    assert windows(words(20), 35) == []


def test_all_cut_documents_are_different_and_in_the_same_order_every_time() -> None:
    documents = list(cut([dataset(), dataset()]))  # the same texts twice
    texts = [document.text for document in documents]
    assert len(texts) == len(set(texts)) > 9
    assert len({document.id for document in documents}) == len(documents)
    assert documents == list(cut([dataset(), dataset()]))
    assert all(len(text.split()) < WORDS + FEWEST for text in texts)
    # Each text is used up once before any is cut a second time.
    assert {word for text in texts[:9] for word in text.split()} == set(words(600))
    assert list(islice(cut([]), 1)) == []


def test_the_exponent_is_the_slope_on_logarithmic_scales() -> None:
    assert exponent([10, 100, 1000], [1.0, 10.0, 100.0]) == pytest.approx(1.0)
    assert exponent([10, 100, 1000], [5.0, 5.0, 5.0]) == pytest.approx(0.0)
    assert exponent([100, 10_000], [3.0, 30.0]) == pytest.approx(0.5)
    assert exponent([100], [3.0]) is None
    assert exponent([100, 1000], [0.0, 3.0]) is None


def test_the_exponent_stands_in_the_last_row() -> None:
    rows = with_exponent([{"chunks": 10, "query_ms_p50": 1.0}, {"chunks": 1000, "query_ms_p50": 10.0}])
    assert [row["growth_exponent"] for row in rows] == [None, 0.5]
    assert with_exponent([]) == []


def test_too_few_chunks_are_told() -> None:
    assert missing(100, 100) == missing(103, 100) == ""
    assert missing(70, 100) == "the data sets give 70 different chunks, not 100"


@pytest.mark.slow
async def test_one_index_grows_and_ends_where_the_texts_do() -> None:
    reported = []
    rows = await evaluate_growth(
        [dataset(texts=6)], load(), lambda *progress: reported.append(progress), sizes=(20, 40, 10_000), count=4
    )
    assert [list(row) for row in rows] == [KEYS] * 3
    assert [row["chunks"] >= size for row, size in zip(rows, (20, 40, 10_000), strict=True)] == [True, True, False]
    assert [row["chunks"] for row in rows] == sorted({row["chunks"] for row in rows})
    assert [bool(row["note"]) for row in rows] == [False, False, True]
    assert all(0 < row["query_ms_p50"] <= row["query_ms_p95"] and row["answer_ms_p50"] > 0 for row in rows)
    assert all(row["rss_mb"] > 0 and row["disk_mb"] > 0 for row in rows)
    assert rows[0]["growth_exponent"] is None
    assert rows[-1]["growth_exponent"] is not None
    assert "indexing to 40 chunks" in {stage for stage, _, _ in reported}


@pytest.mark.slow
async def test_kept_indexes_are_only_asked(tmp_path: Path) -> None:
    async def grow() -> tuple[list[dict[str, Any]], set[str]]:
        stages = set()
        rows = await evaluate_growth(
            [dataset(texts=6)],
            load(),
            lambda stage, *_: stages.add(stage.split()[0]),
            sizes=(20, 40),
            count=4,
            keep=tmp_path,
        )
        return rows, stages

    first, stages = await grow()
    assert stages == {"indexing", "asking"}
    again, stages = await grow()
    assert stages == {"asking"}
    assert [(row["chunks"], row["index_seconds"]) for row in again] == [
        (row["chunks"], row["index_seconds"]) for row in first
    ]

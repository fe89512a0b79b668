"""The sentences and tables say what the recorded rows say, whichever way the figures come out."""

from __future__ import annotations

import pytest

from tests.evals.recorded import ROWS, compared, page


@pytest.fixture
def whole() -> str:
    return page(ROWS)


def test_quality_beside_others_is_computed_where_we_are_better_and_where_we_are_worse(whole: str) -> None:
    assert (
        "On average over wiki and help, Lorekeeper's nDCG@10 is 0.040 above that of LangChain's defaults: "
        "0.840 against 0.800."
    ) in whole
    assert (
        "Lorekeeper's nDCG@10 is above LangChain's defaults on 1 of 2 data sets, and below on help (0.880 against 0.900)."
    ) in whole


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        (0.788, "On wiki, Lorekeeper's nDCG@10 is 0.088 above that of LangChain's defaults: 0.788 against 0.700."),
        (0.612, "On wiki, Lorekeeper's nDCG@10 is 0.088 below that of LangChain's defaults: 0.612 against 0.700."),
        (0.7004, "On wiki, Lorekeeper's nDCG@10 is the same as that of LangChain's defaults: 0.700 against 0.700."),
        (0.0, "On wiki, Lorekeeper's nDCG@10 is 0.700 below that of LangChain's defaults: 0.000 against 0.700."),
    ],
)
def test_the_difference_has_the_right_sign(ours: float, sentence: str) -> None:
    rows = [
        {"dataset": "wiki", "system": "langchain", "ndcg@10": 0.7},
        {"dataset": "wiki", "system": "lorekeeper", "ndcg@10": ours},
    ]
    text = page({"peers": rows})
    assert sentence in text
    assert "of 1 data sets" not in text


def test_above_on_all_and_level_on_one_are_said() -> None:
    rows = [
        {"dataset": dataset, "system": system, "ndcg@10": quality}
        for dataset, system, quality in (
            ("a", "langchain", 0.5),
            ("a", "lorekeeper", 0.6),
            ("b", "langchain", 0.5),
            ("b", "lorekeeper", 0.5),
            ("only theirs", "langchain", 0.9),
        )
    ]
    text = page({"peers": rows})
    assert "On average over a and b, Lorekeeper's nDCG@10 is 0.050 above" in text
    assert "is above LangChain's defaults on 1 of 2 data sets, below on none, and the same on b." in text
    assert compared(text, "nDCG@10 (1 is best)")[-2:] == [
        ["only theirs", "–", "0.900"],
        ["average over a and b", "**0.550**", "0.500"],
    ]


def test_speed_beside_others_is_a_ratio_that_reads_right_both_ways(whole: str) -> None:
    assert (
        "Lorekeeper indexes 2.5 times as many documents per second as LangChain's defaults, the median of 2 data sets "
        "(2.0 to 3.0 times)."
    ) in whole
    assert "Lorekeeper's median query takes 0.42 times as long as that of LangChain's defaults" in whole
    assert "Lorekeeper's process needs 1.0 times as much memory as that of LangChain's defaults" in whole
    turned = [{**row, "documents_per_second": 600 / row["documents_per_second"]} for row in ROWS["peers"][:2]]
    assert "Lorekeeper indexes 0.33 times as many documents per second as LangChain's defaults." in page(
        {"peers": turned}
    )


def test_lorekeeper_stands_first_and_the_best_of_each_line_is_bold(whole: str) -> None:
    assert compared(whole, "nDCG@10 (1 is best)") == [
        ["data set", "Lorekeeper", "LangChain's defaults"],
        ["wiki", "**0.800**", "0.700"],
        ["help", "0.880", "**0.900**"],
        ["average", "**0.840**", "0.800"],
    ]
    assert compared(whole, "Documents indexed per second")[1] == [
        *("wiki", "**30.0** (29.0–31.0)", "10.0 (9.00–11.0)"),
    ]
    # The shortest time is the best, and where all are alike none is.
    assert compared(whole, "Median time of a query")[1] == ["wiki", "**8.00**", "24.0"]
    assert compared(whole, "Memory of the process in MB:")[1] == ["wiki", "500", "500"]


def test_ideas_are_compared_with_the_first_line(whole: str) -> None:
    assert "With “without stemming”, mean nDCG@10 is 0.010 below that of “as shipped”." in whole
    assert "With “cross-encoder”, mean nDCG@10 is 0.020 above that of “as shipped”." in whole
    assert "With “no change”, mean nDCG@10 is the same as that of “as shipped”." in whole
    assert compared(whole, "nDCG@10, and the change of its mean") == [
        ["variant", "wiki", "help", "mean", "change"],
        ["as shipped", "0.900", "**0.800**", "0.850", ""],
        ["without stemming", "0.880", "**0.800**", "0.840", "−0.010"],
        ["cross-encoder", "**0.940**", "**0.800**", "**0.870**", "+0.020"],
        ["no change", "0.900", "**0.800**", "0.850", "0.000"],
    ]


def test_answers_are_told_as_shares(whole: str) -> None:
    assert (
        "On wiki, Lorekeeper with the extractive generator answers 180 of 246 questions (73.2 %): "
        "citation precision is 0.970."
    ) in whole


def test_abstaining_is_told_of_the_weights_in_use(whole: str) -> None:
    assert (
        "On wiki, Lorekeeper does not answer 2.1 % of the answerable questions and 60 % of the unanswerable ones."
    ) in whole
    assert "at least 60 % of the unanswerable questions is possible with a precision of 0.86 at best." in whole
    assert (
        "On wiki, 82 % of the questions that Lorekeeper does not answer are unanswerable indeed (precision), "
        "and it leaves 60 % of the unanswerable ones without an answer (recall)."
    ) in whole
    assert "On only fitted" not in whole


def test_a_recall_that_is_never_reached_is_said() -> None:
    text = page({"calibration": [{"dataset": "wiki", "curve": [[0.5, 0.9, 0.59]]}]})
    assert "On wiki, no threshold refuses 60 % of the unanswerable questions." in text


def test_indexing_is_told_with_its_stages(whole: str) -> None:
    assert (
        "Lorekeeper indexes 28.4 documents per second on wiki (9 documents, 1,203 chunks), "
        "and 84 % of the time is spent in the embedding model."
    ) in whole
    assert compared(whole, "Seconds by stage:") == [["data set", "split", "embed"], ["wiki", "0.30", "5.10"]]


def test_indexing_beside_others_is_a_table_and_only_ours_is_told() -> None:
    own = {**ROWS["ingest"][0], "system": "lorekeeper", "files": 10, "refused": 1, "versions": {}}
    other = {"dataset": "wiki", "system": "markitdown", "files": 10, "refused": 4, "documents_per_second": None}
    text = page({"ingest": [own, {**other, "stages": {"split": 2.0}, "versions": {"markitdown": "0.1.8"}}]})
    part = text[text.index("How fast does Lorekeeper index") :]
    assert compared(part, "")[0][:4] == ["data set", "system", "files", "refused"]
    assert [line[:4] for line in compared(part, "")[1:]] == [
        ["wiki", "Lorekeeper", "10", "1"],
        ["wiki", "MarkItDown", "10", "4"],
    ]
    assert compared(text, "Seconds by stage:")[2] == ["wiki", "MarkItDown", "2.00", "–"]
    assert compared(text, "Versions of the systems compared:")[1:] == [["MarkItDown", "markitdown 0.1.8"]]
    assert text.count("Lorekeeper indexes") == text.count("Lorekeeper indexes 28.4 documents per second on wiki") > 0


def test_small_documents_are_told_by_their_tenths(whole: str) -> None:
    assert (
        "Of 500 small documents, one of the last tenth takes 5.20 ms of work in all stages, and one of the second 5.00 ms "
        "(the first one bears the start)."
    ) in whole
    assert compared(whole, "Milliseconds per document, by stage:") == [
        ["tenth", "reading", "embedding", "peak memory (MB)", "of the reader (MB)"],
        ["1/10", "9.00", "4.00", "300", "30"],
        ["2/10", "1.00", "4.00", "300", "30"],
        ["10/10", "1.20", "4.00", "300", "30"],
        ["all", "2.00", "4.00", "300", "30"],
    ]


def test_growth_answers_how_much_memory_a_large_index_needs(whole: str) -> None:
    assert (
        "With about 100,000 chunks in the index, Lorekeeper needs 1,312 MB of memory, and its median query takes 12.0 ms."
    ) in whole
    assert "goes from 4.00 ms to 12.0 ms, 3.0 times as long: less than in proportion." in whole
    assert (
        "of LangChain's defaults goes from 8.00 ms to 1,000 ms, 125 times as long: not less than in proportion."
        in whole
    )
    assert (
        "At about 1,000 chunks, the median query takes Lorekeeper 0.50 times as long as LangChain's defaults" in whole
    )
    assert compared(whole, "Memory of the process in MB, by the number of chunks")[1:] == [
        ["1,000", "**200**", "300"],
        ["100,000", "1,312", "**1,300**"],
    ]


def test_load_beside_an_import_says_so() -> None:
    row = {"dataset": "wiki", "questions_per_second": 50.0, "answered": 9, "failed": 0, "imported": 1200}
    told = page({"load": [row]})
    assert "At 50 questions per second, Lorekeeper answers all 9 while 1,200 documents are added." in told
    assert "documents added meanwhile" in told


def test_load_and_start_are_told(whole: str) -> None:
    assert (
        "At 50 questions per second, Lorekeeper answers all 1,500; beyond the model's own time, half of the answers take "
        "12.1 ms and 95 % at most 41.2 ms."
    ) in whole
    assert "answers 1,490 and fails on 10." in page(
        {"load": [{"dataset": "wiki", "questions_per_second": 50, "answered": 1490, "failed": 10}]}
    )
    assert "Lorekeeper's server is ready after 1.21 seconds and needs 210 MB of memory at rest and 260 MB" in whole
    assert "`lorekeeper ask` without a running server takes 1.90 seconds." in whole

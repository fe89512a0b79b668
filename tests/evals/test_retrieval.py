"""`lorekeeper eval` on a data set that fits on a page, through the whole product path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.types import Turn
from evals.datasets import EvalQuestion, read_dataset
from evals.retrieval import Queries

KEYS = [
    *("dataset", "documents", "chunks", "questions", "ndcg@10", "recall@5", "mrr@10", "hit@3"),
    *(
        "ingest_seconds",
        "documents_per_second",
        "query_ms_p50",
        "query_ms_p95",
        "rss_mb",
        "queries",
        "followups",
        "followups_ndcg@10",
    ),
]
CORPUS = [
    {"doc_id": "a", "title": "Leave", "text": "You accrue 13 days of annual leave per year.", "url": None, "meta": {}},
    {"doc_id": "b", "title": "Travel", "text": "Travel to conferences needs the approval of a manager."},
    {"doc_id": "c", "title": "", "text": "Laptops are replaced every four years."},
]
QUESTIONS = [
    {
        "qid": "1",
        "question": "How many days of annual leave?",
        "gold_doc_ids": ["a"],
        "answers": ["13"],
        "answerable": True,
    },
    {
        "qid": "2",
        "question": "Who approves it?",
        "history": [{"role": "user", "text": "May I travel to conferences?"}],
        "gold_doc_ids": ["b"],
    },
    {"qid": "3", "question": "When is my laptop replaced?", "gold_doc_ids": ["c"]},
    {"qid": "4", "question": "Who painted the office?", "gold_doc_ids": [], "answerable": False},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name, rows in (("corpus", CORPUS), ("questions", QUESTIONS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def evaluate(what: str, *arguments: Path | str, **environment: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "core.cli", "eval", what, *map(str, arguments), "--json"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, env=os.environ | environment
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_retrieval_prints_one_row_with_the_agreed_keys_for_each_data_set(folder: Path) -> None:
    first, second = evaluate("retrieval", folder, folder)
    assert list(first) == list(second) == KEYS
    assert (first["dataset"], first["documents"], first["questions"]) == ("tiny", 3, 3)
    assert first["ndcg@10"] == first["hit@3"] == 1.0


def test_follow_ups_can_be_asked_alone_or_as_people_rewrote_them() -> None:
    history = (Turn("user", "May I travel to conferences?"),)
    question = EvalQuestion("1", "Who approves it?", history, frozenset({"b"}), (), None, "Who approves travel?")
    assert Queries.ASKED.of(question) == question
    assert (Queries.ALONE.of(question).text, Queries.ALONE.of(question).history) == ("Who approves it?", ())
    assert (Queries.REWRITTEN.of(question).text, Queries.REWRITTEN.of(question).history) == ("Who approves travel?", ())
    assert Queries.REWRITTEN.of(replace(question, rewrite="")).text == "Who approves it?"


def test_a_rewriting_is_what_is_searched_for(folder: Path) -> None:
    asked = {
        "qid": "1",
        "question": "Days of annual leave?",
        "gold_doc_ids": ["b"],
        "history": [{"role": "user", "text": "Hello"}],
    }
    (folder / "questions.jsonl").write_text(json.dumps({**asked, "meta": {"rewrite": "Who approves travel?"}}) + "\n")
    alone, rewritten = evaluate("retrieval", folder, "--queries", "alone,rewritten")
    assert (alone["mrr@10"], rewritten["mrr@10"]) == (0.5, 1.0)
    assert (alone["queries"], rewritten["queries"]) == ("alone", "rewritten")
    assert (alone["followups"], rewritten["followups_ndcg@10"]) == (1, 1.0)


def test_calibrate_reports_what_is_refused_and_stores_what_was_fitted(folder: Path, tmp_path: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "corpus.jsonl").write_text(
        json.dumps({"doc_id": "x", "text": "Bread is baked with yeast and flour."}) + "\n"
    )
    (other / "questions.jsonl").write_text(
        json.dumps({"qid": "x", "question": "How is bread baked?", "gold_doc_ids": ["x"]}) + "\n"
    )
    data = str(tmp_path / "own")
    *rows, fitted = evaluate("calibrate", folder, other, "--store", LOREKEEPER_DATA_DIR=data)
    assert [(row["weights"], row["dataset"]) for row in rows] == [
        ("built-in", "tiny"),
        ("built-in", "other"),
        ("fitted", "tiny"),
        ("fitted", "other"),
    ]
    assert (rows[0]["answerable"], rows[0]["unanswerable"], rows[0]["off_topic"]) == (3, 1, 1)
    # Without its history, the follow-up asks nothing.
    assert rows[0]["answerable_refused"] == 0.333
    assert rows[0]["off_topic_refused"] == 1.0
    assert set(fitted) == {"bias", "weights", "fitted_on"}
    command = [sys.executable, "-m", "core.cli", "doctor"]
    doctor = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, env=os.environ | {"LOREKEEPER_DATA_DIR": data}
    )
    assert "fitted on tiny, other" in doctor.stdout


def test_answers_prints_one_row_with_the_agreed_keys(folder: Path) -> None:
    (row,) = evaluate("answers", folder)
    assert set(row) == {
        *("dataset", "generator", "questions", "answered", "abstained", "answer_precision", "abstention_precision"),
        *("abstention_recall", "citation_precision", "citation_recall", "token_f1", "latency_ms_p50", "latency_ms_p95"),
    }
    assert (row["questions"], row["generator"], row["citation_precision"]) == (4, "extractive", 1.0)


def test_each_idea_is_left_out_in_turn(folder: Path) -> None:
    rows = evaluate("ablation", folder)
    assert rows[0]["variant"] == "as shipped"
    assert {row["variant"] for row in rows} > {"meaning only", "words only", "without vectors of headings"}
    assert all(row["tiny"] == row["mean"] for row in rows)


def test_a_run_is_recorded_and_made_a_page(folder: Path, tmp_path: Path) -> None:
    evaluate("retrieval", folder, "--save", tmp_path / "results")
    (recorded,) = (tmp_path / "results").iterdir()
    assert json.loads(recorded.read_text())["command"].startswith("lorekeeper eval retrieval")
    page = tmp_path / "docs" / "benchmarks.md"
    command = [sys.executable, "-m", "core.cli", "eval", "report"]
    subprocess.run([*command, "--results", tmp_path / "results", "--page", page], check=True, timeout=60)
    assert "tiny" in page.read_text()


def test_a_public_data_set_that_is_not_there_is_named_with_its_source(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"squad2_a can be had from rajpurkar\.github\.io.*corpus\.jsonl"):
        read_dataset(tmp_path / "squad2_a")


def test_serving_measures_whole_processes(folder: Path) -> None:
    [row] = evaluate("serving", folder)
    assert row["chunks"] == 3
    assert row["heavy_modules_imported"] == []
    assert 0 < float(str(row["cold_ask_seconds_p50"])) <= float(str(row["cold_ask_seconds_max"]))
    assert float(str(row["server_rss_mb"])) > 0


def test_no_evaluation_touches_the_configured_database(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.db"
    evaluate("retrieval", folder, LOREKEEPER_DATABASE__URL=f"sqlite:///{real}")
    assert not real.exists()


@pytest.mark.parametrize(
    ("corpus", "complaint"),
    [
        ("{", "line 1, is not a JSON"),
        ('{"doc_id": "a"}', "line 1, lacks text"),
        ("[]", "line 1"),
        (None, "cannot be read"),
    ],
)
def test_a_data_set_that_is_none_is_told_with_its_line(tmp_path: Path, corpus: str | None, complaint: str) -> None:
    if corpus is not None:
        (tmp_path / "corpus.jsonl").write_text(corpus)
    with pytest.raises(InvalidRequest, match=complaint):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        ({"question": "When?"}, "lacks qid"),
        ({"qid": "1"}, "lacks question"),
        ({"qid": "1", "question": 7}, "has a question that is no text"),
        ({"qid": ["1"], "question": "When?"}, "has a qid that is neither a text nor a number"),
        ({"qid": "1", "question": "When?", "gold_doc_ids": "a"}, "has gold_doc_ids that are no list"),
        ({"qid": "1", "question": "When?", "answers": "13"}, "has answers that are no list"),
        ({"qid": "1", "question": "When?", "answers": [None]}, "has answers that are no texts"),
        ({"qid": "1", "question": "When?", "answerable": "no"}, "has an answerable that is neither"),
        ({"qid": "1", "question": "When?", "history": [{"role": "user", "content": "Hi"}]}, "lacks text"),
        ({"qid": "1", "question": "When?", "history": ["Hi"]}, "lacks role"),
        ({"qid": "1", "question": "When?", "history": [{"role": "bot", "text": "Hi"}]}, "neither user nor assistant"),
    ],
)
def test_a_question_that_is_none_is_told_with_its_line(
    folder: Path, question: dict[str, object], complaint: str
) -> None:
    (folder / "questions.jsonl").write_text(json.dumps(question))
    with pytest.raises(InvalidRequest, match=f"questions.jsonl, line 1, .*{complaint}"):
        read_dataset(folder)


def test_whoever_answered_before_was_the_assistant(folder: Path) -> None:
    history = [{"role": role, "text": "Hi"} for role in ("user", "agent", "assistant")]
    (folder / "questions.jsonl").write_text(json.dumps({"qid": 1, "question": "When?", "history": history}))
    (question,) = read_dataset(folder).questions
    assert [turn.role for turn in question.history] == ["user", "assistant", "assistant"]


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not a folder"):
        read_dataset(tmp_path / "none")

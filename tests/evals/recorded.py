"""Invented runs, and what their benchmark page is taken apart with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from evals.record import Run
from evals.report import render

MACHINE = {
    "processor": "AMD EPYC",
    "cores": 2,
    "memory_gb": 25.3,
    "system": "Debian GNU/Linux 12",
    "python": "3.11.7",
    "gpu": False,
}
Rows = list[dict[str, Any]]
ROWS: dict[str, Rows] = {
    "peers": [
        {
            "dataset": dataset,
            "system": system,
            "runs": 3,
            "ndcg@10": quality,
            "recall@5": quality,
            "documents_per_second": speed,
            "documents_per_second_min": speed - 1,
            "documents_per_second_max": speed + 1,
            "embedding_share": 0.8,
            "query_ms_p50": 240 / speed,
            "rss_mb": 500.0,
            "versions": {"chromadb": "1.5.9"},
        }
        for dataset, system, quality, speed in (
            ("wiki", "langchain", 0.7, 10.0),
            ("wiki", "lorekeeper", 0.8, 30.0),
            ("help", "langchain", 0.9, 20.0),
            ("help", "lorekeeper", 0.88, 40.0),
        )
    ],
    "retrieval": [
        {"dataset": "wiki", "documents": 9, "chunks": 1203, "questions": 160, "ndcg@10": 0.9, "hit@3": 0.95}
        | {"query_ms_p50": 8.123, "query_ms_p95": 12.5}
    ],
    "ablation": [
        {"variant": "as shipped", "wiki": 0.9, "help": 0.8, "mean": 0.85},
        {"variant": "without stemming", "wiki": 0.88, "help": 0.8},
        {"variant": "cross-encoder", "wiki": 0.94, "help": 0.8, "mean": 0.87},
        {"variant": "no change", "wiki": 0.9, "help": 0.8, "mean": 0.85},
    ],
    "answers": [
        {"dataset": "wiki", "generator": "extractive", "questions": 246, "answered": 180, "citation_precision": 0.97}
    ],
    "calibration": [
        {"weights": "built-in", "dataset": "wiki", "answerable": 100, "answerable_refused": 0.021, "unanswerable": 90}
        | {"unanswerable_refused": 0.6, "off_topic": 0, "off_topic_refused": None}
        | {"curve": [[0.2, 0.9, 0.3], [0.5, 0.82, 0.6], [0.7, 0.86, 0.65], [0.9, 0.5, 0.9]]},
        {"weights": "fitted", "dataset": "only fitted", "curve": [[0.5, 0.9, 0.5]]},
    ],
    "ingest": [
        {"dataset": "wiki", "documents": 9, "chunks": 1203, "documents_per_second": 28.44, "embedding_share": 0.84}
        | {"stages": {"split": 0.3, "embed": 5.1}}
    ],
    "small": [
        {
            "part": part,
            "dataset": "small 500",
            "documents": 500,
            "stages_ms": {"reading": spent, "embedding": 4.0},
        }
        | {"peak_rss_mb": 300.4, "reader_peak_mb": 30.0}
        for part, spent in (("1/10", 9.0), ("2/10", 1.0), ("10/10", 1.2), ("all", 2.0))
    ],
    "growth": [
        {"system": system, "chunks": chunks, "query_ms_p50": milliseconds, "rss_mb": memory}
        for system, chunks, milliseconds, memory in (
            ("lorekeeper", 1000, 4.0, 200.0),
            ("lorekeeper", 100_012, 12.0, 1312.4),
            ("langchain", 999, 8.0, 300.0),
            ("langchain", 100_000, 1000.0, 1300.0),
        )
    ],
    "load": [
        {"dataset": "wiki", "questions_per_second": 50.0, "distinct_questions": 1250, "answered": 1500, "failed": 0}
        | {"overhead_ms_p50": 12.1, "overhead_ms_p95": 41.2}
    ],
    "serving": [
        {"dataset": "wiki", "chunks": 1203, "server_start_seconds": 1.21, "server_rss_mb_at_rest": 210.4}
        | {"server_rss_mb": 260, "cold_ask_seconds_p50": 1.9}
    ],
    "model-serving": [
        {"dataset": "wiki", "model": "slm_1", "people": 32, "questions": 128, "runs": 3, "throughput_ratio": 0.981}
        | {"first_token_added_ms_p50": 11.26, "follow_ups_prefix_cache_hit_rate": 0.91}
        | {f"{side}_failed": 0 for side in ("direct", "lorekeeper")}
        | {"direct_tokens_per_second": 1000.0, "lorekeeper_tokens_per_second": 981.0}
        | {"direct_first_token_ms_p50": 90.04, "lorekeeper_first_token_ms_p50": 101.3}
        | {"direct_prefix_cache_hit_rate": 0.75, "lorekeeper_prefix_cache_hit_rate": 0.744}
    ],
    "tuning": [
        {"model": "slm_1", "parameters": 134_515_008, "method": "lora", "examples": 64, "tokens": 20_480, "runs": 3}
        | {"tokens_per_second": 812.3, "trl_tokens_per_second": 801.9, "ratio": 1.013, "loss": 1.25, "trl_loss": 1.25}
    ],
}


def run(name: str, rows: Rows, **changed: Any) -> Run:
    fields = {"command": f"lorekeeper eval {name} data", "date": "2026-11-21", "machine": MACHINE}
    return Run(**{"name": name, "versions": {"lorekeeper": "0.1.0", "numpy": "2.4"}, "rows": rows, **fields, **changed})


def page(rows: Mapping[str, Rows], notes: Mapping[str, str] | None = None) -> str:
    return render({name: run(name, each) for name, each in rows.items()}, notes or {}, {})


def under(markdown: str, heading: str) -> str:
    """What stands between a heading and the next."""
    _, _, rest = markdown.partition(f"# {heading}\n")
    return rest.partition("\n#")[0].strip()


def tokens(markdown: str) -> list[Token]:
    return MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)


def tables(markdown: str) -> list[list[list[str]]]:
    """Every table as its lines of cells, each the Markdown of its text."""
    found: list[list[list[str]]] = []
    for token in tokens(markdown):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level > 3:
            found[-1][-1].append(token.content)
    return found


def compared(markdown: str, title: str) -> list[list[str]]:
    return tables(markdown[markdown.index(title) :])[0]

"""From rows of figures to text: names, numbers and Markdown tables. Pure; any text in a value stays text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

Row = Mapping[str, Any]
Rows = Sequence[Row]
NONE = "–"
Shown = Callable[[float | None], str]
NAMES = {
    "lorekeeper": "Lorekeeper",
    "langchain": "LangChain's defaults",
    "langchain-default": "LangChain's defaults",
    "langchain-defaults": "LangChain's defaults",
    "langchain-ensemble": "LangChain's EnsembleRetriever",
    "llamaindex": "LlamaIndex's defaults",
    "markitdown": "MarkItDown",
    "llamaindex-default": "LlamaIndex's defaults",
    "llamaindex-defaults": "LlamaIndex's defaults",
    "haystack": "Haystack's hybrid example",
    "haystack-hybrid": "Haystack's hybrid example",
}
# What Markdown reads as markup; an underscore within a word is none. $ begins a formula on GitHub.
MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def text(value: object) -> str:
    """The value on one line, with nothing left that Markdown or HTML would read."""
    return MARKUP.sub(lambda found: f"\\{found[0]}", plain(value))


def plain(value: object) -> str:
    """The value on one line, without control characters."""
    printable = "".join(each if each.isprintable() else " " for each in str(value))
    return " ".join(printable.split())


def system_name(value: object) -> str:
    """What a system is called in text and pictures."""
    return NAMES.get(re.sub(r"[\s_-]+", "-", plain(value).casefold()), plain(value))


def is_ours(system: object) -> bool:
    return plain(system).casefold().startswith("lorekeeper")


def number(row: Row, key: str) -> float | None:
    """The finite number under the key, if there is one."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def have(row: Row, *keys: str) -> bool:
    return all(number(row, key) is not None for key in keys)


def score(value: float | None) -> str:
    """A measure between 0 and 1."""
    return NONE if value is None else f"{value:.3f}"


def amount(value: float | None) -> str:
    """Three digits that count: 1,235 and 12.3 and 1.23."""
    if value is None:
        return NONE
    size = abs(value)
    return f"{value:,.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"  # noqa: PLR2004


def count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Of a share between 0 and 1."""
    return NONE if value is None else f"{100 * value:.1f}".removesuffix(".0") + " %"


def rounded(value: float) -> float:
    """To two digits."""
    return float(f"{value:.1e}")


def times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2f}"  # noqa: PLR2004


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def keys(rows: Rows, name: str) -> list[Any]:
    """The different values under a key, in the order in which they first come."""
    return list(dict.fromkeys(row[name] for row in rows if row.get(name) is not None))


def systems(rows: Rows) -> list[Any]:
    """The systems compared, Lorekeeper first."""
    return sorted(keys(rows, "system"), key=lambda system: not is_ours(system))


def find(rows: Rows, **wanted: object) -> Row:
    """The last row with these values; an empty one if there is none."""
    matching = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    return matching[-1] if matching else {}


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table of cells that are Markdown already; the first `left` columns are names, the others numbers."""
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    return "\n".join([_line(header), f"|{'|'.join(rule)}|", *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# Key → what it is called, and how its values are written.
COLUMNS: dict[str, tuple[str, Shown]] = {
    "files": ("files", count),
    "refused": ("refused", count),
    "skipped": ("skipped", count),
    "documents": ("documents", count),
    "pages": ("pages", count),
    "chunks": ("chunks", count),
    "questions": ("questions", count),
    "distinct_questions": ("different questions", count),
    "ndcg@10": ("nDCG@10", score),
    "recall@5": ("recall@5", score),
    "mrr@10": ("MRR@10", score),
    "hit@3": ("hit@3", score),
    "followups": ("follow-ups", count),
    "followups_ndcg@10": ("nDCG@10 of these", score),
    "seconds": ("seconds", amount),
    "documents_per_second": ("documents/s", amount),
    "pages_per_second": ("pages/s", amount),
    "read_per_second": ("read/s", amount),
    "chunks_per_second": ("chunks/s", amount),
    "tokens_per_second": ("tokens/s", count),
    "embedding_share": ("embedding", percent),
    "peak_rss_mb": ("peak memory (MB)", count),
    "reader_peak_mb": ("of the reader (MB)", count),
    "query_ms_p50": ("query, median (ms)", amount),
    "query_ms_p95": ("query, 95 % (ms)", amount),
    "index_seconds": ("indexing (s)", amount),
    "answer_ms_p50": ("answer, median (ms)", amount),
    "answer_ms_p95": ("answer, 95 % (ms)", amount),
    "disk_mb": ("on disk (MB)", count),
    "rss_mb": ("memory (MB)", count),
    "imported": ("documents added meanwhile", count),
    "answered": ("answered", count),
    "abstained": ("abstained", count),
    "answer_precision": ("answer precision", score),
    "abstention_precision": ("abstention precision", score),
    "abstention_recall": ("abstention recall", score),
    "citation_precision": ("citation precision", score),
    "citation_recall": ("citation recall", score),
    "token_f1": ("token F1", score),
    "latency_ms_p50": ("median (ms)", amount),
    "latency_ms_p95": ("95 % (ms)", amount),
    "answerable": ("answerable", count),
    "answerable_refused": ("of them refused", percent),
    "unanswerable": ("unanswerable", count),
    "unanswerable_refused": ("of them refused", percent),
    "off_topic": ("off topic", count),
    "off_topic_refused": ("of them refused", percent),
    "questions_per_second": ("questions/s", amount),
    "failed": ("failed", count),
    "generator_ms": ("model (ms)", amount),
    "overhead_ms_p50": ("overhead, median (ms)", amount),
    "overhead_ms_p95": ("overhead, 95 % (ms)", amount),
    "overhead_ms_p99": ("overhead, 99 % (ms)", amount),
    "cpu_ms_per_question": ("CPU per question (ms)", amount),
    "cold_ask_seconds_p50": ("cold ask, median (s)", amount),
    "cold_ask_seconds_max": ("cold ask, most (s)", amount),
    "server_start_seconds": ("server start (s)", amount),
    "server_rss_mb_at_rest": ("memory at rest (MB)", count),
    "server_rss_mb": ("memory after the questions (MB)", count),
    "server_ask_ms_p50": ("answer, median (ms)", amount),
    "server_ask_ms_p95": ("answer, 95 % (ms)", amount),
    "examples": ("examples", count),
    "tokens": ("tokens", count),
    "batch": ("batch", count),
    "micro_batch": ("of it at once", count),
    "runs": ("runs", count),
    "trl_tokens_per_second": ("TRL's tokens/s", count),
    "ratio": ("ratio", score),
    "processor_ratio": ("ratio by processor time", score),
    "loss": ("loss", score),
    "trl_loss": ("TRL's loss", score),
}


def columns(rows: Rows, shown: str, names: Sequence[str] = ("dataset",)) -> str:
    """A table with one line for each row: its names, then the keys `shown`, less those without a single value."""
    found = [key for key in shown.split() if any(have(row, key) for row in rows)]
    titles = ["data set" if name == "dataset" else name for name in names]
    lines = [
        [
            *(text(_told(name, row.get(name, ""))) for name in names),
            *(COLUMNS[key][1](number(row, key)) for key in found),
        ]
        for row in rows
    ]
    return table([*titles, *(COLUMNS[key][0] for key in found)], lines, left=len(names))


def _told(name: str, value: object) -> object:
    return system_name(value) if name == "system" else value


def compared(
    rows: Rows,
    by: str,
    key: str,
    shown: Shown,
    *,
    best: Callable[[Sequence[float]], float] | None = max,
    spread: bool = False,
    average: bool = False,
) -> str:
    """One line for each value of `by`, one column for each system, the best of each line in bold.

    `spread` adds the least and the most of the runs, from the keys KEY_min and KEY_max; `average` adds a line over what
    every system has. Empty where no row has the key.
    """
    if not any(have(row, key) for row in rows):
        return ""
    across = systems(rows)
    lines = keys(rows, by)
    found = {line: [find(rows, **{by: line, "system": system}) for system in across] for line in lines}
    cells = []
    for line in lines:
        values = [number(row, key) for row in found[line]]
        ranges = [_spread(row, key, shown) if spread else "" for row in found[line]]
        cells.append([named(line), *_bold(values, shown, best, ranges)])
    complete = [line for line in lines if all(have(row, key) for row in found[line])]
    if average and len(complete) > 1:
        means = [fmean(number(found[line][column], key) or 0.0 for line in complete) for column in range(len(across))]
        label = (
            "average" if len(complete) == len(lines) else f"average over {listed([named(line) for line in complete])}"
        )
        cells.append([label, *_bold(means, shown, best, [""] * len(means))])
    return table([by.replace("dataset", "data set"), *(text(system_name(system)) for system in across)], cells)


def _bold(
    values: Sequence[float | None],
    shown: Shown,
    best: Callable[[Sequence[float]], float] | None,
    after: Sequence[str],
) -> list[str]:
    """Those that look like the best one are in bold; where all are alike, none is."""
    known = [value for value in values if value is not None]
    differ = len({shown(value) for value in known}) > 1
    winner = shown(best(known)) if best and differ else None
    cells = [f"**{shown(value)}**" if shown(value) == winner else shown(value) for value in values]
    return [cell + more for cell, more in zip(cells, after, strict=True)]


def _spread(row: Row, key: str, shown: Shown) -> str:
    if not have(row, key, f"{key}_min", f"{key}_max"):
        return ""
    return f" ({shown(number(row, f'{key}_min'))}–{shown(number(row, f'{key}_max'))})"


def named(value: object) -> str:
    return count(float(value)) if isinstance(value, int | float) else text(value)

"""What each part of the benchmark page says about its rows: first in sentences, then in tables. Pure.

Every statement is computed, whichever way it comes out. A sentence stands alone, because people find it by searching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.plots import curve, in_use, working_point
from evals.tables import (
    Row,
    Rows,
    amount,
    columns,
    compared,
    count,
    have,
    is_ours,
    keys,
    listed,
    named,
    number,
    percent,
    rounded,
    score,
    system_name,
    systems,
    table,
    text,
    times,
)
from evals.versus import change_of, difference, indexing, measured_for_both, memory, quality, querying, rivals

RECALL = 0.6
OURS = "lorekeeper"


@dataclass(frozen=True, slots=True)
class Part:
    """Sentences first, then blocks of Markdown."""

    reading: Sequence[str]
    blocks: Sequence[str]


def peers(rows: Rows) -> Part:
    """Lorekeeper beside what people would use instead."""
    reading = [
        sentence
        for state in (quality, indexing, querying, memory)
        for ours, other in rivals(rows)
        for sentence in state(rows, ours, other)
    ]
    runs = listed([count(each) for each in sorted({number(row, "runs") or 1.0 for row in rows})])
    spread = f"the median of the runs ({runs} for each data set; least to most)"
    blocks = [
        *_titled("nDCG@10 (1 is best):", compared(rows, "dataset", "ndcg@10", score, average=True)),
        *_titled(
            "Recall@5, the share of the right documents that are among the first five (1 is best):",
            compared(rows, "dataset", "recall@5", score, average=True),
        ),
        *_titled(
            f"Documents indexed per second, {spread}:",
            compared(rows, "dataset", "documents_per_second", amount, spread=True),
        ),
        *_titled(
            "Share of the indexing time that the embedding model takes:",
            compared(rows, "dataset", "embedding_share", percent, best=None),
        ),
        *_titled(
            f"Median time of a query in milliseconds, {spread}:",
            compared(rows, "dataset", "query_ms_p50", amount, best=min, spread=True),
        ),
        *_titled(
            "Time within which 95 % of the queries are done, in milliseconds:",
            compared(rows, "dataset", "query_ms_p95", amount, best=min),
        ),
        *_titled("Memory of the process in MB:", compared(rows, "dataset", "rss_mb", count, best=min)),
        *_packages(rows),
    ]
    return Part(reading, blocks)


ASKED = "asked"


def retrieval(rows: Rows) -> Part:
    reading = [
        f"On {text(row['dataset'])}, a right document is among Lorekeeper's first three for "
        f"{percent(number(row, 'hit@3'))} of {count(number(row, 'questions'))} questions, "
        f"and nDCG@10 is {score(number(row, 'ndcg@10'))}."
        for row in _with(rows, "hit@3", "questions", "ndcg@10")
        if row.get("queries", ASKED) == ASKED
    ]
    names = ("dataset", "queries") if any(row.get("queries", ASKED) != ASKED for row in rows) else ("dataset",)
    return Part(
        reading,
        [columns(rows, "documents chunks questions ndcg@10 recall@5 mrr@10 hit@3 followups followups_ndcg@10", names)],
    )


def ablation(rows: Rows) -> Part:
    """The first row is what the others are compared with."""
    measured = [key for row in rows for key in row if key not in {"variant", "mean"} and have(row, key)]
    datasets = list(dict.fromkeys(measured))
    means = [_mean(row, datasets) for row in rows]
    base, base_mean = (text(rows[0].get("variant", "")), means[0]) if rows else ("", None)
    best = {key: max((score(number(row, key)) for row in rows if have(row, key)), default="") for key in datasets}
    best_mean = max((score(mean) for mean in means if mean is not None), default="")
    reading, lines = [], []
    for row, mean in zip(rows, means, strict=True):
        name = text(row.get("variant", ""))
        change = None if mean is None or base_mean is None else change_of(mean, base_mean)
        cells = [_marked(score(number(row, key)), best[key]) for key in datasets]
        lines.append([name, *cells, _marked(score(mean), best_mean), "" if row is rows[0] else _signed(change)])
        if row is not rows[0] and mean is not None and base_mean is not None:
            reading.append(f"With “{name}”, mean nDCG@10 is {difference(mean, base_mean)} that of “{base}”.")
    header = ["variant", *map(text, datasets), "mean", "change"]
    return Part(
        reading, [f"nDCG@10, and the change of its mean against “{base}”:", table(header, lines)] if rows else []
    )


def answers(rows: Rows) -> Part:
    reading = []
    for row in _with(rows, "questions", "answered"):
        asked, given = number(row, "questions") or 0.0, number(row, "answered") or 0.0
        details = [
            f"{name} is {score(number(row, key))}"
            for key, name in (("answer_precision", "answer precision"), ("citation_precision", "citation precision"))
            if have(row, key)
        ]
        generator = f" with the {text(row['generator'])} generator" if row.get("generator") else ""
        reading.append(
            f"On {text(row['dataset'])}, Lorekeeper{generator} answers {count(given)} of {count(asked)} questions "
            f"({percent(given / asked if asked else 0.0)})" + (f": {listed(details)}." if details else ".")
        )
    keys_shown = (
        "questions answered abstained answer_precision abstention_precision abstention_recall citation_precision "
        "citation_recall token_f1 latency_ms_p50 latency_ms_p95"
    )
    return Part(reading, [columns(rows, keys_shown, ("dataset", "generator"))])


def abstaining(rows: Rows) -> Part:
    reading = [sentence for row in in_use(rows) for sentence in _abstains(row)]
    names = ("weights", "dataset") if keys(rows, "weights") else ("dataset",)
    shown = "answerable answerable_refused unanswerable unanswerable_refused off_topic off_topic_refused"
    return Part(reading, [columns(rows, shown, names)])


def ingest(rows: Rows) -> Part:
    reading = []
    for row in _with(rows, "documents_per_second"):
        if not is_ours(row.get("system", OURS)):
            continue
        share = number(row, "embedding_share")
        spent = f", and {percent(share)} of the time is spent in the embedding model" if share is not None else ""
        size = f" ({count(number(row, 'documents'))} documents, {count(number(row, 'chunks'))} chunks)"
        reading.append(
            f"Lorekeeper indexes {amount(number(row, 'documents_per_second'))} documents per second "
            f"on {text(row['dataset'])}{size if have(row, 'documents', 'chunks') else ''}{spent}."
        )
    names = ("dataset", "system") if len(systems(rows)) > 1 else ("dataset",)
    shown = (
        "files refused skipped documents pages chunks seconds documents_per_second pages_per_second chunks_per_second "
        "tokens_per_second read_per_second embedding_share peak_rss_mb reader_peak_mb"
    )
    blocks = [columns(rows, shown, names)]
    staged = [row for row in rows if isinstance(row.get("stages"), dict) and row["stages"]]
    if stages := list(dict.fromkeys(stage for row in staged for stage in row["stages"])):
        header = ["data set", "system"][: len(names)]
        lines = [
            [
                *(text(system_name(row.get(name, "")) if name == "system" else row.get(name, "")) for name in names),
                *(amount(number(row["stages"], stage)) for stage in stages),
            ]
            for row in staged
        ]
        blocks += ["Seconds by stage:", table([*header, *map(text, stages)], lines, left=len(names))]
    return Part(reading, [*blocks, *_packages(rows)])


def small(rows: Rows) -> Part:
    """Tenths of many small documents."""
    tenths = [row for row in rows if isinstance(row.get("stages_ms"), dict)]
    measured = [row for row in tenths if row.get("part") != "all"]
    reading = []
    if len(measured) > 1:
        first, last = measured[1], measured[-1]
        work = [sum(number(row["stages_ms"], stage) or 0.0 for stage in row["stages_ms"]) for row in (first, last)]
        reading.append(
            f"Of {count(number(last, 'documents'))} small documents, one of the last tenth takes {amount(work[1])} ms of work in all stages, "
            f"and one of the second {amount(work[0])} ms (the first one bears the start)."
        )
    stages = list(dict.fromkeys(stage for row in tenths for stage in row["stages_ms"]))
    lines = [
        [
            text(row.get("part", "")),
            *(amount(number(row["stages_ms"], stage)) for stage in stages),
            *(count(number(row, key)) for key in ("peak_rss_mb", "reader_peak_mb")),
        ]
        for row in tenths
    ]
    header = ["tenth", *map(text, stages), "peak memory (MB)", "of the reader (MB)"]
    return Part(reading, ["Milliseconds per document, by stage:", table(header, lines)] if lines else [])


def queries(rows: Rows) -> Part:
    reading = [
        f"On {text(row['dataset'])} ({count(number(row, 'chunks'))} chunks), Lorekeeper finds the passages for half of "
        f"the questions within {amount(number(row, 'query_ms_p50'))} ms and for 95 % within "
        f"{amount(number(row, 'query_ms_p95'))} ms."
        for row in _with(rows, "chunks", "query_ms_p50", "query_ms_p95")
    ]
    return Part(reading, [columns(rows, "documents chunks query_ms_p50 query_ms_p95 rss_mb")])


def growth(rows: Rows) -> Part:
    measured = sorted(_with(rows, "chunks"), key=lambda row: number(row, "chunks") or 0.0)
    reading = [
        f"With {_size(row)} chunks in the index, Lorekeeper needs {count(number(row, 'rss_mb'))} MB of memory, "
        f"and its median query takes {amount(number(row, 'query_ms_p50'))} ms."
        for row in reversed(_with(measured, "rss_mb", "query_ms_p50"))
        if is_ours(row.get("system"))
    ]
    for system in systems(measured):
        reading += _grows([row for row in _with(measured, "query_ms_p50") if row.get("system") == system])
    # No splitter makes exactly as many chunks as another.
    alike = [{**row, "chunks": rounded(number(row, "chunks") or 0.0)} for row in measured]
    for ours, other in rivals(alike):
        reading += [
            f"At about {named(size)} chunks, the median query takes Lorekeeper {times(mine / theirs)} times as long as "
            f"{text(system_name(other))}: {amount(mine)} ms against {amount(theirs)} ms."
            for size, mine, theirs in measured_for_both(alike, "chunks", "query_ms_p50", ours, other)
            if theirs
        ]
    shown = "chunks index_seconds query_ms_p50 query_ms_p95 answer_ms_p50 answer_ms_p95 rss_mb disk_mb"
    blocks = [columns(sorted(measured, key=lambda row: not is_ours(row.get("system"))), shown, ("system",))]
    if rivals(alike):
        blocks += [
            *_titled(
                "Median time of a query in milliseconds, by the number of chunks, rounded:",
                compared(alike, "chunks", "query_ms_p50", amount, best=min),
            ),
            *_titled(
                "Memory of the process in MB, by the number of chunks, rounded:",
                compared(alike, "chunks", "rss_mb", count, best=min),
            ),
        ]
    return Part(reading, blocks)


def load(rows: Rows) -> Part:
    reading = []
    for row in _with(rows, "questions_per_second", "answered", "failed"):
        failed, answered = number(row, "failed") or 0.0, count(number(row, "answered"))
        outcome = f"answers all {answered}" if not failed else f"answers {answered} and fails on {count(failed)}"
        over = (
            f"; beyond the model's own time, half of the answers take {amount(number(row, 'overhead_ms_p50'))} ms and "
            f"95 % at most {amount(number(row, 'overhead_ms_p95'))} ms"
        )
        meanwhile = f" while {count(number(row, 'imported'))} documents are added" if have(row, "imported") else ""
        reading.append(
            f"At {number(row, 'questions_per_second'):g} questions per second, Lorekeeper {outcome}{meanwhile}"
            f"{over if have(row, 'overhead_ms_p50', 'overhead_ms_p95') else ''}."
        )
    shown = (
        "questions_per_second distinct_questions seconds answered failed generator_ms "
        "overhead_ms_p50 overhead_ms_p95 overhead_ms_p99 cpu_ms_per_question rss_mb imported"
    )
    return Part(reading, [columns(rows, shown)])


def serving(rows: Rows) -> Part:
    reading = []
    for row in rows:
        where = f"With {text(row.get('dataset', ''))} indexed ({count(number(row, 'chunks'))} chunks)"
        if have(row, "server_start_seconds", "server_rss_mb_at_rest", "server_rss_mb"):
            reading.append(
                f"{where}, Lorekeeper's server is ready after {amount(number(row, 'server_start_seconds'))} seconds and "
                f"needs {count(number(row, 'server_rss_mb_at_rest'))} MB of memory at rest and "
                f"{count(number(row, 'server_rss_mb'))} MB after the questions."
            )
        if have(row, "cold_ask_seconds_p50"):
            reading.append(
                f"{where}, `lorekeeper ask` without a running server takes "
                f"{amount(number(row, 'cold_ask_seconds_p50'))} seconds."
            )
    shown = (
        "chunks server_start_seconds server_rss_mb_at_rest server_rss_mb server_ask_ms_p50 server_ask_ms_p95 "
        "cold_ask_seconds_p50 cold_ask_seconds_max"
    )
    return Part(reading, [columns(rows, shown)])


def _packages(rows: Rows) -> list[str]:
    """What each system was made of."""
    named_versions = {
        row["system"]: row["versions"] for row in rows if isinstance(row.get("versions"), dict) and row["versions"]
    }
    lines = [
        [text(system_name(system)), listed([f"{text(package)} {text(version)}" for package, version in found.items()])]
        for system, found in named_versions.items()
    ]
    return _titled("Versions of the systems compared:", table(["system", "packages"], lines, left=2) if lines else "")


def _grows(rows: Rows) -> list[str]:
    """From the smallest to the largest corpus of one system."""
    if len(rows) < 2:  # noqa: PLR2004
        return []
    small, large = rows[0], rows[-1]
    size = (number(large, "chunks") or 0.0) / (number(small, "chunks") or 1.0)
    before, after = number(small, "query_ms_p50") or 0.0, number(large, "query_ms_p50") or 0.0
    if size <= 1 or not before:
        return []
    how = "less than in proportion" if after / before < size else "not less than in proportion"
    change = (
        f"From {_size(small)} to {_size(large)} chunks, {times(size)} times as many, "
        f"the median query of {text(system_name(small['system']))} goes from {amount(before)} ms to {amount(after)} ms, "
        f"{times(after / before)} times as long: {how}."
    )
    return [change]


def _size(row: Row) -> str:
    chunks = number(row, "chunks") or 0.0
    return count(chunks) if chunks == rounded(chunks) else f"about {count(rounded(chunks))}"


def _abstains(row: Row) -> list[str]:
    name = text(row.get("dataset", ""))
    kinds = {
        "answerable": "of the answerable questions",
        "unanswerable": "of the unanswerable ones",
        "off_topic": "of those about something else",
    }
    shares = [
        f"{percent(number(row, f'{kind}_refused'))} {of}" for kind, of in kinds.items() if have(row, f"{kind}_refused")
    ]
    sentences = [f"On {name}, Lorekeeper does not answer {listed(shares)}."] if shares else []
    if not (points := curve(row)):
        return sentences
    if reached := [precision for _, precision, recall in points if recall >= RECALL]:
        sentences.append(
            f"On {name}, not answering at least {percent(RECALL)} of the unanswerable questions is possible "
            f"with a precision of {max(reached):.2f} at best."
        )
    else:
        sentences.append(f"On {name}, no threshold refuses {percent(RECALL)} of the unanswerable questions.")
    if point := working_point(row):
        sentences.append(
            f"On {name}, {percent(round(point[1], 3))} of the questions that Lorekeeper does not answer are unanswerable indeed "
            f"(precision), and it leaves {percent(round(point[2], 3))} of the unanswerable ones without an answer (recall)."
        )
    return sentences


def _signed(change: float | None) -> str:
    return f"{change:+.3f}".replace("-", "−") if change else score(change)


def _mean(row: Row, datasets: Sequence[str]) -> float | None:
    values = [value for key in datasets if (value := number(row, key)) is not None]
    return number(row, "mean") if have(row, "mean") else fmean(values) if values else None


def _marked(cell: str, best: str) -> str:
    return f"**{cell}**" if cell == best else cell


def _with(rows: Rows, *needed: str) -> list[Row]:
    return [row for row in rows if have(row, *needed)]


def _titled(title: str, block: str) -> list[str]:
    return [title, block] if block else []

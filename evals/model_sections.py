"""What the benchmark page says about the language model: what Lorekeeper costs before a vLLM, and how fast it trains. Pure."""

from __future__ import annotations

from evals.sections import Part
from evals.tables import Row, Rows, amount, columns, count, have, number, percent, score, table, text

SIDES = {"direct": "directly", "lorekeeper": "through Lorekeeper"}
OF_A_SIDE = "tokens_per_second first_token_ms_p50 first_token_ms_p95".split()
SIDE_HEADER = [
    "data set",
    "model",
    "asked",
    "failed",
    "tokens/s",
    "first word, median (ms)",
    "95 % (ms)",
    "prefix cache",
]


def model_serving(rows: Rows) -> Part:
    """A vLLM asked through Lorekeeper, and asked directly."""
    reading = [sentence for row in rows for sentence in _costs(row)]
    lines = [_side(row, side) for row in rows for side in SIDES if have(row, f"{side}_tokens_per_second")]
    return Part(reading, [table(SIDE_HEADER, lines, left=3)] if lines else [])


def tuning(rows: Rows) -> Part:
    """`lorekeeper tune train` beside TRL's trainer used by itself."""
    reading = []
    for row in rows:
        if have(row, "tokens_per_second", "trl_tokens_per_second", "ratio"):
            size = f", {count(number(row, 'parameters'))} parameters" if have(row, "parameters") else ""
            reading.append(
                f"Lorekeeper trains {text(row.get('model', ''))} ({text(row.get('method', ''))}{size}) at "
                f"{count(number(row, 'tokens_per_second'))} tokens per second, {score(number(row, 'ratio'))} times as "
                f"many as TRL's trainer by itself ({count(number(row, 'trl_tokens_per_second'))})."
            )
    shown = "examples tokens batch micro_batch runs tokens_per_second trl_tokens_per_second ratio processor_ratio loss trl_loss"
    return Part(reading, [columns(rows, shown, ("model", "method"))])


def _costs(row: Row) -> list[str]:
    told = []
    if have(row, "people", "throughput_ratio", "first_token_added_ms_p50"):
        added = number(row, "first_token_added_ms_p50") or 0.0
        told.append(
            f"With {count(number(row, 'people'))} questions at once, {text(row.get('model', ''))} writes "
            f"{score(number(row, 'throughput_ratio'))} times as many tokens per second through Lorekeeper as when vLLM "
            f"is asked directly, and the first word comes {amount(abs(added))} ms {'later' if added >= 0 else 'earlier'}."
        )
    if have(row, "lorekeeper_prefix_cache_hit_rate", "follow_ups_prefix_cache_hit_rate"):
        told.append(
            f"vLLM has computed {percent(number(row, 'lorekeeper_prefix_cache_hit_rate'))} of the prompts before when questions "
            f"are asked again, and {percent(number(row, 'follow_ups_prefix_cache_hit_rate'))} of those of follow-ups."
        )
    return told


def _side(row: Row, side: str) -> list[str]:
    figures = [amount(number(row, f"{side}_{key}")) for key in OF_A_SIDE]
    cached = percent(number(row, f"{side}_prefix_cache_hit_rate"))
    named = [text(row.get("dataset", "")), text(row.get("model", "")), SIDES[side]]
    return [*named, count(number(row, f"{side}_failed")), *figures, cached]

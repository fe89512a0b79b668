"""What Lorekeeper's figures are beside another system's, in sentences that come out right whichever is better. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from evals.tables import Rows, find, is_ours, keys, listed, number, score, system_name, systems, text, times

# What was measured (a data set, a size), Lorekeeper's figure, the other's.
Pair = tuple[float | str, float, float]


def rivals(rows: Rows) -> list[tuple[object, object]]:
    """Lorekeeper with each of the others."""
    ours = [system for system in systems(rows) if is_ours(system)]
    return [(mine, other) for mine in ours[:1] for other in systems(rows) if not is_ours(other)]


def measured_for_both(rows: Rows, by: str, key: str, ours: object, other: object) -> list[Pair]:
    found = []
    for value in keys(rows, by):
        mine, theirs = (number(find(rows, **{by: value, "system": system}), key) for system in (ours, other))
        if mine is not None and theirs is not None:
            found.append((value, mine, theirs))
    return found


def quality(rows: Rows, ours: object, other: object) -> list[str]:
    """nDCG@10 on average, and on how many data sets it is above and on which below."""
    both, name = measured_for_both(rows, "dataset", "ndcg@10", ours, other), text(system_name(other))
    if not both:
        return []
    mine, theirs = fmean(a for _, a, _ in both), fmean(b for _, _, b in both)
    where = f"{'On average over' if len(both) > 1 else 'On'} {listed([text(data) for data, _, _ in both])}"
    average = (
        f"{where}, Lorekeeper's nDCG@10 is {difference(mine, theirs)} that of {name}: "
        f"{score(mine)} against {score(theirs)}."
    )
    if len(both) == 1:
        return [average]
    above = sum(change_of(a, b) > 0 for _, a, b in both)
    below = [f"{text(data)} ({score(a)} against {score(b)})" for data, a, b in both if change_of(a, b) < 0]
    level = [text(data) for data, a, b in both if not change_of(a, b)]
    parts = [f"above {name} on {above} of {len(both)} data sets", f"below on {listed(below) or 'none'}"]
    if level:
        parts.append(f"the same on {listed(level)}")
    return [average, f"Lorekeeper's nDCG@10 is {', '.join(parts[:-1])}, and {parts[-1]}."]


def indexing(rows: Rows, ours: object, other: object) -> list[str]:
    both = measured_for_both(rows, "dataset", "documents_per_second", ours, other)
    return _ratios(both, "Lorekeeper indexes {} times as many documents per second as {}", other)


def querying(rows: Rows, ours: object, other: object) -> list[str]:
    both = measured_for_both(rows, "dataset", "query_ms_p50", ours, other)
    return _ratios(both, "Lorekeeper's median query takes {} times as long as that of {}", other)


def memory(rows: Rows, ours: object, other: object) -> list[str]:
    both = measured_for_both(rows, "dataset", "rss_mb", ours, other)
    return _ratios(both, "Lorekeeper's process needs {} times as much memory as that of {}", other)


def difference(ours: float, theirs: float) -> str:
    """`0.088 above`, as it fits before "that of"."""
    change = change_of(ours, theirs)
    return f"{abs(change):.3f} {'above' if change > 0 else 'below'}" if change else "the same as"


def change_of(ours: float, theirs: float) -> float:
    """Of the figures as they are shown, so that a reader comes to the same."""
    return round(round(ours, 3) - round(theirs, 3), 3)


def _ratios(both: Sequence[Pair], sentence: str, other: object) -> list[str]:
    ratios, name = sorted(mine / theirs for _, mine, theirs in both if theirs), text(system_name(other))
    if not ratios:
        return []
    spread = f", the median of {len(ratios)} data sets ({times(ratios[0])} to {times(ratios[-1])} times)"
    return [f"{sentence.format(times(median(ratios)), name)}{spread if len(ratios) > 1 else ''}."]

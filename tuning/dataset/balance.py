"""How many examples each namespace and each outcome gets. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tuning.dataset.types import Draft, digest


def quotas(available: Mapping[str, int], most: int) -> dict[str, int]:
    """`most`, divided among the namespaces as evenly as what is available in each allows."""
    left, given = most, dict.fromkeys(available, 0)
    waiting = sorted(available, key=lambda name: (available[name], name))
    while waiting:
        name = waiting.pop(0)
        given[name] = min(available[name], left // (len(waiting) + 1))
        left -= given[name]
    return given


def unanswerable_quota(answered: int, share: float) -> int:
    """So many no-answers beside so many answers are `share` of all."""
    return round(answered * share / (1 - share))


def in_turn(drafts: Sequence[Draft], seed: int, most_per_document: int) -> list[Draft]:
    """Drafts of documents in the order in which they are tried: each document, and each rule, as often as the others.

    Of each document at most so many.
    """
    of_document: dict[frozenset[str], dict[str, list[Draft]]] = defaultdict(lambda: defaultdict(list))
    for draft in drafts:
        of_document[draft.documents][draft.origin].append(draft)
    ranked: list[tuple[int, str, Draft]] = []
    for documents, of_origin in of_document.items():
        # Where a document has few turns, the rules take them by lot.
        origins = sorted(of_origin, key=lambda origin: digest([seed, origin, sorted(documents)]))
        shuffled = [sorted(of_origin[each], key=lambda draft: _drawn(seed, draft)) for each in origins]
        longest = max(map(len, shuffled))
        mixed = [each[turn] for turn in range(longest) for each in shuffled if turn < len(each)]
        ranked += [(turn, _drawn(seed, draft), draft) for turn, draft in enumerate(mixed[:most_per_document])]
    return [draft for _, _, draft in sorted(ranked, key=lambda each: each[:2])]


def drawn_first(drafts: Sequence[Draft], seed: int) -> list[Draft]:
    """In an order that only the seed and the drafts decide."""
    return sorted(drafts, key=lambda draft: _drawn(seed, draft))


def _drawn(seed: int, draft: Draft) -> str:
    return digest([seed, draft.namespace, draft.question, draft.answer, sorted(draft.documents)])

"""Which documents are for training and which are held out. Pure.

Whole groups of documents are held out: two documents of which a good part says the same would otherwise let a model be
tested on what it was trained with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.types import Passage
from tuning.dataset.similar import Shingles, near_duplicates, shingles
from tuning.dataset.types import Split, digest

NEAR_DUPLICATE = 0.7
# Share of the smaller document's passages that stand in the other as well, from which both are in one group. Below it
# they share a disclaimer or a footer; examples that rest on such a passage are taken out one by one.
SHARED = 0.2


@dataclass(frozen=True, slots=True)
class Division:
    """The documents of a dataset, divided."""

    namespace_of: Mapping[str, str]
    """By document id."""
    group_of: Mapping[str, str]
    """By document id, the first document id of its group."""
    held_out: frozenset[str]
    """Ids of the documents that are only tested on."""
    in_both: frozenset[str]
    """Ids of chunks of held-out documents that stand in a training document, too."""
    seed: int
    test_share: float

    def split_of(self, documents: frozenset[str], question: str) -> Split | None:
        """Where an example of these documents belongs; None when it would belong to both.

        A question without documents is assigned by its words.
        """
        if not documents:
            share = int(digest([self.seed, question.casefold()])[:8], 16) / 0xFFFFFFFF
            return Split.TEST if share < self.test_share else Split.TRAIN
        held = documents & self.held_out
        if not held:
            return Split.TRAIN
        return Split.TEST if held == documents else None

    def group(self, documents: frozenset[str]) -> frozenset[str]:
        """These documents, and all that say the same."""
        groups = {self.group_of.get(each, each) for each in documents}
        return documents | {each for each, group in self.group_of.items() if group in groups}

    def others(self, namespace: str, documents: frozenset[str]) -> bool:
        """Whether the namespace has any document beside these."""
        return any(of == namespace and each not in documents for each, of in self.namespace_of.items())


def divide(
    passages: Mapping[str, Sequence[Passage]], namespaces: Mapping[str, str], seed: int, share: float
) -> Division:
    """`passages` and `namespaces` by document id. About `share` of each namespace's passages are held out."""
    owners = [document for document, those in passages.items() for _ in those]
    every = [passage for those in passages.values() for passage in those]
    texts = [shingles(passage.text) for passage in every]
    pairs = [(one, other) for one, other in near_duplicates(texts, NEAR_DUPLICATE) if owners[one] != owners[other]]
    group_of = _groups({document: len(those) for document, those in passages.items()}, _shared(pairs, owners, texts))
    held_out = _held_out(passages, namespaces, group_of, seed, share)
    in_both = {
        every[mine].chunk_id
        for pair in pairs
        for mine, theirs in (pair, pair[::-1])
        if owners[mine] in held_out and owners[theirs] not in held_out
    }
    return Division(namespaces, group_of, held_out, frozenset(in_both), seed, share)


def _shared(
    pairs: Sequence[tuple[int, int]], owners: Sequence[str], texts: Sequence[Shingles]
) -> Counter[tuple[str, str]]:
    """By two documents, how many passages of the first stand in the second."""
    found = {(mine, owners[theirs]) for pair in pairs for mine, theirs in (pair, pair[::-1]) if any(texts[mine])}
    return Counter((owners[mine], other) for mine, other in found)


def _groups(sizes: Mapping[str, int], shared: Mapping[tuple[str, str], int]) -> dict[str, str]:
    parent = {document: document for document in sizes}

    def root(document: str) -> str:
        while parent[document] != document:
            parent[document] = parent[parent[document]]
            document = parent[document]
        return document

    for (mine, other), count in sorted(shared.items()):
        if count >= SHARED * sizes[mine]:
            first, second = sorted((root(mine), root(other)))
            parent[second] = first
    return {document: root(document) for document in sorted(sizes)}


def _held_out(
    passages: Mapping[str, Sequence[Passage]],
    namespaces: Mapping[str, str],
    group_of: Mapping[str, str],
    seed: int,
    share: float,
) -> frozenset[str]:
    chosen: set[str] = set()
    for namespace in sorted(set(namespaces.values())):
        sizes: Counter[str] = Counter()
        for document, group in group_of.items():
            if namespaces[document] == namespace:
                sizes[group] += len(passages[document])
        chosen |= _test_groups(sizes, seed, share)
    return frozenset(document for document, group in group_of.items() if group in chosen)


def _test_groups(sizes: Mapping[str, int], seed: int, share: float) -> set[str]:
    """Groups in an order drawn by the seed, each taken if that comes nearer to the share.

    Never more than half of them: beside one huge document, all others are less than its share.
    """
    wanted, taken, chosen = share * sum(sizes.values()), 0, set[str]()
    for group in sorted(sizes, key=lambda each: digest([seed, each])):
        if 2 * (len(chosen) + 1) <= len(sizes) and abs(taken + sizes[group] - wanted) < abs(taken - wanted):
            chosen.add(group)
            taken += sizes[group]
    return chosen

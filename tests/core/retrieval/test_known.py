"""What is kept of chunks that were read: never more than the index would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.retrieval.known import KnownChunks


class Collection:
    """Some chunks, and what was asked about them."""

    name = "texts"

    def __init__(self) -> None:
        self.vectors = {"a": [3.0, 4.0], "b": [0.0, 2.0]}
        self.headings: dict[str, dict[str, str] | None] = {"a": {"heading": "A"}, "b": None}
        self.asked: list[list[str]] = []

    def get(self, ids: Sequence[str], include: Sequence[str], where: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append(list(ids))
        found = [each for each in ids if each in self.vectors and (where is None or each in where)]
        vectors = np.array([self.vectors[each] for each in found])
        return {"ids": found, "embeddings": vectors, "metadatas": [self.headings.get(each) for each in found]}


def test_a_chunk_is_read_once() -> None:
    known, texts = KnownChunks(), Collection()
    assert known.unit_vectors(texts, None, ["a"])["a"].tolist() == np.array([0.6, 0.8], np.float32).tolist()
    assert known.unit_vectors(texts, None, ["a", "b"]).keys() == {"a", "b"}
    assert texts.asked == [["a"], ["b"]]


def test_what_is_not_there_is_left_out_and_asked_for_again() -> None:
    known, texts = KnownChunks(), Collection()
    assert known.unit_vectors(texts, None, ["c"]) == {}
    texts.vectors["c"] = [1.0, 0.0]
    assert known.unit_vectors(texts, None, ["c"]).keys() == {"c"}


def test_a_filter_is_asked_each_time() -> None:
    known, texts = KnownChunks(), Collection()
    assert known.unit_vectors(texts, {"a": True, "b": True}, ["a", "b"]).keys() == {"a", "b"}
    assert known.unit_vectors(texts, {"b": True}, ["a", "b"]).keys() == {"b"}


def test_what_is_forgotten_is_read_again() -> None:
    known, texts = KnownChunks(), Collection()
    known.unit_vectors(texts, None, ["a"])
    known.heading_digests(texts, ["a"])
    texts.vectors["a"], texts.headings["a"] = [1.0, 0.0], {"heading": "B"}
    known.forget(texts, ["a"])
    assert known.unit_vectors(texts, None, ["a"])["a"].tolist() == [1.0, 0.0]
    assert known.heading_digests(texts, ["a"]) == {"a": "B"}


def test_the_same_chunk_in_another_collection_is_another() -> None:
    known, texts, others = KnownChunks(), Collection(), Collection()
    others.name, others.vectors = "others", {"a": [1.0, 0.0]}
    known.unit_vectors(texts, None, ["a"])
    assert known.unit_vectors(others, None, ["a"])["a"].tolist() == [1.0, 0.0]


def test_a_heading_that_was_deleted_meanwhile_is_left_out() -> None:
    known, headings = KnownChunks(), Collection()
    assert known.heading_digests(headings, ["a", "b"]) == {"a": "A"}
    known.heading_digests(headings, ["a"])
    assert headings.asked == [["a", "b"]]

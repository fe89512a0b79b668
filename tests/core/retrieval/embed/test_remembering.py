"""The same text is embedded once, as long as it is remembered."""

from __future__ import annotations

import numpy as np

from core.retrieval.embed.remembering import RememberingEmbedder
from tests.fakes.embedder import WordEmbedder


def test_a_text_is_embedded_once_and_rows_keep_their_order() -> None:
    plain = WordEmbedder()
    remembering = RememberingEmbedder(plain)
    remembering.embed(["leave", "travel"])
    rows = remembering.embed(["travel", "pay", "leave", "pay"])
    assert plain.embedded == ["leave", "travel", "pay"]
    np.testing.assert_array_equal(rows, WordEmbedder().embed(["travel", "pay", "leave", "pay"]))


def test_a_question_is_not_taken_for_a_document() -> None:
    class Prompted(WordEmbedder):
        def embed_queries(self, texts):  # type: ignore[no-untyped-def]
            return self._vectors([f"query {text}" for text in texts])

    remembering = RememberingEmbedder(Prompted())
    assert not np.array_equal(remembering.embed(["leave"]), remembering.embed_queries(["leave"]))


def test_only_the_latest_are_kept() -> None:
    plain = WordEmbedder()
    remembering = RememberingEmbedder(plain, size=2)
    for text in ("a1", "b1", "a1", "c1", "a1", "b1"):
        remembering.embed([text])
    assert plain.embedded == ["a1", "b1", "c1", "b1"]


def test_more_texts_than_are_kept_still_all_get_their_vector() -> None:
    texts = [f"word{number}" for number in range(10)]
    rows = RememberingEmbedder(WordEmbedder(), size=3).embed(texts)
    np.testing.assert_array_equal(rows, WordEmbedder().embed(texts))


def test_no_texts_are_no_rows() -> None:
    assert RememberingEmbedder(WordEmbedder()).embed([]).shape == (0, WordEmbedder.dimension)


def test_it_is_the_embedder_to_everybody_else() -> None:
    plain = WordEmbedder()
    remembering = RememberingEmbedder(plain)
    assert (remembering.identity, remembering.dimension) == (plain.identity, plain.dimension)
    assert remembering.count_tokens("two words") == 2

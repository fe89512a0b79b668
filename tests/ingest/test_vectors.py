"""What is embedded for a chunk: its text in its place, and for the first one under a heading the heading alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.ports import Vectors
from core.types import Chunk
from ingest.vectors import chunk_vectors
from tests.fakes.embedder import WordEmbedder


def chunk(name: str, text: str, *headings: str, opens: bool = False) -> Chunk:
    return Chunk(name, "document", "section", 0, text, headings, opens=opens)


def test_a_chunk_is_embedded_with_its_title_and_headings_in_front() -> None:
    embedder = WordEmbedder()
    chunk_vectors(embedder.embed, [("Handbook", chunk("a", "25 days.", "Benefits", "Vacation"))])
    assert embedder.embedded == ["Handbook > Benefits > Vacation\n25 days."]


def test_the_first_chunk_under_a_heading_has_a_vector_of_the_heading_alone() -> None:
    embedder = WordEmbedder()
    first, second = chunk("a", "25 days.", "Vacation", opens=True), chunk("b", "More.", "Vacation")
    rows, headings = chunk_vectors(embedder.embed, [("Handbook", first), ("Handbook", second)])
    assert rows.shape == (2, embedder.dimension)
    assert list(headings) == ["a"]
    assert headings["a"][0] == "Handbook > Vacation"
    assert np.array_equal(headings["a"][1], embedder.embed(["Handbook > Vacation"])[0])
    assert np.array_equal(rows, embedder.embed(["Handbook > Vacation\n25 days.", "Handbook > Vacation\nMore."]))


def test_a_heading_that_many_share_is_embedded_once() -> None:
    embedder = WordEmbedder()
    titled = [("Handbook", chunk(str(number), f"Page {number}.", opens=True)) for number in range(9)]
    _, headings = chunk_vectors(embedder.embed, titled)
    assert len(headings) == 9
    assert embedder.embedded.count("Handbook") == 1


def test_all_vectors_are_of_unit_length() -> None:
    titled = [(f"Title {number}", chunk(str(number), "Text.", "Heading", opens=True)) for number in range(5)]
    rows, headings = chunk_vectors(WordEmbedder().embed, titled)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert np.allclose(np.linalg.norm([vector for _, vector in headings.values()], axis=1), 1)


def test_without_title_and_headings_only_the_text_is_embedded() -> None:
    embedder = WordEmbedder()
    rows, headings = chunk_vectors(embedder.embed, [("", chunk("a", "25 days.", opens=True))])
    assert (embedder.embedded, rows.shape, headings) == (["25 days."], (1, embedder.dimension), {})


def test_no_chunks_give_no_vectors() -> None:
    def embed(texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), 8), np.float32)

    rows, headings = chunk_vectors(embed, [])
    assert (rows.shape, headings) == ((0, 8), {})

"""The optional cross-encoder, with a tiny model that is made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import EmbeddingFailed, MissingExtra
from core.retrieval.rerank import CrossEncoderReranker
from tests.tiny_models import make_tiny_cross_encoder


@pytest.mark.slow
def test_each_text_gets_a_score_and_the_same_one_each_time(tmp_path: Path) -> None:
    reranker = CrossEncoderReranker(str(make_tiny_cross_encoder(tmp_path)))
    texts = ["vacation policy", "travel expense report", "vacation policy"]
    scores = reranker.scores("how many days of vacation", texts)
    assert scores[0] == pytest.approx(scores[2], abs=1e-5)
    assert scores[0] != pytest.approx(scores[1], abs=1e-9)
    assert reranker.scores("how many days of vacation", texts) == pytest.approx(scores, abs=1e-5)


@pytest.mark.slow
def test_a_model_that_is_not_there_is_told_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFailed, match=r"retrieval\.reranker"):
        CrossEncoderReranker(str(tmp_path / "none")).scores("a", ["b"])


def test_without_the_package_the_install_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"\.\[export\]"):
        CrossEncoderReranker("any").scores("a", ["b"])

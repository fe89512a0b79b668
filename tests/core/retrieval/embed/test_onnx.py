"""Any sentence-transformers model, exported once, gives the vectors that the original gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import EmbeddingFailed
from core.retrieval.embed.onnx import OnnxEmbedder, open_onnx
from core.settings import Settings, load
from core.settings_documents import Embedding
from tests.tiny_models import make_tiny_model

TEXTS = ["vacation policy", "", "how many days of vacation do i accrue", "travel expense report " * 40, "☃ 数字"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


def settings_for(model: Path | str, cache: Path, precision: str = "fp32") -> Settings:
    return Settings(cache_dir=cache, embedding=Embedding(model=str(model), precision=precision))


@pytest.fixture(scope="module")
def embedder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxEmbedder:
    return open_onnx(settings_for(tiny, tmp_path_factory.mktemp("cache")))


@pytest.mark.slow
def test_the_vectors_are_those_of_the_original(tiny: Path, embedder: OnnxEmbedder) -> None:
    from sentence_transformers import SentenceTransformer

    original = SentenceTransformer(str(tiny), device="cpu")
    texts = [text for text in TEXTS if text]
    for ours, name in ((embedder.embed(texts), "document"), (embedder.embed_queries(texts), "query")):
        theirs = original.encode(texts, prompt_name=name, normalize_embeddings=True)
        assert np.min(np.sum(ours * theirs, axis=1)) > 0.9999


@pytest.mark.slow
def test_vectors_are_finite_unit_rows_whatever_the_text(embedder: OnnxEmbedder) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.shape == (len(TEXTS), embedder.dimension)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
def test_a_batch_gives_what_single_texts_give(embedder: OnnxEmbedder) -> None:
    texts = [f"{word} {'policy ' * number}" for number, word in enumerate(["travel", "team", "office"] * 15)]
    together = embedder.embed(texts)
    for row, text in zip(together[:5], texts, strict=False):
        np.testing.assert_allclose(row, embedder.embed([text])[0], atol=1e-5)


@pytest.mark.slow
def test_a_second_start_exports_nothing(tiny: Path, tmp_path: Path) -> None:
    first = open_onnx(settings_for(tiny, tmp_path))
    model = next(tmp_path.rglob("model.onnx"))
    written = model.stat().st_mtime_ns
    again = open_onnx(settings_for(tiny, tmp_path))
    assert again.identity == first.identity
    assert model.stat().st_mtime_ns == written


@pytest.mark.slow
def test_another_model_or_precision_is_another_identity(tiny: Path, embedder: OnnxEmbedder, tmp_path: Path) -> None:
    other = make_tiny_model(tmp_path / "other", seed=1)
    identities = {
        embedder.identity,
        open_onnx(settings_for(other, tmp_path / "cache")).identity,
        open_onnx(settings_for(tiny, tmp_path / "cache", "int8")).identity,
    }
    assert len(identities) == 3


def test_a_damaged_export_names_the_folder_to_delete(tmp_path: Path) -> None:
    (tmp_path / "embedding.json").write_text("{}")
    with pytest.raises(EmbeddingFailed, match="Delete that folder"):
        OnnxEmbedder(tmp_path).embed(["a"])


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingFailed, match="does not exist"):
        open_onnx(settings_for(tmp_path / "missing", tmp_path))


def test_the_built_in_model_knows_what_belongs_together() -> None:
    embedder = open_onnx(load())
    question = embedder.embed_queries(["How many days off do I get?"])
    near, far = embedder.embed(["Employees accrue 13 days of annual leave.", "The printer is on the second floor."])
    assert float(question[0] @ near) > float(question[0] @ far) + 0.2
    assert embedder.count_tokens("How many days?") == 4


def test_serving_loads_no_torch() -> None:
    script = (
        "import sys\n"
        "from core.settings import load\n"
        "from core.build import open_embedder\n"
        "open_embedder(load()).embed_queries(['vacation'])\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("text", ["การลาพักร้อน" * 80, "\U0001f600" * 500, "កម្ពុជា" * 100])
def test_a_script_that_the_model_does_not_know_still_counts(text: str) -> None:
    embedder = open_onnx(load())
    assert embedder.count_tokens(text) >= len(text) // 3


def test_words_that_the_model_knows_count_as_its_tokens() -> None:
    assert open_onnx(load()).count_tokens("vacation policy") == 2


def test_nothing_is_reported_to_the_makers_of_the_runtime(tmp_path: Path) -> None:
    script = "from core.retrieval.embed.onnx import open_onnx; from core.settings import load; open_onnx(load()).embed(['leave'])"
    environment = {**os.environ, "HOME": str(tmp_path), "LOREKEEPER_CACHE_DIR": str(load().cache_dir)}
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, timeout=60, cwd=Path(__file__).parents[4]
    )
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_written_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddingFailed, match="LOREKEEPER_CACHE_DIR"):
        open_onnx(Settings(cache_dir=tmp_path / "file" / "cache")).embed(["leave"])
